/**
 * A plan as the arguments of `cloudflare.DnsRecord` (@pulumi/cloudflare 6): pure, no resource is made here.
 *
 * What Cloudflare's API needs to be met without drift: full names without the final dot, `proxied: false` (mail is not
 * HTTP), TXT content in quotes and cut at 255 octets, SRV, CAA and TLSA as `data` with SRV's priority said twice, ttl 1
 * for automatic or 60 to 86400. A change of type is a replacement, and Cloudflare refuses A beside CNAME, so every
 * record is deleted before it is replaced.
 */
import { createHash } from "node:crypto";
import { type DnsRecord, quoted } from "../../../mailserver-runtime/dns/records.ts";
import type { PlannedRecord } from "../plan-types.ts";
import { placeRecords } from "../zones.ts";
import type { Published, Publisher } from "./publisher.ts";

/** Types this publisher can write: those a plan has in a domain's zone. */
export type CloudflareType = "A" | "AAAA" | "CNAME" | "MX" | "TXT" | "SRV" | "CAA" | "TLSA";

/** The part of `cloudflare.DnsRecordArgs` that is used, as plain values. */
export interface CloudflareRecordArgs {
  readonly zoneId: string;
  readonly name: string;
  readonly type: CloudflareType;
  readonly ttl: number;
  readonly proxied: false;
  readonly comment: string;
  readonly content?: string;
  readonly priority?: number;
  readonly data?: Readonly<Record<string, string | number>>;
}

export interface CloudflareRecord {
  /**
   * The logical name of the resource: the same for a record whose value changes, so that it is updated in place, and
   * different for each member of a set.
   */
  readonly key: string;
  readonly args: CloudflareRecordArgs;
  readonly options: { readonly deleteBeforeReplace: true };
  readonly planned: PlannedRecord;
}

export interface CloudflareOptions {
  /** The id of each zone by its name. */
  readonly zoneIds: Readonly<Record<string, string>>;
  readonly project: string;
  readonly stack: string;
  /** What addresses are called in the names of resources that were not known when the program began; see unknown-facts.ts. */
  readonly slots?: ReadonlyMap<string, string>;
}

export interface CloudflareRecords extends Published {
  readonly records: readonly CloudflareRecord[];
}

const MIN_TTL = 60;
const MAX_TTL = 86_400;
/** Cloudflare's "automatic". */
const AUTOMATIC_TTL = 1;
/** A comment's length on a free plan. */
const MAX_COMMENT = 100;

/** Maps a plan's records to resource arguments. */
export const cloudflareRecords: Publisher<CloudflareOptions, CloudflareRecords> = (plan, options) => {
  const { zones, unplaced } = placeRecords(plan.records, Object.keys(options.zoneIds));
  const ids = new Map(
    Object.entries(options.zoneIds).map(([zone, id]) => [zone.toLowerCase().replace(/\.$/, ""), id]),
  );
  const comment = ownershipComment(options.project, options.stack);
  const records: CloudflareRecord[] = [];
  const others: PlannedRecord[] = [...unplaced];
  for (const { origin, records: placed } of zones)
    for (const planned of placed) {
      const value = recordValue(planned.record);
      if (value === undefined) others.push(planned);
      else
        records.push({
          key: recordResourceName(planned.record, options.slots ?? new Map()),
          args: {
            zoneId: ids.get(origin) ?? "",
            name: planned.record.name,
            ttl: cloudflareTtl(planned.record.ttl),
            proxied: false,
            comment,
            ...value,
          },
          options: { deleteBeforeReplace: true },
          planned,
        });
    }
  return { records, unplaced: others };
};

/** The record as a request to the API: what the plugin would send for it. */
export function requestBody({ zoneId: _, data, ...rest }: CloudflareRecordArgs): Record<string, unknown> {
  if (data === undefined) return { ...rest };
  const { matchingType, ...plain } = data;
  return { ...rest, data: matchingType === undefined ? plain : { ...plain, matching_type: matchingType } };
}

/** The comment that marks a record as this stack's own. */
export function ownershipComment(project: string, stack: string): string {
  const comment = `mailkeep:${project}/${stack}`;
  if (comment.length <= MAX_COMMENT) return comment;
  const digest = createHash("sha256").update(comment).digest("hex").slice(0, 12);
  return `${comment.slice(0, MAX_COMMENT - digest.length - 1)}~${digest}`;
}

/** The ttl Cloudflare accepts that is nearest to the wanted one. */
export function cloudflareTtl(ttl: number): number {
  return ttl === AUTOMATIC_TTL ? AUTOMATIC_TTL : Math.min(MAX_TTL, Math.max(MIN_TTL, ttl));
}

/** Names a record among its set by what does not change when its value is corrected. */
function recordResourceName(record: DnsRecord, slots: ReadonlyMap<string, string>): string {
  return [record.name, record.type, ...discriminator(record, slots)].join("/");
}

function discriminator(record: DnsRecord, slots: ReadonlyMap<string, string>): string[] {
  switch (record.type) {
    case "A":
    case "AAAA":
      return [slots.get(record.address) ?? record.address];
    case "MX":
      return [record.exchange];
    case "CAA":
      return [record.tag, record.value.split(";")[0]!.trim()];
    case "TLSA":
      return [record.certificate.slice(0, 16)];
    case "TXT":
      return [textKind(record.strings)];
    default:
      return [];
  }
}

/** What a TXT record is for: its version tag ("v=spf1"), or its first word. */
export function textKind(strings: readonly string[]): string {
  return strings.join("").trim().split(/[; ]/)[0]!;
}

type Value = Pick<CloudflareRecordArgs, "type" | "content" | "priority" | "data">;

function recordValue(record: DnsRecord): Value | undefined {
  switch (record.type) {
    case "A":
    case "AAAA":
      return { type: record.type, content: record.address };
    case "CNAME":
      return { type: "CNAME", content: record.target };
    case "MX":
      return { type: "MX", content: record.exchange, priority: record.preference };
    case "TXT":
      return { type: "TXT", content: record.strings.map(quoted).join(" ") };
    case "SRV": {
      const { priority, weight, port, target } = record;
      return { type: "SRV", priority, data: { priority, weight, port, target } };
    }
    case "CAA":
      return { type: "CAA", data: { flags: record.flags, tag: record.tag, value: record.value } };
    case "TLSA": {
      const { usage, selector, matchingType, certificate } = record;
      return { type: "TLSA", data: { usage, selector, matchingType, certificate } };
    }
    default:
      return undefined;
  }
}
