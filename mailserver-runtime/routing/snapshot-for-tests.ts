/** A snapshot made from a few lines, for this room's tests. Origins count the lines of the tables given. */
import { collectBackupDomains } from "../config/collect-backup.ts";
import { collectCopies } from "../config/collect-copies.ts";
import { parseAccess } from "../config/dms/access.ts";
import { aliasPattern } from "../config/dms/alias-pattern.ts";
import { noEffects } from "../config/postfix/effects.ts";
import type {
  AccessEntry,
  Account,
  Alias,
  ConfigurationProblem,
  Domain,
  Origin,
  RegexpAlias,
  Snapshot,
} from "../config/snapshot.ts";
import { canonicalAddress } from "../message/address.ts";
import { type SettingsInput, settingsSchema } from "../settings/schema.ts";

export interface Declared {
  readonly hostname?: string;
  readonly postmasterAddress?: string;
  readonly domains?: readonly string[];
  /** A "!" in front: declared before and removed since. */
  readonly accounts?: readonly string[];
  readonly aliases?: Readonly<Record<string, readonly string[]>>;
  readonly regexps?: readonly (readonly [RegExp, readonly string[]])[];
  readonly refusedRecipients?: readonly string[];
  readonly refusedSenders?: readonly string[];
  readonly localAliases?: Readonly<Record<string, readonly string[]>>;
  readonly relay?: SettingsInput["relay"];
  readonly routing?: SettingsInput["routing"];
  readonly backup?: SettingsInput["backup"];
  readonly copies?: SettingsInput["copies"];
  readonly srs?: SettingsInput["srs"];
}

export function snapshotOf(declared: Declared): Snapshot {
  const origin = (file: string, index: number): Origin => ({ file, line: index + 1, owner: "setup" });
  const accounts = new Map<string, Account>();
  for (const [index, written] of (declared.accounts ?? []).entries()) {
    const address = written.replace(/^!/, "");
    accounts.set(address, {
      address,
      domain: address.slice(address.lastIndexOf("@") + 1),
      passwordHash: undefined,
      enabled: !written.startsWith("!"),
      quotaBytes: 0,
      origin: origin("postfix-accounts.cf", index),
    });
  }
  const aliases = new Map<string, Alias>();
  for (const [index, [address, targets]] of Object.entries(declared.aliases ?? {}).entries())
    aliases.set(address, { address, targets, origin: origin("postfix-virtual.cf", index) });
  const regexpAliases: RegexpAlias[] = (declared.regexps ?? []).map(([pattern, targets], index) => ({
    pattern: aliasPattern(pattern.source, pattern.flags.replace("g", "")),
    targets,
    origin: origin("postfix-regexp.cf", index),
  }));
  const domains = new Map<string, Domain>();
  for (const name of declared.domains ?? ["example.org"])
    domains.set(name, { name, origin: origin("domains", 0) });
  const key = (address: string): string =>
    address.startsWith("@") ? address : (canonicalAddress(address) ?? address);
  const settings = settingsSchema.parse({
    hostname: declared.hostname ?? "mail.example.org",
    postmasterAddress: declared.postmasterAddress,
    relay: declared.relay,
    routing: declared.routing,
    backup: declared.backup,
    copies: declared.copies,
    srs: declared.srs,
  });
  const input = { settings, postfix: noEffects };
  const problems: ConfigurationProblem[] = [];
  return {
    generation: 1,
    settings,
    domain: (name) => domains.get(name.toLowerCase()),
    domains: () => domains.values(),
    account: (address) => accounts.get(key(address)),
    accounts: () => accounts.values(),
    accountCount: accounts.size,
    alias: (address) => aliases.get(key(address)),
    aliases: () => aliases.values(),
    regexpAliases,
    refusedSenders: accessList(declared.refusedSenders, "postfix-send-access.cf"),
    refusedRecipients: accessList(declared.refusedRecipients, "postfix-receive-access.cf"),
    localAliases: new Map(
      Object.entries(declared.localAliases ?? {}).map(([name, targets], index) => [
        name,
        { targets, origin: origin("postfix-aliases.cf", index) },
      ]),
    ),
    backupDomains: collectBackupDomains(input, (name) => domains.has(name), problems),
    copies: collectCopies(input, problems),
    dkimKeys: () => [],
    problems,
  };
}

/** Lines as the files have them; REJECT where a line says nothing more. */
function accessList(lines: readonly string[] | undefined, file: string): ReadonlyMap<string, AccessEntry> {
  const text = (lines ?? []).map((line) => (line.includes(" ") ? line : `${line} REJECT`)).join("\n");
  return new Map(
    parseAccess(text).entries.map(({ address, line, ...entry }) => [
      address,
      { ...entry, origin: { file, line, owner: "setup" } },
    ]),
  );
}
