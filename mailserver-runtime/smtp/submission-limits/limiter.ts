/**
 * Limits on what one account sends, so that a stolen password is noticed and does not ruin the host's name.
 *
 * What goes beyond a limit is held, not lost: the message is taken and gets the first moment at which no period
 * has too much in it, within two days; it leaves then by itself, unless an operator releases or deletes it before.
 * One that fits into no period waits for an operator. What would have to wait for longer is not taken
 * (451): it stays with the client, or a stolen password could fill the disk. The administrator is told at
 * most once a period. A message that was counted and then could not be kept gives its count back.
 */
import type { Log } from "../../net/log.ts";
import { AccountRecord, type Exceeded, recipientHash } from "./account-record.ts";
import { type CountedLine, LimitFile } from "./limit-file.ts";
import type { SubmissionLimits } from "./submission-limits.ts";

export interface AdmissionRequest {
  readonly account: string;
  /** As they were given to RCPT. */
  readonly recipients: readonly string[];
  /** When the message is to leave, milliseconds since the epoch. */
  readonly at: number;
  readonly limits: SubmissionLimits;
}
/** What `admit` has counted, to be given back where the message could not be kept. */
export type Counted = Pick<CountedLine, "account" | "at" | "recipients" | "met">;
export type Admission =
  | { readonly kind: "free"; readonly counted?: Counted }
  /** `until` undefined: until an operator releases it. `alert`: the administrator has not been told lately. */
  | {
      readonly kind: "held";
      readonly until: number | undefined;
      readonly because: string;
      readonly alert: boolean;
      readonly counted?: Counted;
    }
  | { readonly kind: "refused"; readonly because: string; readonly alert: boolean };

export interface SubmissionLimiter {
  /** Counts a message and says when it may leave. Never rejects. */
  admit(request: AdmissionRequest): Promise<Admission>;
  /** The message was not kept: it counts no more. Never rejects. */
  giveBack(counted: Counted): Promise<void>;
  /** Whether the account has written to the address, as far as it is remembered. */
  hasMet(account: string, address: string): boolean;
  close(): Promise<void>;
}

export async function openSubmissionLimiter(options: {
  /** Its file; the directory is there. */
  readonly path: string;
  readonly log: Log;
  readonly clock?: () => number;
}): Promise<SubmissionLimiter> {
  const clock = options.clock ?? Date.now;
  const records = new Map<string, AccountRecord>();
  const file = await LimitFile.open(options.path, options.log, records, clock());

  return {
    async admit({ account, recipients, at, limits }) {
      const now = clock();
      const record = records.get(account) ?? new AccountRecord();
      records.set(account, record);
      const met = record.unknown(recipients.map((recipient) => recipientHash(account, recipient)));
      const amounts = { messages: 1, recipients: recipients.length, newRecipients: met.length };
      const { at: until, exceeded, neverFits } = record.place(amounts, limits, at);
      const alert = exceeded !== undefined && shouldAlert(record, exceeded, now);
      const alertedAt = alert ? { alertedAt: now } : {};
      const counted =
        until === undefined ? {} : { counted: { account, at: until, recipients: recipients.length, met } };
      if (counted.counted !== undefined) {
        record.count(amounts, met, counted.counted.at, now);
        await file.append({ ...counted.counted, ...alertedAt }, now);
      }
      if (exceeded === undefined) return { kind: "free", ...counted };
      const because = `${exceeded.what} for ${account}`;
      return until === undefined && !neverFits
        ? { kind: "refused", because, alert }
        : { kind: "held", until, because, alert, ...counted };
    },
    async giveBack(counted) {
      const { account, recipients, met, at } = counted;
      records.get(account)?.uncount({ messages: 1, recipients, newRecipients: met.length }, met, at);
      await file.append({ ...counted, givenBack: true }, clock());
    },
    hasMet(account, address) {
      const record = records.get(account);
      return record !== undefined && record.unknown([recipientHash(account, address)]).length === 0;
    },
    close: () => file.close(),
  };
}

function shouldAlert(record: AccountRecord, { periodMs }: Exceeded, now: number): boolean {
  if (now - record.alertedAt < periodMs) return false;
  record.alertedAt = now;
  return true;
}
