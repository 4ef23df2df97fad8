/**
 * Makes one message durable for all its recipients, or for none (DESIGN D8): after this, and only then, the
 * client hears 250.
 *
 * What leaves through the queue is prepared first: on disk, but not sent, so that it can be taken back, which a stored
 * copy cannot. Then the store gets the local copies. Where some of them fail, they are prepared for the queue from the
 * same bytes; where even that is not possible, all that was prepared is withdrawn and the client keeps the message:
 * copies already stored become duplicates when it comes again, and the log names them. Where no copy at all could
 * be kept, the client is told so at once. When nothing can fail any more, the queue's part is committed.
 */
import type { MessageContent } from "../message/content.ts";
import type { EnvelopeRecipient, Prepared, QueueSubmission } from "../queue/queue.ts";
import { QueueError } from "../queue/spool.ts";
import { type DeliveryOutcome, type DeliveryRecipient, StoreError } from "../store/mail-store.ts";
import { fullReply } from "./over-quota.ts";
import { type Reply, replies } from "./reply.ts";
import type { Session } from "./session.ts";

export interface LocalCopy extends DeliveryRecipient {
  /** The same recipient for the queue: the account's address, since an alias would deliver again to all its targets. */
  readonly recipient: EnvelopeRecipient;
}
export interface DurableMessage {
  readonly id: string;
  readonly receivedAt: number;
  /** What local copies hold. */
  readonly content: MessageContent;
  readonly local: readonly LocalCopy[];
  /** Copies here for those who are no recipients (copies.ts). */
  readonly copies?: readonly LocalCopy[];
  /** Reverse-path as the client gave it; a forward's own may differ (SRS). */
  readonly from: string;
  /** Who gets it through the queue; the envelope's recipients may be empty. */
  readonly queued: QueueSubmission;
  /** What goes through the queue with an envelope of its own: mail for a primary MX, copies for other hosts. */
  readonly further?: readonly QueueSubmission[];
}
export type Durable =
  | {
      readonly ok: true;
      readonly queueId: string | undefined;
      /** Accounts that have their copy now. */
      readonly stored: ReadonlySet<string>;
      readonly requeued: number;
      /** Only where each recipient is answered by itself: what those hear that have it not, in the recipients' order. */
      readonly refusals?: readonly (Reply | undefined)[];
    }
  | { readonly ok: false; readonly reply: Reply };

export async function makeDurable(session: Session, message: DurableMessage): Promise<Durable> {
  const prepared: Prepared[] = [];
  try {
    for (const submission of [message.queued, ...(message.further ?? [])])
      if (submission.envelope.recipients.length > 0)
        prepared.push(await prepare(session, message, submission));
  } catch (error) {
    await withdraw(session, message, prepared);
    return { ok: false, reply: queueFailure(session, message, error) };
  }
  const accepted = (stored: ReadonlySet<string>, requeued: number): Durable => {
    commit(prepared);
    return { ok: true, queueId: prepared[0]?.id, stored, requeued };
  };
  const local = [...message.local, ...(message.copies ?? [])];
  const outcomes = await deliver(session, { ...message, local });
  const failures = outcomes.filter((outcome) => !outcome.stored);
  const stored = new Set(outcomes.filter((outcome) => outcome.stored).map(({ account }) => account));
  const [first] = failures;
  if (first === undefined) return accepted(stored, 0);
  if (stored.size === 0 && prepared.length === 0)
    return { ok: false, reply: failureReply(session, first.error) };
  const failed = new Set(failures.map(({ account }) => account));
  try {
    return accepted(stored, await prepareAgain(session, message, failed, prepared));
  } catch (error) {
    const reply = queueFailure(session, message, error);
    await withdraw(session, message, prepared);
    for (const account of stored) tellDuplicate(session, message, account);
    return { ok: false, reply };
  }
}

/**
 * Prepares for the queue what the store could not keep, from the same bytes: the recipients' copies together, each other
 * copy with what stands above its own header. Puts them into `prepared` one by one, and gives the number of copies.
 * @throws what the queue throws
 */
export async function prepareAgain(
  session: Session,
  message: DurableMessage,
  failed: ReadonlySet<string>,
  prepared: Prepared[],
): Promise<number> {
  const again = message.local.filter(({ account }) => failed.has(account));
  const copies = (message.copies ?? []).filter(({ account }) => failed.has(account));
  const submission = (lost: readonly LocalCopy[], prefix: Buffer): QueueSubmission => ({
    ...message.queued,
    prefix,
    envelope: {
      ...message.queued.envelope,
      from: message.from,
      recipients: lost.map(({ recipient }) => recipient),
    },
  });
  if (again.length > 0)
    prepared.push(await prepare(session, message, submission(again, message.queued.prefix)));
  // Return-Path is written again at the delivery.
  for (const copy of copies)
    prepared.push(
      await prepare(
        session,
        message,
        submission([copy], copy.prefix.subarray(copy.prefix.indexOf("\n") + 1)),
      ),
    );
  return again.length + copies.length;
}

export function tellDuplicate(session: Session, { id }: DurableMessage, account: string): void {
  session.log.error({ event: "duplicate-possible", id, account }, "a stored copy was not acknowledged");
}
export function prepare(
  session: Session,
  message: DurableMessage,
  submission: QueueSubmission,
): Promise<Prepared> {
  return session.services.queue.prepare({ ...submission, cause: message.id });
}
export function commit(prepared: readonly Prepared[]): void {
  for (const one of prepared) one.commit();
}
/** Durably, before the client hears that it keeps the message; what the disk may bring back is named in the log. */
export async function withdraw(
  session: Session,
  message: DurableMessage,
  prepared: readonly Prepared[],
): Promise<void> {
  for (const one of prepared)
    try {
      await one.withdraw();
    } catch (error) {
      session.log.error(
        { event: "duplicate-possible", id: message.id, queueId: one.id, err: error },
        "a queued message that was not acknowledged may be delivered after the next start",
      );
    }
}
export function queueFailure(session: Session, message: DurableMessage, error: unknown): Reply {
  // A full disk has its own line in the log, once for many messages.
  if (error instanceof QueueError && error.problem === "disk full") return replies.noSpace;
  session.log.error({ event: "queue-failed", id: message.id, err: error }, "cannot queue a message");
  return replies.storeFailed;
}

/** Stores the local copies; what failed is in the log. */
export async function deliver(
  session: Session,
  message: DurableMessage,
): Promise<readonly DeliveryOutcome[]> {
  const outcomes = await outcomesOf(session, message);
  for (const outcome of outcomes) {
    if (outcome.stored) continue;
    const { account, error } = outcome;
    const fields = { event: "store-failed", id: message.id, account, code: error.code };
    if (error.code !== "no-space") session.log.error(fields, error.message);
  }
  return outcomes;
}
async function outcomesOf(session: Session, message: DurableMessage): Promise<readonly DeliveryOutcome[]> {
  const { content, local, receivedAt } = message;
  if (local.length === 0) return [];
  try {
    return await session.services.store.deliver({
      content,
      receivedAt: new Date(receivedAt),
      recipients: local,
    });
  } catch (error) {
    const failure =
      error instanceof StoreError ? error : new StoreError("unavailable", String(error), { cause: error });
    return local.map(({ account }) => ({ account, stored: false, error: failure }));
  }
}

export function failureReply(session: Session, error: StoreError): Reply {
  if (error.code === "over-quota") return fullReply(session.services.snapshot().settings);
  return error.code === "no-space" ? replies.noSpace : replies.storeFailed;
}
