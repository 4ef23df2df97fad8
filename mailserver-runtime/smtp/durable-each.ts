/**
 * Makes one message durable for each recipient by itself, as LMTP lets a server answer (RFC 2033 §4.2): who
 * cannot have it now is told so alone, and the client keeps the message for them only.
 *
 * What leaves through the queue is queued first, then the store gets the local copies. A recipient is
 * acknowledged when each of its copies is kept; where an alias has some of them stored and others not, those
 * others are queued, since the client would bring all of them again.
 */
import type { StoreError } from "../store/mail-store.ts";
import {
  type Durable,
  type DurableMessage,
  deliver,
  enqueue,
  failureReply,
  queueAgain,
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
  const further = await queueFurther(session, message);
  if (further !== undefined)
    return {
      ok: true,
      queueId: undefined,
      stored: new Set(),
      requeued: 0,
      refusals: recipients.map(() => further),
    };
  const { queueId, failure } = await queueRemote(session, message);
  const goesOn = (recipient: AcceptedRecipient) =>
    failure === undefined || recipient.routes.every(({ kind }) => kind === "local");
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
    if (missing.length === recipient.routes.length) return { refusal: failureReply(missing[0]!) };
    for (const account of accounts.filter((one) => failed.has(one))) again.add(account);
    return { waitsForQueue: true };
  });
  const lostCopies = copies.filter(({ account }) => failed.has(account));
  for (const copy of lostCopies) again.add(copy.account);
  if (lostCopies.length > 0)
    for (const [index, verdict] of verdicts.entries())
      if (verdict.refusal === undefined) verdicts[index] = { waitsForQueue: true };
  const requeue = await requeued(session, message, again);
  if (requeue !== undefined)
    for (const [index, { waitsForQueue }] of verdicts.entries())
      if (waitsForQueue)
        for (const account of accountsOf(recipients[index]!))
          if (stored.has(account)) tellDuplicate(session, message, account);
  return {
    ok: true,
    queueId,
    stored,
    requeued: requeue === undefined ? again.size : 0,
    refusals: verdicts.map(({ refusal, waitsForQueue }) => (waitsForQueue ? requeue : refusal)),
  };
}

interface Verdict {
  readonly refusal?: Reply | undefined;
  /** Acknowledged when its failed copies are in the queue. */
  readonly waitsForQueue?: true;
}

/** What has an envelope of its own concerns every recipient: why none can be acknowledged, if that is so. */
async function queueFurther(session: Session, message: DurableMessage): Promise<Reply | undefined> {
  const ids: string[] = [];
  try {
    for (const submission of message.further ?? []) ids.push(await enqueue(session, message, submission));
    return undefined;
  } catch (error) {
    for (const id of ids) await withdraw(session, message, id);
    return queueFailure(session, message, error);
  }
}

async function queueRemote(
  session: Session,
  message: DurableMessage,
): Promise<{ readonly queueId?: string; readonly failure?: Reply }> {
  if (message.queued.envelope.recipients.length === 0) return {};
  try {
    return { queueId: await enqueue(session, message, message.queued) };
  } catch (error) {
    return { failure: queueFailure(session, message, error) };
  }
}

/** Why it could not be done; undefined when everything is in the queue. */
async function requeued(
  session: Session,
  message: DurableMessage,
  accounts: ReadonlySet<string>,
): Promise<Reply | undefined> {
  const ids: string[] = [];
  try {
    await queueAgain(session, message, accounts, ids);
    return undefined;
  } catch (error) {
    for (const id of ids) await withdraw(session, message, id);
    queueFailure(session, message, error);
    return replies.storeFailed;
  }
}

function accountsOf({ routes }: AcceptedRecipient): string[] {
  return routes.flatMap((route) => (route.kind === "local" ? [route.account] : []));
}
