/** When a message is tried again, and when no longer (RFC 5321 §4.5.4.1): pure functions of settings and times. */
import type { Settings } from "../settings/schema.ts";
import { readDeferral } from "./deferral.ts";

type Delivery = Settings["delivery"];

/** Greylisting opens at a whole second after the first attempt by its own clock. */
const GREYLIST_MARGIN_MS = 2000;

/** The settings for one message, which may be tried longer than others. */
export function deliveryOf(
  header: { readonly lifetimeSeconds?: number | undefined },
  delivery: Delivery,
): Delivery {
  const { lifetimeSeconds } = header;
  return lifetimeSeconds === undefined ? delivery : { ...delivery, lifetimeSeconds };
}

/**
 * The time of the attempt that follows `attempts` failed ones; milliseconds. Up to a tenth later than said, so that
 * messages that failed together do not come back together; never later than the end of the message's lifetime.
 *
 * `refusals` are the last replies of the recipients that wait, and who may go first decides. A greylist that says when it
 * opens is tried soon after that time, one that does not by the table's first wait; who says that it gets too much is
 * tried by the table, but not before the time it asks for.
 */
export function nextAttempt(
  delivery: Delivery,
  queuedAt: number,
  attempts: number,
  now: number,
  random: number,
  refusals: readonly string[] = [],
): number {
  const waits = delivery.retrySeconds;
  const first = (waits[0] ?? 300) * 1000;
  const usual = (waits[Math.min(attempts, waits.length) - 1] ?? 300) * 1000;
  const wait = Math.min(
    ...(refusals.length === 0 ? [""] : refusals).map((text) => {
      const { kind, waitMs } = readDeferral(text);
      if (kind === "greylist") return (waitMs ?? first) + GREYLIST_MARGIN_MS;
      return Math.max(usual, waitMs ?? 0);
    }),
  );
  return Math.min(now + wait * (1 + 0.1 * random), Math.max(now, expiresAt(delivery, queuedAt)));
}

/** When a message goes back to its sender; milliseconds. */
export function expiresAt(delivery: Delivery, queuedAt: number): number {
  return queuedAt + delivery.lifetimeSeconds * 1000;
}

/** Whether the sender should hear of the delay by now; they do once. */
export function isLate(delivery: Delivery, queuedAt: number, now: number): boolean {
  return delivery.warnAfterSeconds > 0 && now - queuedAt >= delivery.warnAfterSeconds * 1000;
}
