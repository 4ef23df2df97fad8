/** DATA (RFC 5321 §4.1.1.4). */
import type { Command } from "../command.ts";
import { decideMessage } from "../decide.ts";
import { receiveData } from "../receive.ts";
import { replies } from "../reply.ts";

export const data: Command = {
  verb: "DATA",
  modes: ["mx", "submission", "lmtp"],
  endsGroup: true,
  idle: false,
  async run(session, argument) {
    const { transaction } = session;
    if (argument !== "") return replies.noParameters;
    if (transaction === undefined) return replies.mailFirst;
    if (transaction.bdat !== undefined) return replies.inBdat;
    if (transaction.recipients.length === 0) return replies.recipientFirst;
    session.say(replies.startMail);
    return decideMessage(session, transaction, await receiveData(session, transaction));
  },
};
