/** What the configuration in force lets an account, or a domain's accounts together, hold. */
import type { Snapshot } from "./snapshot.ts";

/** Bytes; 0 is no limit: of the account's own quota, of the default, or because quotas are off. */
export function accountQuota(snapshot: Snapshot, account: string): number {
  return snapshot.settings.mailbox.quotas ? (snapshot.account(account)?.quotaBytes ?? 0) : 0;
}

/** What mail that arrives may make of an account. */
export interface DeliveryLimits {
  /** 0 is no limit. */
  readonly quotaBytes: number;
  /** Beyond it, for the last message of an account that is below its quota. */
  readonly graceBytes: number;
}
/**
 * The quota, and the grace that mail has beyond it. DMS writes the grace as a tenth in the quota's own unit, rounded
 * down, so that `5G` has none there; here it is a tenth of the bytes.
 */
export function deliveryLimits(snapshot: Snapshot, account: string): DeliveryLimits {
  const quotaBytes = accountQuota(snapshot, account);
  return { quotaBytes, graceBytes: Math.floor((quotaBytes * snapshot.settings.mailbox.gracePercent) / 100) };
}

/** Bytes; 0 is no ceiling. */
export function domainCeiling(snapshot: Snapshot, domain: string): number {
  const { quotas, domainSizeLimits } = snapshot.settings.mailbox;
  return quotas ? (domainSizeLimits[domain] ?? 0) : 0;
}
