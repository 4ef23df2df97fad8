/**
 * Which zone a planned record belongs to. A plan speaks of names; a publisher writes zones, and a zone may hold several
 * declared domains or a host that is below none of them.
 */
import { getDomain } from "tldts";
import { domainName, parentName } from "../../mailserver-runtime/dns/records.ts";
import type { PlannedRecord } from "./plan-types.ts";

export interface PlacedZone {
  readonly origin: string;
  readonly records: readonly PlannedRecord[];
}

export interface Placement {
  /** One for each zone, also for one without records, in the order given. */
  readonly zones: readonly PlacedZone[];
  /** Records of no zone: somebody else must publish them. */
  readonly unplaced: readonly PlannedRecord[];
}

/** Puts each record into the closest zone above it. */
export function placeRecords(records: readonly PlannedRecord[], origins: readonly string[]): Placement {
  const zones = new Map(
    [...new Set(origins.map(domainName))].map((origin) => [origin, [] as PlannedRecord[]]),
  );
  const unplaced: PlannedRecord[] = [];
  for (const planned of records) {
    const origin = closest(planned.record.name, (name) => zones.has(name));
    (origin === undefined ? unplaced : zones.get(origin)!).push(planned);
  }
  return { zones: [...zones].map(([origin, placed]) => ({ origin, records: placed })), unplaced };
}

/**
 * The zones of a stack that names none: each declared domain that is not below another one, and the registrable domain
 * of the host where it is below none of them.
 */
export function defaultZones(hostName: string | undefined, domains: readonly string[]): string[] {
  const names = new Set(domains.map(domainName));
  const tops = [...names].filter(
    (name) => closest(parentName(name), (above) => names.has(above)) === undefined,
  );
  if (hostName === undefined) return tops;
  const host = domainName(hostName);
  if (closest(host, (above) => names.has(above)) !== undefined) return tops;
  return [...tops, registrableDomain(host)];
}

/** The domain that somebody registered: what is right below a public suffix, as a provider of DNS knows zones. */
export function registrableDomain(name: string): string {
  return getDomain(name, { allowPrivateDomains: true }) ?? name;
}

/** The name itself or the closest one above it for which this holds. */
export function closest(name: string, holds: (name: string) => boolean): string | undefined {
  for (let at = name; ; at = parentName(at)) {
    if (holds(at)) return at;
    if (at === ".") return undefined;
  }
}
