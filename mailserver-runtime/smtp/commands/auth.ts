/** AUTH (RFC 4954): only at submission, only inside TLS. */
import { decodeSaslResponse, saslMechanisms } from "../../auth/sasl.ts";
import { canonicalAddress } from "../../message/address.ts";
import type { Command } from "../command.ts";
import { closing, type Reply, replies } from "../reply.ts";
import type { Session } from "../session.ts";

export const auth: Command = {
  verb: "AUTH",
  modes: ["submission"],
  endsGroup: true,
  idle: false,
  async run(session, argument) {
    const { authenticator } = session.services;
    if (authenticator === undefined) return replies.notImplemented;
    if (session.connection.tls === undefined) return replies.authNeedsTls;
    if (session.helo === undefined || !session.extended) return replies.helloFirst;
    if (session.account !== undefined) return replies.alreadyAuthenticated;
    if (session.transaction !== undefined) return replies.authInTransaction;
    const [name = "", initial, extra] = argument.split(" ");
    if (extra !== undefined) return replies.syntax;
    const begin = saslMechanisms.get(name.toUpperCase());
    if (begin === undefined) return replies.unknownMechanism;
    const exchange = begin();
    let response = initial === undefined ? undefined : decodeSaslResponse(initial);
    if (initial !== undefined && response === undefined) return replies.badBase64;
    for (;;) {
      const step = exchange.next(response);
      if (step.kind === "malformed") return failed(session, replies.badCredentials);
      if (step.kind === "challenge") {
        session.connection.write(`334 ${step.bytes.toString("base64")}\r\n`);
        const { authLine, commandMs } = session.limits;
        const line = await session.connection.readLine(authLine, commandMs, { bareLf: true });
        if (session.connection.lineEndedBare) return replies.bareLineFeed;
        const text = line.toString("latin1");
        if (text === "*") return replies.authAborted;
        // An empty line is an empty response here; "=" stands for it only with the command (RFC 4954 §4).
        response = text === "" ? Buffer.alloc(0) : decodeSaslResponse(text);
        if (response === undefined) return replies.badBase64;
        continue;
      }
      const { username, password, authorizationId } = step;
      if (authorizationId !== "" && canonicalAddress(authorizationId) !== canonicalAddress(username))
        return failed(session, replies.badCredentials);
      const client = session.connection.remote;
      const result = await authenticator.verify({ username, password, service: "smtp", client });
      if (!result.ok) return failed(session, refusals[result.reason]);
      session.account = result.account;
      return replies.authenticated;
    }
  },
};

const refusals = {
  credentials: replies.badCredentials,
  disabled: replies.accountDisabled,
  temporary: replies.loginUnavailable,
} as const satisfies Record<string, Reply>;

function failed(session: Session, answer: Reply): Reply {
  return ++session.failedLogins >= session.limits.failedLogins ? closing(answer) : answer;
}
