/**
 * Mail that this server makes itself (reports to senders, later what Sieve sends) enters here, at routing,
 * as mail from outside does after its reception: local recipients into the store, others into the queue.
 */
import type { DeliveryLimits } from "./config/account-quota.ts";
import type { Snapshot } from "./config/snapshot.ts";
import type { Log } from "./net/log.ts";
import type { OutboundQueue, QueueSubmission } from "./queue/queue.ts";
import { refusals } from "./routing/refusals.ts";
import type { Refusal, Route } from "./routing/route.ts";
import type { MailStore } from "./store/mail-store.ts";

export interface ReentryOptions {
  readonly snapshot: () => Snapshot;
  readonly routeRecipient: (snapshot: Snapshot, address: string) => readonly Route[];
  readonly store: Pick<MailStore, "deliver">;
  readonly queue: () => Pick<OutboundQueue, "enqueue">;
  /** What mail may make of an account; without it our own mail (reports, warnings) is stored in full mailboxes too. */
  readonly limits?: (snapshot: Snapshot, account: string) => DeliveryLimits;
  readonly log: Log;
}

/**
 * Takes a message of ours: durable wherever it goes when the promise resolves. Where routing refuses every
 * recipient, resolves with the refusal, which is for the caller to tell (a report about a report would never
 * end, RFC 5321 §6.1); a store that fails rejects, and whoever made the message tries again.
 */
export function createReentry(
  options: ReentryOptions,
): (submission: QueueSubmission) => Promise<Refusal | undefined> {
  return async (submission) => {
    const snapshot = options.snapshot();
    const local: Extract<Route, { kind: "local" }>[] = [];
    const remote: string[] = [];
    let refusal: Refusal | undefined;
    for (const { address } of submission.envelope.recipients)
      for (const route of options.routeRecipient(snapshot, address)) {
        if (route.kind === "local") local.push(route);
        else if (route.kind === "remote") remote.push(route.address);
        else {
          refusal = route.refusal;
          options.log.warn({ event: "own-mail-refused", to: address, reason: refusal.text });
        }
      }
    const returnPath = Buffer.from(`Return-Path: <${submission.envelope.from}>\r\n`, "latin1");
    if (local.length > 0) {
      const outcomes = await options.store.deliver({
        content: submission.content,
        receivedAt: new Date(),
        recipients: local.map(({ account }) => ({
          account,
          prefix: Buffer.concat([returnPath, submission.prefix]),
          mailbox: "INBOX",
          ...options.limits?.(snapshot, account),
        })),
      });
      const failed = outcomes.find((outcome) => !outcome.stored);
      if (failed && !failed.stored) {
        const isFull = failed.error.code === "over-quota" && snapshot.settings.mailbox.whenFull === "refuse";
        if (isFull) return refusals.mailboxFull;
        throw failed.error;
      }
      options.log.info(
        {
          event: "own-mail-stored",
          id: submission.cause,
          from: submission.envelope.from,
          accounts: local.map(({ account }) => account),
        },
        "a message of this server's own is stored",
      );
    }
    if (remote.length > 0)
      await options.queue().enqueue({
        ...submission,
        envelope: { ...submission.envelope, recipients: remote.map((address) => ({ address })) },
      });
    return local.length + remote.length === 0 ? refusal : undefined;
  };
}
