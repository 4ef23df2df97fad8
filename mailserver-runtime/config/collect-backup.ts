/** The domains that this host is a backup MX for: the settings' and postfix-main.cf's relay_domains. */
import { InvalidAddress, mailAddress, mailDomain } from "./address.ts";
import type { CompileInput } from "./compile.ts";
import type { BackupMx, ConfigurationProblem, Origin } from "./snapshot.ts";
import { STACK_SETTINGS } from "./stack/files.ts";

/** What a backup keeps mail for where only postfix-main.cf names it: as the setting's default says. */
const LIFETIME_SECONDS = 2_592_000;

export function collectBackupDomains(
  { settings, postfix }: Pick<CompileInput, "settings" | "postfix">,
  isHosted: (domain: string) => boolean,
  problems: ConfigurationProblem[],
): ReadonlyMap<string, BackupMx> {
  const found = new Map<string, BackupMx>();
  const add = (backup: BackupMx) => {
    if (isHosted(backup.name)) {
      const reason = `${backup.name} is hosted here, so that this host is no backup for it; delete one of the two`;
      problems.push({ file: backup.origin.file, line: backup.origin.line, reason });
    } else if (!found.has(backup.name)) found.set(backup.name, backup);
  };
  for (const { domain, recipients, lifetimeSeconds } of settings.backup) {
    const origin: Origin = { file: STACK_SETTINGS, line: 1, owner: "stack" };
    try {
      const list = recipients.map(mailAddress);
      add({
        name: mailDomain(domain),
        recipients: list.length === 0 ? undefined : new Set(list),
        lifetimeSeconds,
        origin,
      });
    } catch (error) {
      if (!(error instanceof InvalidAddress)) throw error;
      problems.push({ file: STACK_SETTINGS, line: 0, reason: `backup: ${error.message}` });
    }
  }
  for (const { domain, origin } of postfix.backupDomains) {
    const whole = postfix.backupRecipients?.has(`@${domain}`) === true;
    add({
      name: domain,
      recipients: whole ? undefined : postfix.backupRecipients,
      lifetimeSeconds: LIFETIME_SECONDS,
      origin,
    });
  }
  return found;
}
