/**
 * What an account may hold, and when its user is to hear that it fills up.
 *
 * A message counts with its RFC822.SIZE, a hard link in full. Where mail goes to Trash, 50 MB more are allowed, as DMS has
 * it (`quota_rule2 = Trash:storage=+50M`): who is full can still throw something away. A domain may have a ceiling as
 * well, shared by its accounts; both must have room.
 */

/** Limits of an account; 0 or absent is none. */
export interface QuotaLimits {
  readonly bytes: number;
  /** An account below `bytes` may exceed them by so much, with one message that arrives. */
  readonly graceBytes?: number;
  readonly messages?: number;
}
/** What is about to be added to a mailbox. */
export interface Growth {
  readonly account: string;
  readonly mailbox: string;
  readonly bytes: number;
  readonly messages: number;
  readonly limits: QuotaLimits;
}
/** Room that is kept for what is being stored. `settle` gives it back, whether it was stored (and so is counted) or not. */
export interface Reservation {
  settle(): void;
}

/** Bytes by which Trash may exceed the account's limit. */
export const TRASH_ALLOWANCE = 50 * 1024 * 1024;

/** Shares of the limit at whose crossing the user is told, in per cent. */
export const WARNED_AT = [80, 95, 100] as const;

/**
 * The highest of `WARNED_AT` that growing from `before` to `after` crosses. It is told once for each crossing, because only
 * falling below and growing again crosses it again; nothing need be remembered.
 */
export function warningFor(before: number, after: number, limit: number): number | undefined {
  if (limit <= 0) return undefined;
  const crosses = (share: number) => before * 100 < limit * share && after * 100 >= limit * share;
  return WARNED_AT.findLast(crosses);
}
