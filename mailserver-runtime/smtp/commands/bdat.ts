/**
 * BDAT (RFC 3030): a message in counted chunks, without end mark or dot-stuffing. The bytes of a chunk are
 * always taken off the wire before the answer, also where the command is refused, or they would be read as
 * commands.
 */
import type { Command } from "../command.ts";
import { decideMessage } from "../decide.ts";
import { beginMessage, finishMessage, receiveChunk } from "../receive.ts";
import { closing, type Reply, replies, reply } from "../reply.ts";
import type { Transaction } from "../session.ts";

export const bdat: Command = {
  verb: "BDAT",
  modes: ["mx", "submission", "lmtp"],
  endsGroup: false,
  idle: false,
  async run(session, argument) {
    const parts = /^(\d{1,15})( LAST)?$/i.exec(argument);
    // Without a size nobody knows where the next command begins.
    if (parts === null) return closing(replies.syntax);
    const size = Number(parts[1]);
    const { settings } = session.services.snapshot();
    if (size > settings.message.sizeLimit * 2) return closing(replies.tooLarge);
    const { transaction } = session;
    const refusal = misplaced(transaction);
    if (refusal !== undefined || transaction === undefined) {
      await receiveChunk(session, size, undefined, undefined);
      return refusal ?? replies.mailFirst;
    }
    transaction.bdat ??= beginMessage(session);
    const message = transaction.bdat;
    await receiveChunk(session, size, transaction, message);
    if (message.refusal !== undefined && parts[2] === undefined) return message.refusal;
    if (parts[2] === undefined) return reply(250, "2.0.0", `${size} octets received`);
    message.scanner.finish();
    return decideMessage(session, transaction, await finishMessage(session, message));
  },
};

function misplaced(transaction: Transaction | undefined): Reply | undefined {
  if (transaction === undefined) return replies.mailFirst;
  return transaction.recipients.length === 0 ? replies.recipientFirst : undefined;
}
