import type { Verdict } from "../filter/pipeline.ts";
import type { MessageContent } from "../message/content.ts";
import type { Reply } from "./reply.ts";
import type { Session, Transaction } from "./session.ts";

/** Logs a refusal at the end of the message and hands its reply on. */
export function refused(
  session: Session,
  transaction: Transaction,
  content: MessageContent,
  answer: Reply,
  verdict?: Verdict,
): Reply {
  session.log.warn(
    {
      event: "refused",
      stage: "DATA",
      id: transaction.id,
      code: answer.code,
      status: answer.status,
      from: transaction.from,
      to: transaction.recipients.map(({ address }) => address),
      size: content.size,
      score: verdict?.score,
      findings: verdict?.findings.map(({ symbol }) => symbol),
    },
    "message refused",
  );
  return answer;
}
