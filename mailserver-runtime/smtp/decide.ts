/** The end of a message, however it came: hands it to reception or submission, and ends its transaction. */
import type { MessageContent } from "../message/content.ts";
import { ConnectionError } from "../net/connection.ts";
import { receiveMail } from "./reception.ts";
import { isSeveral, type Reply, replies } from "./reply.ts";
import type { Session, Transaction } from "./session.ts";
import { submitMail } from "./submission.ts";

/** Answers a message that came whole, or that was refused while it came. LMTP has a reply for each recipient (RFC 2033 §4.2). */
export async function decideMessage(
  session: Session,
  transaction: Transaction,
  received: MessageContent | Reply,
): Promise<Reply | readonly Reply[]> {
  const answer = await verdictOf(session, transaction, received);
  session.transaction = undefined;
  session.messages++;
  if (session.mode === "lmtp") return isSeveral(answer) ? answer : transaction.recipients.map(() => answer);
  if (!isSeveral(answer) && answer.code < 300) {
    session.errors = 0;
    session.idleCommands = 0;
  }
  return answer;
}

async function verdictOf(
  session: Session,
  transaction: Transaction,
  received: MessageContent | Reply,
): Promise<Reply | readonly Reply[]> {
  const { id, from } = transaction;
  if ("wire" in received) {
    const { code, status } = received;
    session.log.warn(
      { event: "refused", stage: "DATA", id, code, status, from },
      "message refused as it came",
    );
    return received;
  }
  try {
    const decide = session.mode === "submission" ? submitMail : receiveMail;
    return await decide(session, transaction, received);
  } catch (error) {
    if (error instanceof ConnectionError) throw error;
    // Nothing was acknowledged: the client keeps the message and comes again.
    session.log.error({ event: "message-failed", id, from, err: error }, "a message could not be decided");
    return replies.internal;
  } finally {
    await received.dispose();
  }
}
