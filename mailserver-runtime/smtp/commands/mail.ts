/** MAIL (RFC 5321 §4.1.1.2): begins a transaction, and at submission checks whose address it is. */
import { formatAddress, needsSmtpUtf8 } from "../../message/address.ts";
import type { Command } from "../command.ts";
import { parsePathArgument } from "../grammar.ts";
import { mailParameters } from "../parameters.ts";
import { refusalReply, replies, reply } from "../reply.ts";
import { ownsAddress } from "../sender-ownership.ts";
import { strangerRefusal } from "../stranger-refusal.ts";
import { messageSizeLimit } from "../submission-limits/submission-limits.ts";

export const mail: Command = {
  verb: "MAIL",
  modes: ["mx", "submission", "lmtp"],
  endsGroup: false,
  idle: false,
  run(session, argument) {
    if (session.helo === undefined) return replies.helloFirst;
    if (session.mode === "submission" && session.account === undefined)
      return session.connection.tls === undefined ? replies.tlsRequired : replies.authRequired;
    if (session.transaction !== undefined) return replies.nestedMail;
    if (session.messages >= session.limits.messages) return replies.tooManyMessages;
    const path = parsePathArgument(argument, "FROM:");
    if (path === undefined) return replies.syntax;
    if (path === "path" || path.mailbox === "postmaster") return replies.badSender;
    if (path.parameters.size > 0 && !session.extended) return replies.unknownParameter;
    const parameters = mailParameters(path.parameters, session.parameterContext());
    if ("wire" in parameters) return parameters;
    const from = path.mailbox === "null" ? "" : formatAddress(path.mailbox);
    if (path.mailbox !== "null" && needsSmtpUtf8(path.mailbox) && parameters.smtpUtf8 !== true)
      return replies.utf8Required;
    const snapshot = session.services.snapshot();
    const sizeLimit = messageSizeLimit(snapshot.settings, session.account);
    if (parameters.size !== undefined && parameters.size > sizeLimit) return replies.tooLarge;
    if (session.services.hasRoomFor?.(parameters.size ?? 0) === false) return replies.noSpace;
    const refusal = session.services.senderRefusal(snapshot, from);
    if (refusal !== undefined) {
      session.log.warn({ event: "refused", stage: "MAIL", status: refusal.status, from }, refusal.text);
      return refusalReply(refusal);
    }
    const { account } = session;
    if (account !== undefined && from !== "" && snapshot.settings.submission.spoofProtection) {
      if (!ownsAddress(session.services, snapshot, account, from)) {
        session.log.warn(
          { event: "refused", stage: "MAIL", status: "5.7.1", from, account },
          "sender is not theirs",
        );
        return reply(553, "5.7.1", `<${from}>: Sender address rejected: not owned by user ${account}`);
      }
    }
    return strangerRefusal(session, snapshot, from).then((stranger) => {
      if (stranger !== undefined) return stranger;
      session.transaction = {
        id: session.nextTransactionId(),
        from,
        parameters,
        sizeLimit,
        snapshot,
        recipients: [],
        seen: new Set(),
      };
      return replies.senderOk;
    });
  },
};
