/** What one account has sent and to whom: when may it send more? In memory only; `limit-file.ts` keeps it. */
import { createHash } from "node:crypto";
import { SlidingWindow } from "./sliding-window.ts";
import type { SubmissionLimits } from "./submission-limits.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A message that would have to be held for longer is not taken: two days, and what the windows' steps round up. */
const LONGEST_WAIT_MS = 50 * HOUR_MS;
/** Correspondents remembered of one account; the ones met first are forgotten first, and count as new again. */
export const MAX_KNOWN = 5000;

type Amounts = { readonly messages: number; readonly recipients: number; readonly newRecipients: number };

/** Every limit over a period, in the order in which its windows lie in a file. */
const rows = [
  { setting: "messagesPerHour", counts: "messages", ms: HOUR_MS, name: "messages an hour" },
  { setting: "messagesPerDay", counts: "messages", ms: DAY_MS, name: "messages a day" },
  { setting: "recipientsPerHour", counts: "recipients", ms: HOUR_MS, name: "recipients an hour" },
  { setting: "recipientsPerDay", counts: "recipients", ms: DAY_MS, name: "recipients a day" },
  { setting: "newRecipientsPerDay", counts: "newRecipients", ms: DAY_MS, name: "new recipients a day" },
] as const satisfies readonly {
  readonly setting: keyof SubmissionLimits;
  readonly counts: keyof Amounts;
  readonly ms: number;
  readonly name: string;
}[];

export interface Exceeded {
  /** "more than 500 messages an hour". */
  readonly what: string;
  readonly periodMs: number;
}
export interface Place {
  /** When the message may leave; undefined: at no time within two days. */
  readonly at: number | undefined;
  /** What kept it from leaving when it was to. */
  readonly exceeded: Exceeded | undefined;
  /** It would not fit into an empty period either. */
  readonly neverFits: boolean;
}

export class AccountRecord {
  readonly windows = rows.map(({ ms }) => new SlidingWindow(ms));
  /** Hashes of the addresses written to, the first met first. */
  readonly known = new Set<string>();
  /** When the administrator was told last. */
  alertedAt = Number.NEGATIVE_INFINITY;

  /** Those of these hashes that the account has not written to. */
  unknown(hashes: Iterable<string>): string[] {
    return [...new Set(hashes)].filter((hash) => !this.known.has(hash));
  }

  /** Where a message has its place that is to leave at `at`. */
  place(amounts: Amounts, limits: SubmissionLimits, at: number): Place {
    const latest = at + LONGEST_WAIT_MS;
    let when = at;
    let exceeded: Exceeded | undefined;
    for (let settled = false; !settled; ) {
      settled = true;
      for (const [index, { setting, counts, ms, name }] of rows.entries()) {
        const limit = limits[setting];
        const amount = amounts[counts];
        if (limit === 0 || amount === 0) continue;
        const next = amount > limit ? undefined : this.windows[index]!.earliest(when, amount, limit, latest);
        if (next === when) continue;
        exceeded = { what: `more than ${limit} ${name}`, periodMs: ms };
        if (next === undefined) return { at: undefined, exceeded, neverFits: amount > limit };
        when = next;
        settled = false;
      }
    }
    return { at: when, exceeded, neverFits: false };
  }

  count(amounts: Amounts, hashes: readonly string[], at: number, now: number): void {
    for (const [index, { counts }] of rows.entries()) {
      const window = this.windows[index]!;
      window.forgetBefore(now);
      if (amounts[counts] > 0) window.add(at, amounts[counts]);
    }
    this.know(hashes);
  }

  /** Takes back what `count` counted: the message did not become one. */
  uncount(amounts: Amounts, hashes: readonly string[], at: number): void {
    for (const [index, { counts }] of rows.entries()) this.windows[index]!.subtract(at, amounts[counts]);
    for (const hash of hashes) this.known.delete(hash);
  }
  know(hashes: Iterable<string>): void {
    for (const hash of hashes) this.known.add(hash);
    for (const oldest of this.known) {
      if (this.known.size <= MAX_KNOWN) break;
      this.known.delete(oldest);
    }
  }
}

/** Short, and tells nobody who reads the file whom the account writes to. */
export function recipientHash(account: string, recipient: string): string {
  return createHash("sha256")
    .update(`${account}\0${recipient.toLowerCase()}`)
    .digest("base64url")
    .slice(0, 12);
}
