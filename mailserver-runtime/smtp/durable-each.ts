/**
 * Makes one message durable for each recipient by itself, as LMTP lets a server answer (RFC 2033 §4.2): who
 * cannot have it now is told so alone, and the client keeps the message for them only.
 *
 * What leaves through the queue is prepared first, then the store gets the local copies. A recipient is
 * acknowledged when each of its copies is kept; where an alias has some of them stored and others not, those
 * others are queued, since the client would bring all of them again. Where they cannot be, nothing of that recipient's
 * is sent: if some of it was to leave in an envelope with others', all that was prepared is withdrawn and nobody is
 * acknowledged. Nothing in the queue is sent before all this is settled.
 */
import type { Prepared, QueueSubmission } from "../queue/queue.ts";
import type { StoreError } from "../store/mail-store.ts";
import {
  commit,
  type Durable,
  type DurableMessage,
  deliver,
  failureReply,
  prepare,
  prepareAgain,
  queueFailure,
  tellDuplicate,
  withdraw,
} from "./durable.ts";
import { type Reply, replies } from "./reply.ts";
import type { AcceptedRecipient, Session } from "./session.ts";

export async function makeDurableForEach(
  session: Session,
  message: DurableMessage,
  recipients: readonly AcceptedRecipient[],
): Promise<Extract<Durable, { readonly ok: true }>> {
  const prepared: Prepared[] = [];
  // What has an envelope of its own concerns every recipient.
  const further = await prepareAll(session, message, message.further ?? [], prepared);
  if (further !== undefined)
    return {
      ok: true,
      queueId: undefined,
      stored: new Set(),
      requeued: 0,
      refusals: recipients.map(() => further),
    };
  const onward = message.queued.envelope.recipients.length > 0 ? [message.queued] : [];
  const failure = await prepareAll(session, message, onward, prepared);
  const queueId = onward.length > 0 && failure === undefined ? prepared.at(-1)?.id : undefined;
  const goesOn = (recipient: AcceptedRecipient) => failure === undefined || !leaves(recipient);
  const wanted = new Set(recipients.filter(goesOn).flatMap(accountsOf));
  const copies = recipients.some(goesOn) ? (message.copies ?? []) : [];
  const local = [...message.local.filter(({ account }) => wanted.has(account)), ...copies];
  const stored = new Set<string>();
  const failed = new Map<string, StoreError>();
  for (const outcome of await deliver(session, { ...message, local }))
    if (outcome.stored) stored.add(outcome.account);
    else failed.set(outcome.account, outcome.error);

  const again = new Set<string>();
  const verdicts = recipients.map((recipient): Verdict => {
    if (!goesOn(recipient)) return { refusal: failure };
    const accounts = accountsOf(recipient);
    const missing = accounts.flatMap((account) => failed.get(account) ?? []);
    if (missing.length === 0) return {};
    if (missing.length === recipient.routes.length) return { refusal: failureReply(session, missing[0]!) };
    for (const account of accounts.filter((one) => failed.has(one))) again.add(account);
    return { waitsForQueue: true };
  });
  const lostCopies = copies.filter(({ account }) => failed.has(account));
  for (const copy of lostCopies) again.add(copy.account);
  if (lostCopies.length > 0)
    for (const [index, verdict] of verdicts.entries())
      if (verdict.refusal === undefined) verdicts[index] = { waitsForQueue: true };
  const requeue = await requeued(session, message, again, prepared);
  const isTakenBack =
    requeue !== undefined &&
    recipients.some((recipient, index) => verdicts[index]?.waitsForQueue && leaves(recipient));
  const refusals = verdicts.map(({ refusal, waitsForQueue }) =>
    waitsForQueue || isTakenBack ? (refusal ?? requeue) : refusal,
  );
  if (refusals.includes(undefined)) commit(prepared);
  else await withdraw(session, message, prepared);
  for (const [index, refusal] of refusals.entries())
    if (refusal !== undefined)
      for (const account of accountsOf(recipients[index]!))
        if (stored.has(account)) tellDuplicate(session, message, account);
  return { ok: true, queueId, stored, requeued: requeue === undefined ? again.size : 0, refusals };
}

interface Verdict {
  readonly refusal?: Reply | undefined;
  /** Acknowledged when its failed copies are in the queue. */
  readonly waitsForQueue?: true;
}

/** Adds all of them to what is prepared, or none; why, then. */
async function prepareAll(
  session: Session,
  message: DurableMessage,
  submissions: readonly QueueSubmission[],
  prepared: Prepared[],
): Promise<Reply | undefined> {
  const own: Prepared[] = [];
  try {
    for (const submission of submissions) own.push(await prepare(session, message, submission));
    prepared.push(...own);
    return undefined;
  } catch (error) {
    await withdraw(session, message, own);
    return queueFailure(session, message, error);
  }
}

/** The same for what the store could not keep. */
async function requeued(
  session: Session,
  message: DurableMessage,
  accounts: ReadonlySet<string>,
  prepared: Prepared[],
): Promise<Reply | undefined> {
  const own: Prepared[] = [];
  try {
    await prepareAgain(session, message, accounts, own);
    prepared.push(...own);
    return undefined;
  } catch (error) {
    await withdraw(session, message, own);
    queueFailure(session, message, error);
    return replies.storeFailed;
  }
}

/** Whether some of its mail goes through the queue in an envelope that it may share with others. */
function leaves({ routes }: AcceptedRecipient): boolean {
  return routes.some(({ kind }) => kind !== "local");
}
function accountsOf({ routes }: AcceptedRecipient): string[] {
  return routes.flatMap((route) => (route.kind === "local" ? [route.account] : []));
}
