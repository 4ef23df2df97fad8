/**
 * The parsed files as one immutable snapshot with hash look-ups.
 *
 * Rules where files meet. An address has one owner: what the stack declares wins over a DMS line with the
 * same address, and the line is named as a problem. A removed mailbox (tombstone) gives way to a DMS line.
 * A domain is hosted when it is declared, or when an account or an alias is in it. An alias or target
 * without a domain is at the server's own name, as in Postfix.
 */
import type { Directories } from "../settings/directories.ts";
import type { Settings } from "../settings/schema.ts";
import { InvalidAddress, mailAddress, mailDomain } from "./address.ts";
import { collectDkimKeys } from "./dkim-keys.ts";
import { ACCOUNTS_FILE } from "./dms/accounts.ts";
import { MASTERS_FILE } from "./dms/masters.ts";
import { QUOTAS_FILE } from "./dms/quotas.ts";
import { REGEXP_FILE } from "./dms/regexp.ts";
import { VIRTUAL_FILE } from "./dms/virtual.ts";
import { firstProblems } from "./problems.ts";
import { collectSenderRelays, collectStackRelays, relayVariableProblems } from "./relays.ts";
import type {
  Account,
  Alias,
  ConfigurationProblem,
  DkimKey,
  Domain,
  MasterUser,
  Origin,
  Snapshot,
} from "./snapshot.ts";
import type { Sources } from "./sources.ts";
import { stackPath } from "./stack/files.ts";

/** The values of the sources: what the files hold, last good content where one is broken. */
export type SourceValues = { readonly [K in keyof Sources]: Sources[K]["value"] };

export interface CompileInput {
  readonly generation: number;
  readonly directories: Directories;
  readonly settings: Settings;
  readonly values: SourceValues;
  /** Problems of the files themselves; those between files are added. */
  readonly problems: readonly ConfigurationProblem[];
}

export function compileSnapshot(input: CompileInput): Snapshot {
  const { values, settings } = input;
  const problems: ConfigurationProblem[] = relayVariableProblems(input);
  const accounts = collectAccounts(input, problems);
  const aliases = collectAliases(input, problems);
  const domains = collectDomains(values, accounts, aliases);
  const dkim = collectDkimKeys(input, (name) => domains.has(name), problems);
  const masters = new Map<string, MasterUser>(
    values.masters.map(({ name, passwordHash, line }) => [
      name,
      { name, passwordHash, origin: setup(MASTERS_FILE, line) },
    ]),
  );
  return Object.freeze<Snapshot>({
    generation: input.generation,
    settings,
    domain: (name) => domains.get(name) ?? domains.get(canonical(mailDomain, name)),
    domains: () => domains.values(),
    account: (address) => accounts.get(address) ?? accounts.get(canonical(mailAddress, address)),
    accounts: () => accounts.values(),
    accountCount: accounts.size,
    alias: (address) => aliases.get(address) ?? aliases.get(canonical(aliasName, address)),
    aliases: () => aliases.values(),
    regexpAliases: values.regexp.map(({ pattern, targets, line }) => ({
      pattern,
      targets: targets.map((target) => qualified(target, settings)),
      origin: setup(REGEXP_FILE, line),
    })),
    refusedSenders: new Set(values.sendAccess.map(({ address }) => address)),
    refusedRecipients: new Set(values.receiveAccess.map(({ address }) => address)),
    dkimKeys: (domain) => dkim.get(domain) ?? dkim.get(canonical(mailDomain, domain)) ?? noKeys,
    masters,
    localAliases: new Map(values.localAliases.map(({ name, targets }) => [name, targets])),
    stackRelays: collectStackRelays(input),
    senderRelays: collectSenderRelays(input, problems),
    relayLogins: new Map(
      values.relayLogins.map(({ key, user, password }) => [key, { user, password }] as const),
    ),
    problems: [...input.problems, ...firstProblems(problems, MOST_PROBLEMS)],
  });
}

/** Of those between files; more are counted, not told. */
const MOST_PROBLEMS = 100;

const noKeys: readonly DkimKey[] = [];

function collectAccounts(
  { values, settings }: CompileInput,
  problems: ConfigurationProblem[],
): Map<string, Account> {
  const accounts = new Map<string, Account>();
  const quotas = new Map(values.quotas.map((quota) => [quota.address, quota]));
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
  }
  for (const { address, domain, passwordHash, extra, line } of values.accounts) {
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
      origin: setup(ACCOUNTS_FILE, line),
    });
  }
  for (const { address, line } of values.quotas) {
    const owner = accounts.get(address);
    if (owner?.origin.owner === "stack" && owner.enabled)
      problems.push(stackWins(QUOTAS_FILE, line, address, owner.origin));
  }
  return accounts;
}

function collectAliases(
  { values, settings }: CompileInput,
  problems: ConfigurationProblem[],
): Map<string, Alias> {
  const aliases = new Map<string, Alias>();
  for (const { address, targets, owner } of values.stackAliases.values()) {
    const origin: Origin = { file: stackPath("aliases", address), line: 1, owner: "stack", urn: owner };
    aliases.set(address, { address, targets, origin });
  }
  for (const { address: written, targets, line } of values.virtual) {
    const address = qualified(written, settings);
    const present = aliases.get(address);
    if (present !== undefined) {
      problems.push(stackWins(VIRTUAL_FILE, line, address, present.origin));
      continue;
    }
    aliases.set(address, {
      address,
      targets: targets.map((target) => qualified(target, settings)),
      origin: setup(VIRTUAL_FILE, line),
    });
  }
  return aliases;
}

function collectDomains(
  values: SourceValues,
  accounts: ReadonlyMap<string, Account>,
  aliases: ReadonlyMap<string, Alias>,
): Map<string, Domain> {
  const domains = new Map<string, Domain>();
  for (const { domain, owner } of values.stackDomains.values())
    domains.set(domain, {
      name: domain,
      origin: { file: stackPath("domains", domain), line: 1, owner: "stack", urn: owner },
    });
  const host = (name: string, origin: Origin) => {
    if (!domains.has(name)) domains.set(name, { name, origin });
  };
  for (const account of accounts.values()) if (account.enabled) host(account.domain, account.origin);
  // A bare name in postfix-virtual.cf makes no domain hosted; only written domains do.
  const written = new Set(
    values.virtual.filter(({ address }) => address.includes("@")).map(({ line }) => line),
  );
  for (const alias of aliases.values())
    if (alias.origin.owner === "stack" || written.has(alias.origin.line))
      host(alias.address.slice(alias.address.lastIndexOf("@") + 1), alias.origin);
  return domains;
}

/** A name without a domain is at the server's own name (Postfix's myorigin). */
function qualified(name: string, settings: Settings): string {
  return name.includes("@") ? name : `${name}@${settings.hostname.toLowerCase()}`;
}

function setup(file: string, line: number): Origin {
  return { file, line, owner: "setup" };
}

function stackWins(file: string, line: number, address: string, origin: Origin): ConfigurationProblem {
  return {
    file,
    line,
    reason: `${address} is declared by the stack (${origin.urn}), which wins; delete this line, or remove the resource from the stack`,
  };
}

function aliasName(text: string): string {
  return text.startsWith("@") ? `@${mailDomain(text.slice(1))}` : mailAddress(text);
}

/** What cannot be an address is nobody's: the empty text is never a key. */
function canonical(form: (text: string) => string, text: string): string {
  try {
    return form(text);
  } catch (error) {
    if (error instanceof InvalidAddress) return "";
    throw error;
  }
}
