/**
 * The stack's records: what the record plan says, for what the server really serves, and who publishes which of them.
 * Functions of their arguments; keys that are not made yet are simply not among them.
 */
import { rdataText, recordText } from "../mailserver-runtime/dns/records.ts";
import type { PublishedDkimKey } from "./accounts/dkim-keys.ts";
import { type LeftOut, type PlanArgs, planRecords, type RecordPlan, type TlsKeys } from "./dns/plan.ts";
import type { SpfInclude } from "./dns/plan-types.ts";
import type { Publication } from "./dns/publications.ts";
import { printPlan } from "./dns/publishers/print.ts";
import { zoneFiles } from "./dns/publishers/zone-file.ts";
import { placeRecords } from "./dns/zones.ts";
import type { RelayDeclaration } from "./mail-stack-args.ts";
import { isHost, type PlannedDomain, type StackPlan } from "./stack-plan.ts";

/** What is published of a domain's DKIM keys. */
export interface DomainKeys {
  readonly domain: string;
  readonly keys: readonly PublishedDkimKey[];
}

/** What only the host, or whoever makes it, can tell. */
export interface HostFacts {
  readonly keys: readonly DomainKeys[];
  readonly tlsKeys?: TlsKeys;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

/** What is declared beside the plan and goes into records. */
export interface RecordOptions {
  readonly relays?: readonly RelayDeclaration[];
  /** Addresses that mail leaves from, in the place of the host's. */
  readonly outgoing?: readonly string[];
}

/** The loopback of the local host. */
export const LOOPBACK: HostFacts = { keys: [], ipv4: ["127.0.0.1"], ipv6: [] };

/** Every record of the stack. @throws {PlanError} naming the argument and the way out */
export function stackRecords(plan: StackPlan, facts: HostFacts, options: RecordOptions = {}): RecordPlan {
  return planRecords(planArgs(plan, facts, options));
}

/**
 * The part of a plan that one publication writes, with its ttl, and without TLSA where its zones are not signed. What no
 * publication's zone holds is left out of all of them.
 */
export function publishedPart(
  records: RecordPlan,
  publication: Publication,
  all: readonly Publication[],
): RecordPlan {
  const { zones, unplaced } = placeRecords(
    records.records,
    all.flatMap(({ zones: of }) => of),
  );
  const mine = zones
    .filter(({ origin }) => publication.zones.includes(origin))
    .flatMap((zone) => zone.records);
  const { ttl, dnssec } = publication.dns;
  const unsigned = dnssec === "unsigned" ? mine.filter(({ record }) => record.type === "TLSA") : [];
  const homeless = publication === all[0] ? unplaced : [];
  return {
    ...records,
    records: mine
      .filter((planned) => !unsigned.includes(planned))
      .map((planned) => (ttl === undefined ? planned : { ...planned, record: { ...planned.record, ttl } })),
    leftOut: [
      ...(publication === all[0] ? records.leftOut : []),
      ...homeless.map(({ record }) => ({
        what: `${record.name} ${record.type}`,
        reason: "no zone of this stack holds the name",
      })),
      ...unsigned.map(({ record }) => ({
        what: `${record.name} TLSA`,
        reason: "the zone is not signed (DNSSEC), and without that nobody may believe it (RFC 7672 §2.2)",
      })),
    ],
    warnings: publication === all[0] ? records.warnings : [],
  };
}

/** Record sets by zone for the host's own name server, the zones of its addresses among them; see the Zone resource. */
export function hostZones(
  part: RecordPlan,
  publication: Publication,
  nameServer: string,
  reverseZones: "none" | "of-host-addresses",
): Readonly<Record<string, Record<string, string[]>>> {
  const { ttl } = publication.dns;
  const { files } = zoneFiles(part, {
    zones: publication.zones,
    nameServers: [nameServer],
    reverseZones,
    ...(ttl !== undefined && { ttl }),
  });
  return Object.fromEntries(files.map(({ origin, records }) => [origin, recordSets(records)]));
}

/** Records by owner and type, each its TTL and its data: {"example.org MX": ["3600 10 mail.example.org."]}. */
export function recordSets(records: readonly Parameters<typeof rdataText>[0][]): Record<string, string[]> {
  const sets: Record<string, string[]> = {};
  for (const record of records) {
    const set = `${record.name} ${record.type}`;
    sets[set] ??= [];
    sets[set].push(`${record.ttl} ${rdataText(record)}`);
  }
  return sets;
}

/** What is not published anywhere, over all publications. */
export function leftOut(records: RecordPlan, all: readonly Publication[]): LeftOut[] {
  return all.flatMap((publication) => publishedPart(records, publication, all).leftOut);
}

/** The text that HTTPS serves as each domain's MTA-STS policy (RFC 8461 §3.2). @throws {PlanError} */
export function mtaStsPolicies(plan: StackPlan): Record<string, string> {
  const { mtaSts } = stackRecords(plan, LOOPBACK);
  return Object.fromEntries(mtaSts.map(({ domain, text }) => [domain, text]));
}

/** Records as text, for a person and for checks. */
export interface ShownRecords {
  /** Every record, as a line of a master file (RFC 1035 §5.1). */
  readonly records: readonly string[];
  /** Those of the host's addresses, which whoever owns the addresses sets. */
  readonly reverse: readonly string[];
  /** What has to be entered by hand, each with its reason; absent where every zone has a publisher. */
  readonly toEnter?: string;
}

export function recordsToShow(records: RecordPlan, all: readonly Publication[]): ShownRecords {
  const parts = all.map((publication) => ({ publication, part: publishedPart(records, publication, all) }));
  const byHand = parts.filter(({ publication }) => publication.dns.type === "manual").map(({ part }) => part);
  const lines = (planned: RecordPlan["records"]) => planned.map(({ record }) => recordText(record));
  return {
    records: parts.flatMap(({ part }) => lines(part.records)),
    reverse: lines(records.reverse),
    ...(byHand.length > 0 && {
      toEnter: printPlan({
        ...records,
        records: byHand.flatMap((part) => part.records),
        leftOut: byHand.flatMap((part) => part.leftOut),
      }),
    }),
  };
}

function planArgs(plan: StackPlan, facts: HostFacts, { relays = [], outgoing }: RecordOptions): PlanArgs {
  const { smtp: _, dns: __, http: ___, https: ____, ...services } = plan.ports;
  const closed = plan.publications.every(({ dns }) => isHost(dns));
  return {
    host: { name: plan.hostname, ipv4: facts.ipv4, ipv6: facts.ipv6 },
    domains: plan.domains.map((domain) => {
      const { name, declaration } = domain;
      const includes = [...(declaration.spf?.includes ?? []), ...includesOf(domain, relays)];
      // Where the world reads the record a policy begins with watching, and reports say when it may be stricter.
      const dmarc = declaration.dmarc ?? (closed ? ({ policy: "reject" } as const) : undefined);
      return {
        name,
        ...(dmarc && { dmarc }),
        ...((declaration.spf || includes.length > 0) && { spf: { ...declaration.spf, includes } }),
        ...(declaration.tlsRpt && { tlsRpt: declaration.tlsRpt }),
        ...(declaration.mtaSts && { mtaSts: declaration.mtaSts }),
        dkim: (facts.keys.find((found) => found.domain === name)?.keys ?? []).map(({ algorithm, ...key }) => {
          return { ...key, algorithm: algorithm === "ed25519" ? "ed25519" : "rsa" } as const;
        }),
      };
    }),
    served: { smtp: true, smtpTls: true, services, https: plan.certificates.webNames },
    ...(outgoing && { egress: { addresses: outgoing } }),
    ...(facts.tlsKeys && { tlsKeys: facts.tlsKeys }),
  };
}

/** The policies of relays that take mail of a domain: by its name, by one of its senders, or because they take everybody's. */
function includesOf({ name }: PlannedDomain, relays: readonly RelayDeclaration[]): SpfInclude[] {
  return relays.flatMap((relay) => {
    if (relay.type !== "smarthost" || relay.spf === undefined) return [];
    const { senders = [], senderDomains = [] } = relay.for ?? {};
    const domains = [
      ...senderDomains,
      ...senders.map((sender) => sender.slice(sender.lastIndexOf("@") + 1)),
    ].map((domain) => domain.toLowerCase());
    return domains.length === 0 || domains.includes(name) ? [relay.spf] : [];
  });
}
