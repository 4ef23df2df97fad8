/**
 * A plan as zone files, one for each zone, with SOA and NS: for the loopback name server of the local target and for
 * whoever runs a name server of their own.
 *
 * The same plan always gives the same text. The serial is 1 in it: who writes the file makes the serial grow when the
 * rest differs (RFC 1982), because only there the serial in force is known.
 */
import {
  type DnsRecord,
  domainName,
  hostName,
  isWithin,
  renderMasterFile,
  sortRecords,
  under,
  uniqueRecords,
} from "../../../mailserver-runtime/dns/records.ts";
import type { PlannedRecord } from "../plan-types.ts";
import { placeRecords } from "../zones.ts";
import type { Published, Publisher } from "./publisher.ts";

export interface ZoneFileOptions {
  /** The zones to write; see `defaultZones`. */
  readonly zones: readonly string[];
  /** Name servers of every zone, the primary first. Their addresses must be in the plan or elsewhere in the DNS. */
  readonly nameServers: readonly string[];
  /** Whether the PTR records of the host's addresses get zones too: only for a name server that is asked for them. */
  readonly reverseZones: "none" | "of-host-addresses";
  /** Seconds for SOA and NS, 3600 when absent. */
  readonly ttl?: number;
}

export interface ZoneFile {
  readonly origin: string;
  /** The master file (RFC 1035 §5), each record below the reason why it is there. */
  readonly text: string;
  readonly records: readonly DnsRecord[];
}

export interface ZoneFiles extends Published {
  readonly files: readonly ZoneFile[];
}

const SOA_TIMES = { refresh: 7200, retry: 900, expire: 1_209_600, minimum: 300 } as const;
const PLACEHOLDER_SERIAL = 1;
const DEFAULT_TTL = 3600;

/** Renders a plan as zone files. @throws {InvalidName} for a zone or name server that is no name */
export const zoneFiles: Publisher<ZoneFileOptions, ZoneFiles> = (plan, options) => {
  const { zones, unplaced } = placeRecords(plan.records, options.zones);
  const reverse =
    options.reverseZones === "none"
      ? []
      : placeRecords(plan.reverse, [...new Set(plan.reverse.map(({ record }) => reverseZone(record.name)))])
          .zones;
  return {
    files: [...zones, ...reverse].map((zone) => zoneFile(zone.origin, zone.records, options)),
    unplaced,
  };
};

function zoneFile(origin: string, planned: readonly PlannedRecord[], options: ZoneFileOptions): ZoneFile {
  const ttl = options.ttl ?? DEFAULT_TTL;
  const nameServers = options.nameServers.map(hostName);
  const contact = isWithin(origin, "arpa") ? (nameServers[0] ?? origin) : origin;
  const authority: DnsRecord[] = [
    {
      type: "SOA",
      name: origin,
      ttl,
      mname: nameServers[0] ?? origin,
      rname: under("hostmaster", contact),
      serial: PLACEHOLDER_SERIAL,
      ...SOA_TIMES,
    },
    ...nameServers.map((target): DnsRecord => ({ type: "NS", name: origin, ttl, target })),
  ];
  const reasons = new Map(planned.map(({ record, reason }) => [record, reason]));
  const records = sortRecords(uniqueRecords([...authority, ...planned.map(({ record }) => record)]));
  const text = renderMasterFile(records, {
    origin,
    ttl,
    header: [`Zone ${origin}, written by mailkeep from what the stack declares.`],
    comment: (record) => reasons.get(record),
  });
  return { origin, text, records };
}

/** The zone a PTR record is put into: the /24 of IPv4, the /64 of IPv6. */
function reverseZone(name: string): string {
  const labels = name.split(".");
  return domainName(labels.slice(name.endsWith(".ip6.arpa") ? 16 : 1).join("."));
}
