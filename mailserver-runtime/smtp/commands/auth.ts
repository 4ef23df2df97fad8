/** AUTH (RFC 4954): only at submission, only inside TLS. */
import { converse, decodeSaslResponse } from "../../auth/sasl.ts";
import { passwordOffer } from "../../auth/sasl-offer.ts";
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
    const { connection, services } = session;
    const exchange = (services.sasl ?? passwordOffer).begin(name.toUpperCase(), connection);
    if (exchange === undefined) return replies.unknownMechanism;
    const response = initial === undefined ? undefined : decodeSaslResponse(initial);
    if (initial !== undefined && response === undefined) return replies.badBase64;
    let bareLineFeed = false;
    const outcome = await converse(exchange, response, {
      async challenge(bytes) {
        connection.write(`334 ${bytes.toString("base64")}\r\n`);
        const { authLine, commandMs } = session.limits;
        const line = await connection.readLine(authLine, commandMs, { bareLf: true });
        bareLineFeed = connection.lineEndedBare;
        if (bareLineFeed) return "not-base64";
        const text = line.toString("latin1");
        if (text === "*") return "cancelled";
        // An empty line is an empty response here; "=" stands for it only with the command (RFC 4954 §4).
        return text === "" ? Buffer.alloc(0) : (decodeSaslResponse(text) ?? "not-base64");
      },
      async verify({ authorizationId, ...claim }) {
        if (authorizationId !== "" && canonicalAddress(authorizationId) !== canonicalAddress(claim.username))
          return { ok: false, reason: "credentials" };
        return authenticator.verify({ ...claim, service: "smtp", client: connection.remote });
      },
    });
    if (bareLineFeed) return replies.bareLineFeed;
    if (outcome === "cancelled") return replies.authAborted;
    if (outcome === "not-base64") return replies.badBase64;
    if (outcome === "malformed") return failed(session, replies.badCredentials);
    if (!outcome.ok) return failed(session, refusals[outcome.reason]);
    session.account = outcome.account;
    return replies.authenticated;
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
