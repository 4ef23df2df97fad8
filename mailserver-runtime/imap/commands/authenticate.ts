import { decodeSaslResponse, saslMechanisms } from "../../auth/sasl.ts";
import { logIn, privacyRequired } from "../log-in.ts";
import { bad, type Completion, command, no } from "./command.ts";

/** Base64 of a SASL message at most. */
const MAX_RESPONSE = 16 * 1024;

/** AUTHENTICATE (RFC 9051 §6.2.2) with initial response (RFC 4959). */
export const authenticate = command({
  name: "AUTHENTICATE",
  states: ["not-authenticated"],
  parse(cursor) {
    cursor.space();
    const mechanism = cursor.keyword();
    let initial: string | undefined;
    if (cursor.take(" ")) {
      initial = cursor.bytes.toString("latin1", cursor.at);
      cursor.at = cursor.bytes.length;
    }
    cursor.end();
    return { mechanism, initial };
  },
  async run(session, { mechanism, initial }): Promise<Completion> {
    if (!session.connection.tls) return privacyRequired;
    const exchange = saslMechanisms.get(mechanism)?.();
    if (!exchange) return no("That mechanism is not offered here.", "CANNOT");
    let response: Buffer | undefined;
    if (initial !== undefined) {
      response = decodeSaslResponse(initial);
      if (!response) return bad("That is not base64.");
    }
    for (;;) {
      const step = exchange.next(response);
      if (step.kind === "malformed") return bad("That is no complete login.");
      if (step.kind === "credentials") {
        const { username, password, authorizationId } = step;
        // Acting for somebody else is written user*master; an authorization id may only repeat the name.
        if (authorizationId !== "" && authorizationId.toLowerCase() !== username.toLowerCase()) {
          return no("Log in as the account itself.", "AUTHORIZATIONFAILED");
        }
        return logIn(session, username, password);
      }
      const challenge = step.bytes.toString("base64");
      const line = await session.wire.continuation(challenge, MAX_RESPONSE);
      const text = line.toString("latin1");
      if (text === "*") return bad("Cancelled.");
      response = decodeSaslResponse(text);
      if (!response) return bad("That is not base64.");
    }
  },
});
