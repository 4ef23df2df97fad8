/**
 * Makes in a message and its envelope what the filter's engines want changed (filter/changes/).
 *
 * A recipient that an engine adds is routed as RCPT would; one that leads nowhere is left out, and the log says so. Where
 * an engine takes every recipient away, the message stays for those it came for and goes to the quarantine: what gets a
 * 250 does not vanish.
 */
import { changedMessage } from "../filter/changes/changed-message.ts";
import type { EnvelopeChange } from "../filter/changes/message-change.ts";
import { isEnvelopeChange } from "../filter/changes/message-change.ts";
import type { RecipientVerdict, Verdict } from "../filter/pipeline.ts";
import type { MessageContent } from "../message/content.ts";
import type { Headers } from "../message/headers.ts";
import type { AcceptedRecipient, Session, Transaction } from "./session.ts";

export interface Judged {
  readonly transaction: Transaction;
  readonly content: MessageContent;
  readonly headers: Headers;
  readonly verdict: Verdict;
}

/** The same object where nothing is to be changed. */
export function withFilterChanges(session: Session, judged: Judged): Judged {
  const { verdict, transaction } = judged;
  const { changes = [] } = verdict;
  if (changes.length === 0) return judged;
  const message = changedMessage({ content: judged.content, headers: judged.headers }, changes);
  session.log.info(
    { event: "changed-by-filter", id: transaction.id, changes: changes.map(({ kind }) => kind) },
    "engines changed the message",
  );
  const envelope = changes.filter(isEnvelopeChange);
  return { ...message, ...withEnvelope(session, transaction, verdict, envelope) };
}

/** Frees the bodies that engines wrote, whether they were taken or not. Safe to call twice. */
export async function disposeChanges(verdict: Verdict | undefined): Promise<void> {
  for (const change of verdict?.changes ?? [])
    if (change.kind === "replace-body") await change.body.dispose();
}

function withEnvelope(
  session: Session,
  transaction: Transaction,
  verdict: Verdict,
  changes: readonly EnvelopeChange[],
): Pick<Judged, "transaction" | "verdict"> {
  if (changes.length === 0) return { transaction, verdict };
  const common: RecipientVerdict = { action: verdict.action, headers: verdict.headers ?? [] };
  let from = transaction.from;
  let left = transaction.recipients.map((recipient, index) => ({
    recipient,
    own: verdict.each?.[index] ?? common,
  }));
  for (const change of changes) {
    if (change.kind === "change-sender") from = change.address;
    else if (change.kind === "remove-recipient")
      left = left.filter(({ recipient }) => recipient.address.toLowerCase() !== change.address.toLowerCase());
    else {
      const recipient = routed(session, transaction, change.address);
      const isThere = left.some(
        (one) => one.recipient.address.toLowerCase() === change.address.toLowerCase(),
      );
      if (recipient !== undefined && !isThere) left.push({ recipient, own: common });
    }
  }
  if (left.length === 0) {
    const action = { kind: "quarantine", reason: "an engine took every recipient away" } as const;
    const each = transaction.recipients.map(() => ({ ...common, action }));
    const isTaken = verdict.action.kind === "accept" || verdict.action.kind === "junk";
    return {
      transaction: { ...transaction, from },
      verdict: isTaken ? { ...verdict, action, each } : verdict,
    };
  }
  return {
    transaction: { ...transaction, from, recipients: left.map(({ recipient }) => recipient) },
    verdict: { ...verdict, each: left.map(({ own }) => own) },
  };
}

function routed(
  session: Session,
  { snapshot, id }: Transaction,
  address: string,
): AcceptedRecipient | undefined {
  const routes = session.services.routeRecipient(snapshot, address);
  const taken = routes.filter((route) => route.kind !== "refused");
  if (taken.length === routes.length) return { address, routes: taken, parameters: {} };
  session.log.error(
    { event: "added-recipient-refused", id, to: address },
    `an engine added the recipient ${address}, who leads nowhere`,
  );
  return undefined;
}
