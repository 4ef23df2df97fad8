/**
 * The parsed files as one immutable snapshot with hash look-ups.
 *
 * Rules where files meet. An address has one owner: what the stack declares wins over a DMS line with the
 * same address, and the line is named as a problem. A removed mailbox (tombstone) gives way to a DMS line.
 * A domain is hosted when it is declared, or when an account or an alias is in it. An alias or target
 * without a domain is at the server's own name, as in Postfix.
 *
 * What is long (accounts, aliases) is gone through with turns for the event loop (pace.ts).
 */
import { PROBE_ADDRESS, probeAccount } from "../health/probe-account.ts";
import type { Directories } from "../settings/directories.ts";
import type { Settings } from "../settings/schema.ts";
import { InvalidAddress, mailAddress, mailDomain } from "./address.ts";
import { collectAccounts } from "./collect-accounts.ts";
import { collectAliases, collisionProblems, qualified } from "./collect-aliases.ts";
import { collectBackupDomains } from "./collect-backup.ts";
import { collectCopies } from "./collect-copies.ts";
import { collectDomains } from "./collect-domains.ts";
import { collectDkimKeys } from "./dkim-keys.ts";
import { type AccessLine, RECEIVE_ACCESS_FILE, SEND_ACCESS_FILE } from "./dms/access.ts";
import { LOCAL_ALIASES_FILE } from "./dms/local-aliases.ts";
import { MASTERS_FILE } from "./dms/masters.ts";
import { REGEXP_FILE } from "./dms/regexp.ts";
import type { PostfixEffects } from "./postfix/effects.ts";
import { firstProblems } from "./problems.ts";
import { collectRelays } from "./relays.ts";
import type {
  AccessEntry,
  Alias,
  ConfigurationProblem,
  DkimKey,
  MasterUser,
  Origin,
  Snapshot,
} from "./snapshot.ts";
import type { Sources } from "./sources.ts";

/** The values of the sources: what the files hold, last good content where one is broken. */
export type SourceValues = { readonly [K in keyof Sources]: Sources[K]["value"] };

export interface CompileInput {
  readonly generation: number;
  readonly directories: Directories;
  readonly settings: Settings;
  readonly values: SourceValues;
  /** What postfix-main.cf comes to. */
  readonly postfix: PostfixEffects;
  /** Problems of the files themselves; those between files are added. */
  readonly problems: readonly ConfigurationProblem[];
}

export async function compileSnapshot(input: CompileInput): Promise<Snapshot> {
  const { values, settings, postfix } = input;
  const problems: ConfigurationProblem[] = openRelayProblems(settings);
  const accounts = await collectAccounts(input, problems);
  const aliases = await collectAliases(input, problems);
  problems.push(...(await collisionProblems(aliases, accounts)));
  const domains = await collectDomains(input, accounts, aliases);
  const dkim = collectDkimKeys(input, (name) => domains.has(name), problems);
  const masters = new Map<string, MasterUser>(
    values.masters.map(({ name, passwordHash, line }) => [
      name,
      { name, passwordHash, origin: setup(MASTERS_FILE, line) },
    ]),
  );
  const patterns = [...values.regexp.map((line) => ({ ...line, file: REGEXP_FILE })), ...postfix.patterns];
  return Object.freeze<Snapshot>({
    generation: input.generation,
    settings,
    domain: (name) => domains.get(name) ?? domains.get(canonical(mailDomain, name)),
    domains: () => domains.values(),
    account: (address) =>
      accounts.get(address) ??
      accounts.get(canonical(mailAddress, address)) ??
      (address === PROBE_ADDRESS ? probeAccount : undefined),
    accounts: () => accounts.values(),
    accountCount: accounts.size,
    alias: (address) => aliases.get(address) ?? aliases.get(canonical(aliasName, address)),
    aliases: () => aliases.values(),
    regexpAliases: patterns.map(({ pattern, targets, file, line }) => ({
      pattern,
      targets: targets.map((target) => qualified(target, settings)),
      origin: setup(file, line),
    })),
    refusedSenders: accessList(values.sendAccess, SEND_ACCESS_FILE),
    refusedRecipients: accessList(values.receiveAccess, RECEIVE_ACCESS_FILE),
    dkimKeys: (domain) => dkim.get(domain) ?? dkim.get(canonical(mailDomain, domain)) ?? noKeys,
    appPasswords: values.appPasswords,
    masters,
    localAliases: new Map<string, Pick<Alias, "targets" | "origin">>(
      values.localAliases.map(({ name, targets, line }) => [
        name,
        { targets, origin: setup(LOCAL_ALIASES_FILE, line) },
      ]),
    ),
    backupDomains: collectBackupDomains(input, (name) => domains.has(name), problems),
    copies: collectCopies(input, problems),
    ...collectRelays(input, problems),
    problems: [...input.problems, ...firstProblems(problems, MOST_PROBLEMS)],
  });
}

/** Whoever relays without a login makes this host's name worth nothing: it is said for as long as it is so. */
function openRelayProblems({ submission: { permitDocker } }: Settings): ConfigurationProblem[] {
  if (permitDocker === "none") return [];
  const reason = `PERMIT_DOCKER=${permitDocker}: its clients send to anywhere without a login, and unsigned; behind Docker's proxy or NAT that may be everybody. Give them a login at port 587 or 465, and set it to none`;
  return [{ file: "environment", line: 0, reason }];
}

/** Of those between files; more are counted, not told. */
const MOST_PROBLEMS = 100;

const noKeys: readonly DkimKey[] = [];

function accessList(lines: readonly AccessLine[], file: string): ReadonlyMap<string, AccessEntry> {
  return new Map(
    lines.map(({ address, action, refusal, line }) => [
      address,
      { action, ...(refusal && { refusal }), origin: setup(file, line) },
    ]),
  );
}

function setup(file: string, line: number): Origin {
  return { file, line, owner: "setup" };
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
