/** All accounts: the stack's, and those of postfix-accounts.cf with their quotas. */
import type { CompileInput } from "./compile.ts";
import { ACCOUNTS_FILE } from "./dms/accounts.ts";
import { QUOTAS_FILE, type QuotaLine } from "./dms/quotas.ts";
import { Pace } from "./pace.ts";
import type { Account, ConfigurationProblem } from "./snapshot.ts";
import { stackPath } from "./stack/files.ts";
import { stackWins } from "./stack-wins.ts";

/** By canonical address. */
export async function collectAccounts(
  { values, settings }: CompileInput,
  problems: ConfigurationProblem[],
): Promise<Map<string, Account>> {
  const pace = new Pace();
  const accounts = new Map<string, Account>();
  const quotas = new Map<string, QuotaLine>();
  for (const quota of values.quotas) {
    quotas.set(quota.address, quota);
    if (pace.due) await pace.turn();
  }
  for (const object of values.stackMailboxes.values()) {
    const path = stackPath("mailboxes", object.address);
    accounts.set(object.address, {
      address: object.address,
      domain: object.address.slice(object.address.lastIndexOf("@") + 1),
      passwordHash: object.passwordHash,
      enabled: object.enabled,
      // The stack's 0 says "none of its own", so the default holds.
      quotaBytes: object.quotaBytes || settings.mailbox.sizeLimit,
      displayName: object.displayName,
      origin: { file: path, line: 1, owner: "stack", urn: object.owner },
    });
    if (pace.due) await pace.turn();
  }
  for (const { address, domain, passwordHash, extra, line } of values.accounts) {
    if (pace.due) await pace.turn();
    const present = accounts.get(address);
    if (present?.enabled) {
      problems.push(stackWins(ACCOUNTS_FILE, line, address, present.origin));
      continue;
    }
    accounts.set(address, {
      address,
      domain,
      passwordHash,
      enabled: true,
      quotaBytes: quotas.get(address)?.bytes ?? settings.mailbox.sizeLimit,
      extraFields: extra,
      origin: { file: ACCOUNTS_FILE, line, owner: "setup" },
    });
  }
  for (const { address, line } of values.quotas) {
    if (pace.due) await pace.turn();
    const owner = accounts.get(address);
    if (owner?.origin.owner === "stack" && owner.enabled)
      problems.push(stackWins(QUOTAS_FILE, line, address, owner.origin));
  }
  return accounts;
}
