/**
 * A zone in memory, and the answer it gives (RFC 1034 §4.3.2): pure look-ups over records, no socket and no file.
 *
 * It knows delegations, aliases (chased through all zones held here), wildcards (RFC 4592), empty non-terminals, and
 * the difference between a name that does not exist and one that has no record of the asked type (RFC 2308).
 */
import type { DnsRecord, MasterFileEntry, MasterFileProblem, RecordType, SoaRecord } from "./records.ts";
import { domainName, isWithin, parentName, under } from "./records.ts";
import type { Response } from "./wire.ts";

type RecordSets = ReadonlyMap<RecordType, readonly DnsRecord[]>;

export interface Zone {
  readonly origin: string;
  readonly soa: SoaRecord;
  /** Every name that exists, with its records; an empty non-terminal has none. */
  readonly names: ReadonlyMap<string, RecordSets>;
}

/** Zones by their origin. */
export type Zones = ReadonlyMap<string, Zone>;

/** A usable zone, or everything that stands against it. */
export type ZoneResult =
  | { readonly ok: true; readonly zone: Zone }
  | { readonly ok: false; readonly problems: readonly MasterFileProblem[] };

/** Aliases followed for one question; more is a loop or an attack on the client's patience. */
const MAX_CHAIN = 8;

/**
 * Builds a zone and checks what makes one: one SOA at the apex, NS at the apex, no name outside, no record beside a
 * CNAME (RFC 1034 §3.6.2), one ttl in a record set (RFC 2181 §5.2), no MX, NS or SRV that points at an alias here
 * (RFC 2181 §10.3).
 */
export function buildZone(origin: string, entries: readonly MasterFileEntry[]): ZoneResult {
  const apex = domainName(origin);
  const problems = zoneProblems(apex, entries);
  const soa = entries.find(({ record }) => record.type === "SOA")?.record;
  if (problems.length > 0 || soa?.type !== "SOA") return { ok: false, problems };

  const names = new Map<string, Map<RecordType, DnsRecord[]>>();
  for (const { record } of entries) {
    for (let name = record.name; !names.has(name); name = parentName(name)) {
      names.set(name, new Map());
      if (name === apex) break;
    }
    const sets = names.get(record.name)!;
    const set = sets.get(record.type);
    if (set === undefined) sets.set(record.type, [record]);
    else set.push(record);
  }
  return { ok: true, zone: { origin: apex, soa, names } };
}

/** The authoritative answer to a question; REFUSED where no zone here holds the name. */
export function answerFrom(
  zones: Zones,
  question: { readonly name: string; readonly type: string },
): Response {
  const answers: DnsRecord[] = [];
  const seen = new Set<string>();
  let name = question.name;
  for (;;) {
    const zone = zoneOf(zones, name);
    if (zone === undefined)
      return answers.length === 0 ? response("REFUSED", false) : response("NOERROR", true, answers);
    const step = lookUp(zone, name, question.type);
    answers.push(...step.answers);
    if (step.alias === undefined) return response(step.rcode, step.authoritative, answers, step.authorities);
    seen.add(name);
    // A chain too long or in a circle ends with what there is: the client sees the aliases and no data.
    if (seen.has(step.alias) || seen.size > MAX_CHAIN) return response("NOERROR", true, answers);
    name = step.alias;
  }
}

interface Step {
  readonly rcode: "NOERROR" | "NXDOMAIN";
  readonly authoritative: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  /** Where to go on, when the name is an alias. */
  readonly alias?: string;
}

function lookUp(zone: Zone, name: string, type: string): Step {
  const cut = delegation(zone, name);
  if (cut !== undefined) return { rcode: "NOERROR", authoritative: false, answers: [], authorities: cut };
  const exact = zone.names.get(name);
  const sets = exact ?? wildcard(zone, name);
  if (sets === undefined) return { ...noData(zone), rcode: "NXDOMAIN" };
  const found = type === "ANY" ? anySet(sets) : sets.get(type as RecordType);
  const owned = (records: readonly DnsRecord[]) =>
    exact === undefined ? records.map((record) => ({ ...record, name })) : records;
  if (found !== undefined)
    return { rcode: "NOERROR", authoritative: true, answers: owned(found), authorities: [] };
  const alias = sets.get("CNAME")?.[0];
  if (alias?.type === "CNAME")
    return {
      rcode: "NOERROR",
      authoritative: true,
      answers: owned([alias]),
      authorities: [],
      alias: alias.target,
    };
  return noData(zone);
}

/** The closest zone above a name. */
function zoneOf(zones: Zones, name: string): Zone | undefined {
  for (let candidate = name; ; candidate = parentName(candidate)) {
    const zone = zones.get(candidate);
    if (zone !== undefined || candidate === ".") return zone;
  }
}

/** The NS records of a cut between the apex and the name, if there is one (RFC 1034 §4.2.1). */
function delegation(zone: Zone, name: string): readonly DnsRecord[] | undefined {
  let cut: readonly DnsRecord[] | undefined;
  for (let at = name; at !== zone.origin; at = parentName(at)) cut = zone.names.get(at)?.get("NS") ?? cut;
  return cut;
}

/** The wildcard below the closest name that exists (RFC 4592 §3.3.1). */
function wildcard(zone: Zone, name: string): RecordSets | undefined {
  let encloser = parentName(name);
  while (!zone.names.has(encloser) && encloser !== zone.origin) encloser = parentName(encloser);
  return zone.names.get(under("*", encloser));
}

/** One record set stands for ANY (RFC 8482 §4.1). */
function anySet(sets: RecordSets): readonly DnsRecord[] | undefined {
  return sets.values().next().value;
}

/** The name exists, the record does not: the SOA says for how long that may be believed (RFC 2308 §3). */
function noData(zone: Zone): Step {
  const ttl = Math.min(zone.soa.ttl, zone.soa.minimum);
  return { rcode: "NOERROR", authoritative: true, answers: [], authorities: [{ ...zone.soa, ttl }] };
}

function response(
  rcode: Response["rcode"],
  authoritative: boolean,
  answers: readonly DnsRecord[] = [],
  authorities: readonly DnsRecord[] = [],
): Response {
  return { rcode, authoritative, answers, authorities };
}

function zoneProblems(apex: string, entries: readonly MasterFileEntry[]): MasterFileProblem[] {
  const problems: MasterFileProblem[] = [];
  const soas = entries.filter(({ record }) => record.type === "SOA");
  if (soas.length !== 1)
    problems.push({ line: soas[1]?.line ?? 1, reason: `a zone has one SOA record; here are ${soas.length}` });
  if (!entries.some(({ record }) => record.type === "NS" && record.name === apex))
    problems.push({ line: 1, reason: `the zone has no NS record at ${apex}` });

  const aliases = new Set(
    entries.filter(({ record }) => record.type === "CNAME").map(({ record }) => record.name),
  );
  const others = new Map<string, number>();
  const ttls = new Map<string, number>();
  for (const { record, line } of entries) {
    if (!isWithin(record.name, apex)) problems.push({ line, reason: `${record.name} is not within ${apex}` });
    if (record.type === "SOA" && record.name !== apex)
      problems.push({ line, reason: `the SOA stands at ${record.name}, not at ${apex}` });
    if (aliases.has(record.name)) {
      const before = others.get(record.name);
      if (before !== undefined)
        problems.push({
          line,
          reason: `${record.name} is an alias (CNAME) and can have no other record (line ${before})`,
        });
      others.set(record.name, line);
    }
    const set = `${record.name} ${record.type}`;
    const ttl = ttls.get(set);
    if (ttl !== undefined && ttl !== record.ttl)
      problems.push({
        line,
        reason: `the ${record.type} records of ${record.name} have different ttls, ${ttl} and ${record.ttl}`,
      });
    ttls.set(set, record.ttl);
    const target = pointsAt(record);
    if (target !== undefined && aliases.has(target))
      problems.push({
        line,
        reason: `${record.type} points at ${target}, which is an alias (RFC 2181 §10.3)`,
      });
  }
  return problems;
}

function pointsAt(record: DnsRecord): string | undefined {
  if (record.type === "MX") return record.exchange;
  return record.type === "SRV" || record.type === "NS" ? record.target : undefined;
}
