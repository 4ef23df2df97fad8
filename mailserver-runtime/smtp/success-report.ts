/**
 * What a sender who asked for it hears of a message that has arrived here (RFC 3461 NOTIFY=SUCCESS).
 *
 * A recipient with one way is "delivered" once its copy is stored; where the way leads on to another host the
 * request goes along, and the queue or that host reports. A recipient with several ways is "expanded", and
 * SUCCESS goes along with none of them (§5.2.7.3 c). Recipients are named as RCPT gave them: who stands behind
 * an alias is not the sender's to know (§5.2.7.4).
 */
import type { MessageContent } from "../message/content.ts";
import type { ReportAction, ReportedRecipient } from "../message/report.ts";
import type { Envelope } from "../queue/queue.ts";
import { reportFor } from "../queue/sender-report.ts";
import type { RecipientParameters } from "./parameters.ts";
import type { AcceptedRecipient, Session, Transaction } from "./session.ts";

/** What goes along with the copies of a recipient. */
export function onwardParameters({ routes, parameters }: AcceptedRecipient): RecipientParameters {
  const { notify } = parameters;
  if (routes.length === 1 || !notify?.includes("SUCCESS")) return parameters;
  const rest = notify.filter((keyword) => keyword !== "SUCCESS");
  return { ...parameters, notify: rest.length === 0 ? ["NEVER"] : rest };
}

/** Whom the sender is to be told of; `stored` has the accounts with a copy. */
export function successNotices(
  from: string,
  recipients: readonly AcceptedRecipient[],
  stored: ReadonlySet<string>,
  at: number,
): readonly ReportedRecipient[] {
  if (from === "") return [];
  return recipients.flatMap((recipient) => {
    const action = actionOf(recipient, stored);
    if (action === undefined) return [];
    const { address, parameters } = recipient;
    return [
      { address, orcpt: parameters.orcpt, action, status: "2.0.0", text: texts[action], lastAttemptAt: at },
    ];
  });
}

const texts = { delivered: "stored in the mailbox", expanded: "sent on to several addresses" } as const;

function actionOf(
  { routes, parameters }: AcceptedRecipient,
  stored: ReadonlySet<string>,
): Extract<ReportAction, "delivered" | "expanded"> | undefined {
  if (!parameters.notify?.includes("SUCCESS")) return undefined;
  if (routes.length > 1) return "expanded";
  const [route] = routes;
  return route?.kind === "local" && stored.has(route.account) ? "delivered" : undefined;
}

/** Tells the sender. The message is safe already: a report that fails is in the log and changes no answer. */
export async function reportSuccess(
  session: Session,
  transaction: Transaction,
  message: { readonly content: MessageContent; readonly envelope: Envelope; readonly receivedAt: number },
  notices: readonly ReportedRecipient[],
): Promise<void> {
  if (notices.length === 0) return;
  const { services } = session;
  const { id, from, snapshot } = transaction;
  const { content, receivedAt } = message;
  try {
    const submission = await reportFor(
      { header: { id, envelope: { ...message.envelope, from }, queuedAt: receivedAt } },
      notices,
      content,
      { hostname: snapshot.settings.hostname, now: receivedAt },
    );
    await (services.reenter ?? ((report) => services.queue.enqueue(report)))(submission);
    session.log.info({ event: "success-reported", id, to: from, recipients: notices.length });
  } catch (error) {
    session.log.error({ event: "report-failed", id, to: from, err: error }, "cannot report a success");
  }
}
