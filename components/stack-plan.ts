/**
 * The stack as plain values, before any resource is declared: names made canonical, defaults filled in, and every mistake
 * found that can be found without a host. A function of its arguments.
 */
import { isIP } from "node:net";
import { hostName } from "../mailserver-runtime/dns/records.ts";
import { type Listener, networkSchema, type SettingsInput } from "../mailserver-runtime/settings/schema.ts";
import { parseAddress, parseDomain } from "./accounts/address.ts";
import type { DkimAlgorithm } from "./accounts/dkim-key.ts";
import { type CertificatePlan, planCertificates } from "./certificate/certificate-plan.ts";
import { type Publication, planPublications } from "./dns/publications.ts";
import { sidecarSettings } from "./host/docker/sidecars.ts";
import { type Placement, placementOf } from "./host/placement.ts";
import { listenersOn, type Ports, portsOf } from "./mail-server/ports.ts";
import { bytesOf } from "./mail-server/size.ts";
import type {
  BanningArgs,
  DkimDeclaration,
  DnsArgs,
  DomainDeclaration,
  MailboxDeclaration,
  MailStackArgs,
  ServerSettings,
} from "./mail-stack-args.ts";
import { attempt, type Mistake, quote, StackMistakes } from "./mistakes.ts";
import { type PlannedRelay, planBackups, planCopies, planRelays } from "./relay-plan.ts";
import { planDelivery, planSending } from "./sending-plan.ts";

/** Where a host's own name server answers. */
const LOOPBACK = "127.0.0.1";
const DKIM: Required<DkimDeclaration> = { algorithms: ["rsa-2048"], current: "mk1", next: "mk2" };

export interface PlannedKeys {
  readonly algorithms: readonly DkimAlgorithm[];
  /** Selectors of the first keys. */
  readonly first: { readonly current: string; readonly next: string };
}

export interface PlannedDomain {
  readonly name: string;
  /** Where it is declared: "domains[1]". */
  readonly where: string;
  readonly declaration: DomainDeclaration;
  readonly keys: PlannedKeys;
}

export interface PlannedMailbox {
  readonly address: string;
  readonly domain: string;
  /** The address as declared, under which its password is looked up too. */
  readonly spelling: string;
  readonly quotaBytes: number;
  readonly displayName: string | undefined;
  readonly passwordPolicy: "initial" | "enforced";
}

export interface PlannedAlias {
  readonly address: string;
  readonly domain: string;
  readonly targets: readonly string[];
}

/** Where a client connects. */
export interface Endpoint {
  readonly service: string;
  readonly address: string;
  readonly port: number;
  /** `tls` begins with TLS (RFC 8314), `starttls` offers it, `none` has none. */
  readonly security: "tls" | "starttls" | "none";
}

export interface StackPlan {
  readonly hostname: string;
  /** Who publishes which zones. */
  readonly publications: readonly Publication[];
  readonly domains: readonly PlannedDomain[];
  readonly mailboxes: readonly PlannedMailbox[];
  readonly aliases: readonly PlannedAlias[];
  readonly relays: readonly PlannedRelay[];
  readonly ports: Ports;
  readonly listeners: readonly Listener[];
  readonly settings: SettingsInput;
  /** The settings that are read once, at the server's start. */
  readonly restartOn: Readonly<Record<string, unknown>>;
  readonly certificates: CertificatePlan;
  readonly endpoints: readonly Endpoint[];
}

/** @throws {StackMistakes} */
export function planStack(args: MailStackArgs): StackPlan {
  const mistakes: Mistake[] = [];
  const domains = planDomains(args, mistakes);
  const hosted = new Set(domains.map(({ name }) => name));
  const mailboxes = planMailboxes(args, hosted, mistakes);
  const aliases = planAliases(
    args,
    hosted,
    new Map(mailboxes.map((mailbox, i) => [mailbox.address, i])),
    mistakes,
  );
  const hostname = planHostname(args, domains, mistakes);
  const placement = placementOf(args.host);
  const ports = planPorts(args.server ?? {}, placement, mistakes);
  const listeners = listenersOn(placement.listenAddress, ports);
  // A machine whose own name server is all that is declared knows no other: a world of its own, for trying things out.
  const closedNet = placement.closedNet || (args.dns !== undefined && isHost(args.dns));
  const relays = planRelays(args, mistakes);
  const publications = planPublications(
    {
      hostname,
      domains: domains.map(publishedDomain),
      dns: args.dns ?? (closedNet ? undefined : { type: "manual" }),
      tokens: Object.keys(args.tokens ?? {}),
    },
    mistakes,
  );
  const place = {
    hostname,
    ports,
    listeners,
    closedNet,
    ownDns: closedNet && publications.every(({ dns }) => isHost(dns)),
    sending: planSending(args, new Set(mailboxes.map(({ address }) => address)), mistakes),
    delivery: planDelivery(args, relays, mistakes),
  };
  const settings = {
    ...planSettings(args, place, mistakes),
    ...present({
      reports: planReports(domains),
      backup: some(planBackups(args, hosted, mistakes)),
      copies: some(planCopies(args, mistakes)),
    }),
  };
  checkPasswordNames(args, mailboxes, mistakes);
  checkHost(args, mistakes);
  const certificates = planCertificates(
    {
      certificate: args.certificate,
      hasToken: args.tokens?.acme !== undefined,
      hostname,
      domains: domains.map(({ name, declaration }) => ({ name, mtaSts: declaration.mtaSts !== undefined })),
      clientSettings: args.web?.clientSettings ?? true,
    },
    mistakes,
  );
  if (mistakes.length > 0) throw new StackMistakes(mistakes);
  return {
    hostname,
    publications,
    domains,
    mailboxes,
    aliases,
    relays,
    ports,
    listeners,
    settings,
    restartOn: { dns: settings.dns },
    certificates,
    endpoints: listeners
      .map(endpointOf)
      .map((endpoint) =>
        placement.closedNet ? endpoint : { ...endpoint, address: publishedOn(args.host) ?? hostname },
      ),
  };
}

/** The one address that ports are published on; undefined where it is all of them. */
const publishedOn = (host: MailStackArgs["host"]): string | undefined =>
  host.type === "docker" ? host.publishOn : undefined;

function planDomains({ domains }: MailStackArgs, mistakes: Mistake[]): PlannedDomain[] {
  const seen = new Map<string, string>();
  if (domains.length === 0)
    mistakes.push({ where: "domains", what: "is empty: a mail stack has at least one domain" });
  return domains.flatMap((entry, index) => {
    const declaration = typeof entry === "string" ? { name: entry } : entry;
    const where = typeof entry === "string" ? `domains[${index}]` : `domains[${index}].name`;
    const name = attempt(() => parseDomain(declaration.name), where, declaration.name, mistakes);
    if (name === undefined) return [];
    const first = seen.get(name);
    if (first !== undefined) {
      mistakes.push({
        where,
        what: `${quote(declaration.name)} is declared twice; ${first} is the same domain`,
      });
      return [];
    }
    seen.set(name, where);
    return [
      {
        name,
        where: `domains[${index}]`,
        declaration,
        keys: planKeys(declaration.dkim, `domains[${index}].dkim`, mistakes),
      },
    ];
  });
}

function publishedDomain({ name, declaration, where }: PlannedDomain) {
  return { name, where, ...(declaration.dns && { dns: declaration.dns }) };
}

/** Whether the host's own name server publishes. */
export const isHost = ({ type }: DnsArgs): boolean => type === "host" || type === "local";

function planKeys(declared: DkimDeclaration | undefined, where: string, mistakes: Mistake[]): PlannedKeys {
  const { algorithms, current, next } = { ...DKIM, ...declared };
  if (current === next)
    mistakes.push({
      where: `${where}.next`,
      what: `is the current selector ${quote(current)} too; the next key needs its own`,
    });
  if (new Set(algorithms.map((one) => one.split("-")[0])).size < algorithms.length)
    mistakes.push({
      where: `${where}.algorithms`,
      what: "has two keys of one kind: one RSA and one Ed25519 at most",
    });
  return { algorithms, first: { current, next } };
}

function planMailboxes(
  { mailboxes = [] }: MailStackArgs,
  hosted: ReadonlySet<string>,
  mistakes: Mistake[],
): PlannedMailbox[] {
  const seen = new Map<string, string>();
  return mailboxes.flatMap((entry, index) => {
    const declared: MailboxDeclaration = typeof entry === "string" ? { address: entry } : entry;
    const place = `mailboxes[${index}]`;
    const where = typeof entry === "string" ? place : `${place}.address`;
    const parsed = attempt(() => parseAddress(declared.address), where, declared.address, mistakes);
    if (!parsed) return [];
    const address = `${parsed.local}@${parsed.domain}`;
    const first = seen.get(address);
    if (first !== undefined)
      mistakes.push({
        where,
        what: `${quote(declared.address)} is declared twice; ${first} is the same address`,
      });
    seen.set(address, where);
    requireHosted(parsed.domain, hosted, where, declared.address, mistakes);
    return [
      {
        address,
        domain: parsed.domain,
        spelling: declared.address,
        quotaBytes: size(declared.quota, `${place}.quota`, mistakes) ?? 0,
        displayName: declared.displayName,
        passwordPolicy: declared.passwordPolicy ?? "initial",
      },
    ];
  });
}

function checkAliasDomains(
  { domains, aliases = {} }: MailStackArgs,
  hosted: ReadonlySet<string>,
  mistakes: Mistake[],
): void {
  for (const [index, entry] of domains.entries()) {
    if (typeof entry === "string" || entry.aliasOf === undefined) continue;
    const where = `domains[${index}].aliasOf`;
    const real = attempt(() => parseDomain(entry.aliasOf ?? ""), where, entry.aliasOf, mistakes);
    if (real !== undefined && !hosted.has(real))
      mistakes.push({ where, what: `${quote(entry.aliasOf)} is not declared: add it to domains` });
    if (aliases[`@${entry.name}`] !== undefined)
      mistakes.push({
        where,
        what: `stands beside aliases[${quote(`@${entry.name}`)}]: declare one of them`,
      });
  }
}

/** A domain that stands for another is an alias of all its addresses. */
function aliasDomains({ domains, aliases = {} }: MailStackArgs): Record<string, string> {
  return Object.fromEntries(
    domains.flatMap((entry) =>
      typeof entry === "string" || entry.aliasOf === undefined || aliases[`@${entry.name}`] !== undefined
        ? []
        : [[`@${entry.name}`, `@${entry.aliasOf}`]],
    ),
  );
}

function planAliases(
  args: MailStackArgs,
  hosted: ReadonlySet<string>,
  mailboxes: ReadonlyMap<string, number>,
  mistakes: Mistake[],
): PlannedAlias[] {
  const { aliases = {} } = args;
  checkAliasDomains(args, hosted, mistakes);
  const seen = new Map<string, string>();
  return Object.entries({ ...aliasDomains(args), ...aliases }).flatMap(([spelling, declared]) => {
    const where = `aliases[${quote(spelling)}]`;
    const catchAll = spelling.startsWith("@");
    const parsed = attempt(
      () => (catchAll ? { local: "", domain: parseDomain(spelling.slice(1)) } : parseAddress(spelling)),
      where,
      spelling,
      mistakes,
    );
    if (!parsed) return [];
    const address = `${parsed.local}@${parsed.domain}`;
    const mailbox = mailboxes.get(address);
    if (mailbox !== undefined)
      mistakes.push({ where, what: `is a mailbox too (mailboxes[${mailbox}]); an address is either` });
    const first = seen.get(address);
    if (first !== undefined)
      mistakes.push({ where, what: `is declared twice; ${first} is the same address` });
    seen.set(address, where);
    requireHosted(parsed.domain, hosted, where, spelling, mistakes);
    const list = typeof declared === "string" ? [declared] : declared;
    if (list.length === 0) mistakes.push({ where, what: "has no target; name at least one address" });
    const targets = list.flatMap((target, index) => {
      const place = typeof declared === "string" ? where : `${where}[${index}]`;
      // `@other.example` for a whole domain keeps the part before the @ (an alias domain).
      if (catchAll && target.startsWith("@")) {
        const other = attempt(() => parseDomain(target.slice(1)), place, target, mistakes);
        if (other === parsed.domain) mistakes.push({ where: place, what: "stands for itself" });
        return other === undefined ? [] : [`@${other}`];
      }
      const to = attempt(() => parseAddress(target), place, target, mistakes);
      if (to && `${to.local}@${to.domain}` === address)
        mistakes.push({ where: place, what: "stands for itself; declare a mailbox instead" });
      return to ? [`${to.local}@${to.domain}`] : [];
    });
    return [{ address, domain: parsed.domain, targets }];
  });
}

function planHostname(args: MailStackArgs, domains: readonly PlannedDomain[], mistakes: Mistake[]): string {
  const wanted = args.hostname ?? (domains[0] && `mail.${domains[0].name}`);
  if (wanted === undefined) return "";
  const name = attempt(() => hostName(wanted), "hostname", wanted, mistakes) ?? "";
  if (name !== "" && !name.includes("."))
    mistakes.push({ where: "hostname", what: `${quote(wanted)} is not a full name, as in mail.example.org` });
  return name;
}

function planPorts(server: ServerSettings, { portBase, lowestPort }: Placement, mistakes: Mistake[]): Ports {
  const ports = portsOf(server, portBase);
  const seen = new Map<number, string>();
  for (const [service, port] of Object.entries(ports)) {
    const where =
      server.ports?.[service as keyof Ports] === undefined ? "server.portBase" : `server.ports.${service}`;
    if (!Number.isInteger(port) || port < lowestPort || port > 65_535)
      mistakes.push({
        where,
        what: `makes ${service}'s port ${port}; ${lowestPort > 1 ? "without root it" : "it"} is from ${lowestPort} to 65535`,
      });
    const other = seen.get(port);
    if (other !== undefined)
      mistakes.push({ where, what: `gives port ${port} to ${service} and to ${other}` });
    seen.set(port, service);
  }
  return ports;
}

interface ServerPlace {
  readonly hostname: string;
  readonly ports: Ports;
  readonly listeners: Listener[];
  readonly closedNet: boolean;
  /** The host's own name server is the only one that knows the stack's names. */
  readonly ownDns: boolean;
  readonly sending: ReturnType<typeof planSending>;
  readonly delivery: ReturnType<typeof planDelivery>;
}

function planSettings(
  { server = {}, filtering = {}, banning = {}, host }: MailStackArgs,
  { hostname, ports, listeners, closedNet, ownDns, sending, delivery }: ServerPlace,
  mistakes: Mistake[],
): SettingsInput {
  const beside = sidecarSettings(host.type === "docker" ? host.sidecars : undefined);
  const messageSize = size(server.messageSizeLimit, "server.messageSizeLimit", mistakes);
  const quota = size(server.defaultQuota, "server.defaultQuota", mistakes);
  return present({
    hostname,
    postmasterAddress: server.postmasterAddress,
    logLevel: server.logLevel,
    listeners,
    tls: present({ level: server.tlsLevel }),
    message: present({ sizeLimit: messageSize, recipientLimit: server.recipientLimit }),
    mailbox: present({ sizeLimit: quota }),
    submission: present({
      // In a closed net mail between the stack's own domains goes the whole way, so that the probe proves all of it.
      hostedDomains: server.hostedDomains ?? (closedNet ? "mx" : undefined),
      spoofProtection: server.spoofProtection,
      requireSignature: server.requireSignature,
      ...sending,
    }),
    // In a closed net the host asks its own name server alone, and mail goes to the port its own MX listens on.
    dns: present({
      ...(server.resolvers === undefined && !ownDns && beside.dns),
      ...present({
        servers: server.resolvers ? [...server.resolvers] : ownDns ? [`${LOOPBACK}:${ports.dns}`] : undefined,
        authoritative: ownDns ? { address: LOOPBACK, port: ports.dns } : undefined,
      }),
    }),
    delivery: present({ port: closedNet ? ports.smtp : undefined, ...delivery }),
    routing: present({ recipientDelimiter: server.recipientDelimiter }),
    srs: present({
      enabled: server.forwarding?.rewriteSenders,
      domain: server.forwarding?.domain,
      excludeDomains: server.forwarding?.excludeDomains && [...server.forwarding.excludeDomains],
    }),
    greeting: present({ delayMs: filtering.greetingDelayMs }),
    filter: present({
      tagScore: filtering.tagScore,
      junkScore: filtering.junkScore,
      rejectScore: filtering.rejectScore,
    }),
    engines: present({ list: some([...(filtering.engines ?? []), ...beside.engines]) }),
    ban: planBans(banning, mistakes),
  }) as SettingsInput;
}

/** The declared report addresses that are this host's own: what comes there is read for `mailkeep reports`. */
function planReports(domains: readonly PlannedDomain[]): SettingsInput["reports"] {
  const declared = domains.flatMap(({ declaration }) => [
    ...(declaration.dmarc?.rua ?? []),
    ...(declaration.tlsRpt?.rua ?? []),
  ]);
  const addresses = declared
    .map((target) => target.replace(/^mailto:/i, "").toLowerCase())
    .filter((address) => domains.some(({ name }) => address.endsWith(`@${name}`)));
  return addresses.length === 0 ? undefined : { addresses: [...new Set(addresses)] };
}

/** What is declared as never banned is so besides loopback, where the host's own programs connect from. */
function planBans(banning: BanningArgs, mistakes: Mistake[]): SettingsInput["ban"] {
  banning.neverBanned?.forEach((entry, index) => {
    if (networkSchema.safeParse(entry).success) return;
    mistakes.push({
      where: `banning.neverBanned[${index}]`,
      what: `${quote(entry)} is no IP address and no network like 192.0.2.0/24`,
    });
  });
  return present({
    ...banning,
    neverBanned: banning.neverBanned && ["127.0.0.0/8", "::1", ...banning.neverBanned],
  });
}

/** A password for nobody is most likely a mistyped address, and would stay unnoticed. */
function checkPasswordNames(
  { passwords = {}, passwordHashes = {} }: MailStackArgs,
  mailboxes: readonly PlannedMailbox[],
  mistakes: Mistake[],
): void {
  const known = new Set(mailboxes.flatMap(({ address, spelling }) => [address, spelling]));
  for (const [key, map] of Object.entries({ passwords, passwordHashes })) {
    for (const [address, value] of Object.entries(map)) {
      const where = `${key}[${quote(address)}]`;
      if (!known.has(address)) mistakes.push({ where, what: "belongs to no declared mailbox" });
      else if (value === "") mistakes.push({ where, what: "is empty" });
    }
  }
  for (const { address, spelling } of mailboxes) {
    const both = [passwords, passwordHashes].every((map) => (map[address] ?? map[spelling]) !== undefined);
    if (both)
      mistakes.push({
        where: `passwordHashes[${quote(spelling)}]`,
        what: "stands beside a password: give one of them",
      });
  }
}

/** The records want addresses, and a name is none. */
function checkHost({ host, addresses }: MailStackArgs, mistakes: Mistake[]): void {
  if (host.type !== "ssh") return;
  if (typeof host.address === "string" && isIP(host.address) === 0 && addresses === undefined)
    mistakes.push({
      where: "addresses",
      what: `is missing: host.address is the name ${quote(host.address)}, and the records need IP addresses`,
    });
  size(host.runtime?.memoryLimit, "host.runtime.memoryLimit", mistakes);
}

function endpointOf({ protocol, address, port }: Listener): Endpoint {
  const security = protocol === "http" ? "none" : protocol.endsWith("s") ? "tls" : "starttls";
  return { service: protocol, address, port, security };
}

function requireHosted(
  domain: string,
  hosted: ReadonlySet<string>,
  where: string,
  spelling: string,
  mistakes: Mistake[],
): void {
  if (hosted.has(domain)) return;
  mistakes.push({
    where,
    what: `${quote(spelling)} is in ${domain}, which is not declared: add it to domains`,
  });
}

function size(declared: number | string | undefined, where: string, mistakes: Mistake[]): number | undefined {
  if (declared === undefined) return undefined;
  const bytes = bytesOf(declared);
  if (bytes === undefined)
    mistakes.push({
      where,
      what: `${quote(String(declared))} is no size; write bytes, or a number with K, M, G or T`,
    });
  return bytes;
}

const some = <T>(list: T[]): T[] | undefined => (list.length > 0 ? list : undefined);

/** Without the members that are undefined; without any, undefined itself. */
function present<T extends object>(values: T): T | undefined {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return entries.length > 0 ? (Object.fromEntries(entries) as T) : undefined;
}
