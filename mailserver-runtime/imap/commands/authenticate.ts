import { converse, decodeSaslResponse } from "../../auth/sasl.ts";
import { logIn, privacyRequired, verify } from "../log-in.ts";
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
    const { connection, wire } = session;
    if (!connection.tls) return privacyRequired;
    const exchange = session.sasl.begin(mechanism, connection);
    if (!exchange) return no("That mechanism is not offered here.", "CANNOT");
    const response = initial === undefined ? undefined : decodeSaslResponse(initial);
    if (initial !== undefined && !response) return bad("That is not base64.");
    let completion: Completion | undefined;
    const outcome = await converse(exchange, response, {
      async challenge(bytes) {
        const text = (await wire.continuation(bytes.toString("base64"), MAX_RESPONSE)).toString("latin1");
        return text === "*" ? "cancelled" : (decodeSaslResponse(text) ?? "not-base64");
      },
      verify: async (credentials) => {
        const { username, authorizationId } = credentials;
        // Acting for somebody else is written user*master; an authorization id may only repeat the name.
        if (authorizationId !== "" && authorizationId.toLowerCase() !== username.toLowerCase()) {
          completion = no("Log in as the account itself.", "AUTHORIZATIONFAILED");
          return { ok: false, reason: "disabled" };
        }
        return verify(session, credentials);
      },
    });
    if (typeof outcome === "string") return bad(ENDINGS[outcome]);
    return completion ?? logIn(session, outcome);
  },
});

/** How an exchange ends without a login. */
const ENDINGS = {
  malformed: "That is no complete login.",
  cancelled: "Cancelled.",
  "not-base64": "That is not base64.",
} as const;
