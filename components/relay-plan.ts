/**
 * The mail flow of a stack as plain values: relays with their defaults filled in, backup domains and copies. A function of
 * its arguments, like stack-plan.ts, whose list of mistakes it adds to.
 */
import { canonicalAddress, parseDomain } from "./accounts/address.ts";
import type { MailStackArgs, RelayMatch, SmarthostDeclaration } from "./mail-stack-args.ts";
import { attempt, type Mistake } from "./mistakes.ts";

export interface PlannedRelay {
  readonly name: string;
  /** undefined: sent directly. */
  readonly relay:
    | {
        readonly host: string;
        readonly port: number;
        readonly tls: "implicit" | "starttls" | "opportunistic";
        readonly lookupMx: boolean;
        readonly username: string | undefined;
        readonly caFile?: string;
      }
    | undefined;
  readonly match: Required<RelayMatch>;
}

const SUBMISSION = 587;
const SUBMISSIONS = 465;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export function planRelays(
  { relays = [], relayPasswords = {} }: MailStackArgs,
  mistakes: Mistake[],
): readonly PlannedRelay[] {
  const names = new Map<string, string>();
  const spoken = new Map<string, string>();
  const planned = relays.map((declared, index): PlannedRelay => {
    const where = `relays[${index}]`;
    const wrong = (part: string, what: string) => mistakes.push({ where: `${where}${part}`, what });
    if (!NAME.test(declared.name)) wrong(".name", "is no name: letters, digits, dots, _ and -, 63 at most");
    const first = names.get(declared.name);
    if (first !== undefined) wrong(".name", `is the name of ${first}, too`);
    names.set(declared.name, where);
    const match = planMatch(declared.for, `${where}.for`, mistakes);
    for (const key of keysOf(match)) {
      const other = spoken.get(key);
      if (other !== undefined) wrong(".for", `speaks of ${key}, and so does ${other}`);
      spoken.set(key, where);
    }
    if (declared.type === "direct") {
      if (keysOf(match)[0] === EVERYTHING)
        wrong(".for", "names nobody: mail goes directly anyway where no relay speaks of it");
      return { name: declared.name, relay: undefined, match };
    }
    checkLogin(declared, relayPasswords[declared.name] !== undefined, wrong);
    return { name: declared.name, relay: smarthost(declared), match };
  });
  for (const name of Object.keys(relayPasswords))
    if (!relays.some((one) => one.name === name && one.type === "smarthost"))
      mistakes.push({
        where: `relayPasswords[${JSON.stringify(name)}]`,
        what: "belongs to no declared relay",
      });
  return planned;
}

function smarthost({
  host,
  port = SUBMISSION,
  tls,
  lookupMx = false,
  username,
  caFile,
}: SmarthostDeclaration) {
  return {
    host: host.toLowerCase(),
    port,
    tls: tls ?? (port === SUBMISSIONS ? ("implicit" as const) : ("starttls" as const)),
    lookupMx,
    username,
    ...(caFile !== undefined && { caFile }),
  };
}

function checkLogin(
  { username, tls, name, host, caFile }: SmarthostDeclaration,
  hasPassword: boolean,
  wrong: (part: string, what: string) => void,
): void {
  if (host === "") wrong(".host", "is empty");
  if (username !== undefined && !hasPassword)
    wrong(
      ".username",
      `has no password; set it: pulumi config set --secret --path 'mailkeep:relayPasswords["${name}"]'`,
    );
  if (username === undefined && hasPassword) wrong(".username", "is missing, though there is a password");
  if (caFile !== undefined && !caFile.startsWith("/"))
    wrong(".caFile", "is no absolute path of a file on the mail host");
  if (caFile !== undefined && tls === "opportunistic")
    wrong(".caFile", "is given, but opportunistic TLS checks no certificate");
  if (username !== undefined && tls === "opportunistic")
    wrong(".tls", "is opportunistic, but a login is sent over checked TLS only");
}

function planMatch(match: RelayMatch = {}, where: string, mistakes: Mistake[]): Required<RelayMatch> {
  const each = (name: keyof RelayMatch, parse: (text: string) => string) =>
    (match[name] ?? []).flatMap((text, index) => {
      try {
        return [parse(text)];
      } catch (error) {
        const what = `${JSON.stringify(text)} ${(error as Error).message}`;
        mistakes.push({ where: `${where}.${name}[${index}]`, what });
        return [];
      }
    });
  return {
    recipientDomains: each("recipientDomains", parseDomain),
    senders: each("senders", canonicalAddress),
    senderDomains: each("senderDomains", parseDomain),
  };
}

const EVERYTHING = "everything else";

/** What a relay speaks of; two that speak of the same would contradict each other. */
function keysOf({ recipientDomains, senders, senderDomains }: Required<RelayMatch>): string[] {
  const keys = [
    ...recipientDomains.map((domain) => `mail to ${domain}`),
    ...senders.map((sender) => `mail of ${sender}`),
    ...senderDomains.map((domain) => `mail of ${domain}`),
  ];
  return keys.length === 0 ? [EVERYTHING] : keys;
}

/** The settings of backup domains; a hosted domain cannot be one. */
export function planBackups(
  { backups = [] }: MailStackArgs,
  hosted: ReadonlySet<string>,
  mistakes: Mistake[],
): { domain: string; recipients?: string[]; lifetimeSeconds?: number }[] {
  return backups.map((entry, index) => {
    const declared = typeof entry === "string" ? { domain: entry } : entry;
    const where = `backups[${index}]`;
    const domain = attempt(() => parseDomain(declared.domain), where, declared.domain, mistakes) ?? "";
    if (hosted.has(domain)) mistakes.push({ where, what: `${domain} is one of the stack's own domains` });
    const recipients = declared.recipients?.map((text, at) => {
      const place = `${where}.recipients[${at}]`;
      const address = attempt(() => canonicalAddress(text), place, text, mistakes) ?? "";
      if (address !== "" && !address.endsWith(`@${domain}`))
        mistakes.push({ where: place, what: `${JSON.stringify(text)} is not in ${domain}` });
      return address;
    });
    const { lifetimeSeconds } = declared;
    return { domain, ...(recipients && { recipients }), ...(lifetimeSeconds && { lifetimeSeconds }) };
  });
}

/** The settings of copies. */
export function planCopies(
  { copies = [] }: MailStackArgs,
  mistakes: Mistake[],
): { sender?: string; recipient?: string; to: string }[] {
  const pattern = (text: string) =>
    text.startsWith("@") ? `@${parseDomain(text.slice(1))}` : canonicalAddress(text);
  return copies.map(({ sender, recipient, to }, index) => {
    const where = `copies[${index}]`;
    if (sender !== undefined && recipient !== undefined)
      mistakes.push({ where, what: "names a sender and a recipient; write one rule for each of them" });
    const of = (name: "sender" | "recipient", text: string | undefined) =>
      text === undefined ? undefined : attempt(() => pattern(text), `${where}.${name}`, text, mistakes);
    const from = of("sender", sender);
    const toward = of("recipient", recipient);
    const target = attempt(() => canonicalAddress(to), `${where}.to`, to, mistakes) ?? "";
    return { to: target, ...(from && { sender: from }), ...(toward && { recipient: toward }) };
  });
}
