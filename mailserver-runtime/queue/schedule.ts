/** When a message is tried again, and when no longer (RFC 5321 §4.5.4.1): pure functions of settings and times. */
import type { Settings } from "../settings/schema.ts";

type Delivery = Settings["delivery"];

/**
 * The time of the attempt that follows `attempts` failed ones; milliseconds. Up to a tenth later than the table says, so
 * that messages that failed together do not come back together; never later than the end of the message's lifetime.
 */
export function nextAttempt(
  delivery: Delivery,
  queuedAt: number,
  attempts: number,
  now: number,
  random: number,
): number {
  const waits = delivery.retrySeconds;
  const seconds = waits[Math.min(attempts, waits.length) - 1] ?? waits[0] ?? 300;
  return Math.min(now + seconds * (1000 + 100 * random), Math.max(now, expiresAt(delivery, queuedAt)));
}

/** When a message goes back to its sender; milliseconds. */
export function expiresAt(delivery: Delivery, queuedAt: number): number {
  return queuedAt + delivery.lifetimeSeconds * 1000;
}

/** Whether the sender should hear of the delay by now; they do once. */
export function isLate(delivery: Delivery, queuedAt: number, now: number): boolean {
  return delivery.warnAfterSeconds > 0 && now - queuedAt >= delivery.warnAfterSeconds * 1000;
}
