/** Opens a process's own store by the configuration in force: ceilings of domains, warnings of quotas, how long mail is kept. */
import { domainCeiling } from "./config/account-quota.ts";
import { groupsOf } from "./config/groups.ts";
import type { Foundation } from "./foundation.ts";
import { createQuotaWarnings } from "./quota-warnings.ts";
import { type MaildirStore, openMaildirStore } from "./store/maildir/store.ts";

/** Throws StoreError "unavailable" when the mail volume is known but not there. */
export async function openOwnStore({
  directories,
  log,
  snapshot,
  freeSpace,
}: Pick<Foundation, "directories" | "log" | "snapshot" | "freeSpace">): Promise<MaildirStore> {
  const store: MaildirStore = await openMaildirStore({
    directories,
    log,
    domainCeiling: (domain) => domainCeiling(snapshot(), domain),
    groupsOf: (account) => groupsOf(snapshot().settings, account),
    expiry: () => snapshot().settings.mailbox.expiry,
    undelete: () => snapshot().settings.mailbox.undelete,
    hasRoom: () => freeSpace.hasRoomFor(0),
    // Whoever counts an account is its owner, so the warning is delivered here.
    usageChanged: createQuotaWarnings({ snapshot, store: () => store, log }),
  });
  return store;
}
