/** When a certificate is ordered: pure. */

export interface Renewal {
  /** Of the certificate in use, where the authority made it for the declared names; milliseconds since the epoch. */
  readonly current: { readonly notBefore: number; readonly notAfter: number } | undefined;
  /** Orders that failed since the last that did not. */
  readonly failures: number;
  /** When the last one failed, and what the authority wished then. */
  readonly lastFailureAt: number | undefined;
  readonly retryAfterMs: number | undefined;
  /** 0 up to 1, the same for one certificate: hosts that were set up together do not renew together. */
  readonly jitter: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** After so many failures in a row; the last one repeats. Let's Encrypt allows five failed proofs an hour. */
const BACK_OFF: readonly number[] = [5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR];
/** Nobody is believed who wants to be left alone for longer than this: the certificate would end. */
const LONGEST_WISH = 7 * 24 * HOUR;

/**
 * When the next order is due: a third of the lifetime before the end, up to a thirtieth earlier by jitter; at once
 * where there is no certificate; and after a failure not before the back-off, or the authority's own wish, has passed.
 */
export function dueAt(renewal: Renewal): number {
  const { current, failures, lastFailureAt, retryAfterMs, jitter } = renewal;
  const lifetime = current === undefined ? 0 : current.notAfter - current.notBefore;
  const wished = current === undefined ? 0 : current.notAfter - lifetime / 3 - (jitter * lifetime) / 30;
  if (failures === 0 || lastFailureAt === undefined) return wished;
  const backOff = BACK_OFF[Math.min(failures, BACK_OFF.length) - 1]! * (1 + jitter / 4);
  return Math.max(wished, lastFailureAt + Math.max(backOff, Math.min(retryAfterMs ?? 0, LONGEST_WISH)));
}
