/** What the configuration in force lets an account, or a domain's accounts together, hold. */
import type { Snapshot } from "./snapshot.ts";

/** Bytes; 0 is no limit: of the account's own quota, of the default, or because quotas are off. */
export function accountQuota(snapshot: Snapshot, account: string): number {
  return snapshot.settings.mailbox.quotas ? (snapshot.account(account)?.quotaBytes ?? 0) : 0;
}

/** Bytes; 0 is no ceiling. */
export function domainCeiling(snapshot: Snapshot, domain: string): number {
  const { quotas, domainSizeLimits } = snapshot.settings.mailbox;
  return quotas ? (domainSizeLimits[domain] ?? 0) : 0;
}
