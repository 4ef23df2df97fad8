/**
 * The stack's records as resources: each publication by its publisher, one row a kind. What is published is the same for all;
 * only where, and by which resource, differs.
 *
 * The host's own zones come before its server, which answers for them. Everywhere else the world reads what is published, so
 * it comes after the server that it promises.
 */
import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import { domainName } from "../../mailserver-runtime/dns/records.ts";
import { dkimSelectors } from "../../mailserver-runtime/settings/dkim-selectors.ts";
import { Zone } from "../mail-server/zone.ts";
import type { PlannedDomain, StackPlan } from "../stack-plan.ts";
import {
  type HostFacts,
  hostZones,
  publishedPart,
  type RecordOptions,
  recordSets,
  stackRecords,
} from "../stack-records.ts";
import { cloudflareZone } from "./cloudflare-zone.ts";
import type { WantedRecord } from "./conflicts.ts";
import type { CloudflareDnsArgs, DnsArgs, Rfc2136DnsArgs, ZoneFileDnsArgs } from "./dns-args.ts";
import { DnsCheck } from "./dns-check.ts";
import { DynamicZone } from "./dynamic-zone.ts";
import type { RecordPlan } from "./plan-types.ts";
import type { Publication } from "./publications.ts";
import { cloudflareRecords, ownershipComment } from "./publishers/cloudflare.ts";
import { addressSlots, placeholders, type UnknownFacts } from "./unknown-facts.ts";
import { ZoneFile } from "./zone-file.ts";
import { closest, placeRecords } from "./zones.ts";

/** What publishers are told of the stack. */
export interface PublishedStack {
  readonly name: string;
  readonly plan: StackPlan;
  readonly options: RecordOptions;
  /** What is not known before the host is asked. */
  readonly unknown: UnknownFacts;
  /** The same, known. */
  readonly facts: pulumi.Output<HostFacts>;
  readonly tokens: Readonly<Record<string, pulumi.Input<string>>>;
  /** Options of resources on the host. */
  readonly onHost: pulumi.CustomResourceOptions;
}

/** Every record of the stack, once the host's facts are known. */
export function recordsOf({ plan, facts, options }: PublishedStack): pulumi.Output<RecordPlan> {
  return facts.apply((known) => stackRecords(plan, known, options));
}

/** Declares what one publication needs. `after` has to answer first. */
export function publish(
  stack: PublishedStack,
  publication: Publication,
  after: readonly pulumi.Resource[],
): pulumi.Resource[] {
  const row = publishers[publication.dns.type] as Publish<DnsArgs>;
  return row(stack, publication as PublicationOf<DnsArgs>, after);
}

type PublicationOf<Args extends DnsArgs> = Publication & { readonly dns: Args };
type Publish<Args extends DnsArgs> = (
  stack: PublishedStack,
  publication: PublicationOf<Args>,
  after: readonly pulumi.Resource[],
) => pulumi.Resource[];

const publishers: { readonly [T in DnsArgs["type"]]: Publish<Extract<DnsArgs, { type: T }>> } = {
  host: onHostItself,
  local: onHostItself,
  cloudflare: atCloudflare,
  rfc2136: byDynamicUpdate,
  "zone-file": asZoneFiles,
  manual: byHand,
};

function onHostItself(
  stack: PublishedStack,
  publication: Publication,
  after: readonly pulumi.Resource[],
): pulumi.Resource[] {
  const { name, plan, onHost, unknown } = stack;
  const reverse = [...unknown.ipv4, ...unknown.ipv6].includes(undefined) ? "none" : "of-host-addresses";
  const zonesOf = (records: RecordPlan) => hostZones(records, publication, plan.hostname, reverse);
  const records = partOf(stack, publication);
  return Object.keys(zonesOf(foreseenPart(stack, publication, 1).part)).map(
    (origin) =>
      new Zone(
        `${name}-${origin}`,
        { origin, recordSets: records.apply((part) => zonesOf(part)[origin] ?? {}) },
        { ...onHost, dependsOn: [...after] },
      ),
  );
}

function atCloudflare(
  stack: PublishedStack,
  publication: PublicationOf<CloudflareDnsArgs>,
  after: readonly pulumi.Resource[],
): pulumi.Resource[] {
  const { dns, zones, where } = publication;
  const { name, onHost } = stack;
  const token = tokenOf(stack, dns);
  const label = where === "dns" ? "cloudflare" : `cloudflare-${zones[0]}`;
  const parent = onHost.parent === undefined ? {} : { parent: onHost.parent };
  const provider = new cloudflare.Provider(
    `${name}-${label}`,
    {
      ...(token !== undefined && { apiToken: token }),
      ...(dns.baseUrl !== undefined && { baseUrl: dns.baseUrl }),
    },
    parent,
  );
  const zoneIds = Object.fromEntries(zones.map((zone) => [zone, ""]));
  const comment = ownershipComment(pulumi.getProject(), pulumi.getStack());
  const mapped = (part: RecordPlan, facts: HostFacts) =>
    cloudflareRecords(part, {
      zoneIds,
      project: pulumi.getProject(),
      stack: pulumi.getStack(),
      slots: addressSlots(stack.unknown, facts),
    }).records;
  const [first, second] = ([1, 2] as const).map((assumption) => {
    const { part, facts } = foreseenPart(stack, publication, assumption);
    return mapped(part, facts);
  });
  const others = new Map(second?.map((record) => [record.key, JSON.stringify(record.args)]));
  const foreseen = (first ?? []).map(
    (record): WantedRecord => ({ ...record, known: others.get(record.key) === JSON.stringify(record.args) }),
  );
  const records = pulumi
    .all([partOf(stack, publication), stack.facts])
    .apply(([part, facts]) => mapped(part, facts));
  const within = (zone: string, all: readonly WantedRecord[]) => {
    const own = new Set(
      placeRecords(
        all.map(({ planned }) => planned),
        zones,
      ).zones.find(({ origin }) => origin === zone)?.records,
    );
    return all.filter(({ planned }) => own.has(planned));
  };
  return zones.flatMap((zone) =>
    cloudflareZone(name, {
      zone,
      zoneId: declaredId(dns, zone),
      foreseen: within(zone, foreseen),
      records: records.apply((all) =>
        within(
          zone,
          all.map((record) => ({ ...record, known: true })),
        ),
      ),
      comment,
      adopt: dns.adopt ?? [],
      dnssec: dns.dnssec,
      provider,
      token,
      baseUrl: dns.baseUrl,
      options: parent,
      dependsOn: after,
      onHost,
    }),
  );
}

function declaredId({ zones = [] }: CloudflareDnsArgs, zone: string): string | undefined {
  const declared = zones.find((each) => typeof each === "object" && domainName(each.name) === zone);
  return typeof declared === "object" ? declared.id : undefined;
}

/** The API token as declared; undefined leaves it to the plugin's environment. What cannot be a token goes nowhere. */
function tokenOf({ tokens }: PublishedStack, { tokenName = "cloudflare" }: CloudflareDnsArgs) {
  const declared = tokens[tokenName];
  if (declared === undefined) return undefined;
  return pulumi.secret(declared).apply((text) => {
    if (/^[0-9A-Za-z_-]{40,80}$/.test(text)) return text;
    throw new pulumi.RunError(
      `tokens[${JSON.stringify(tokenName)}] is no API token of Cloudflare: those are 40 to 80 letters, digits, _ and -. Make one at dash.cloudflare.com/profile/api-tokens (the global API key is none).`,
    );
  });
}

function byDynamicUpdate(
  stack: PublishedStack,
  publication: PublicationOf<Rfc2136DnsArgs>,
  after: readonly pulumi.Resource[],
): pulumi.Resource[] {
  const { dns, zones } = publication;
  const secret = dns.key === undefined ? undefined : stack.tokens[dns.key.name];
  const sets = setsByZone(stack, publication);
  return zones.map(
    (zone) =>
      new DynamicZone(
        `${stack.name}-${zone}`,
        {
          zone,
          server: dns.server,
          port: dns.port ?? 53,
          ...(dns.key && {
            keyName: dns.key.name,
            keyAlgorithm: dns.key.algorithm ?? "hmac-sha256",
            ...(secret !== undefined && { keySecret: pulumi.secret(secret) }),
          }),
          recordSets: sets(zone),
          adopt: (dns.adopt ?? []).filter(
            (set) => closest(ownerOf(set), (above) => zones.includes(above)) === zone,
          ),
        },
        { ...stack.onHost, dependsOn: [...after] },
      ),
  );
}

function asZoneFiles(
  stack: PublishedStack,
  publication: PublicationOf<ZoneFileDnsArgs>,
  after: readonly pulumi.Resource[],
): pulumi.Resource[] {
  const { dns, zones } = publication;
  const sets = setsByZone(stack, publication);
  return zones.map(
    (zone) =>
      new ZoneFile(
        `${stack.name}-${zone}`,
        {
          zone,
          directory: dns.directory,
          form: dns.form ?? "zone",
          nameServers: [...(dns.nameServers ?? [])],
          ttl: dns.ttl ?? 3600,
          recordSets: sets(zone),
        },
        { ...stack.onHost, dependsOn: [...after] },
      ),
  );
}

function byHand(
  stack: PublishedStack,
  publication: PublicationOf<Extract<DnsArgs, { type: "manual" }>>,
  after: readonly pulumi.Resource[],
): pulumi.Resource[] {
  const { waitSeconds = 0 } = publication.dns;
  if (waitSeconds === 0) return [];
  const sets = setsByZone(stack, publication);
  return publication.zones.map(
    (zone) =>
      new DnsCheck(
        `${stack.name}-${zone}-entered`,
        { name: zone, recordSets: sets(zone), waitSeconds },
        {
          ...stack.onHost,
          dependsOn: [...after],
          customTimeouts: { create: `${waitSeconds + 60}s`, update: `${waitSeconds + 60}s` },
        },
      ),
  );
}

/** The part of the stack's records that a publication writes. */
function partOf(stack: PublishedStack, publication: Publication): pulumi.Output<RecordPlan> {
  return recordsOf(stack).apply((records) => publishedPart(records, publication, stack.plan.publications));
}

function foreseenPart(stack: PublishedStack, publication: Publication, assumption: 1 | 2) {
  const facts = placeholders(stack.unknown, assumption);
  const records = stackRecords(stack.plan, facts, stack.options);
  return { facts, part: publishedPart(records, publication, stack.plan.publications) };
}

/** The owner of a record set named as in "example.org MX". */
const ownerOf = (set: string) => set.split(" ")[0] ?? "";

function setsByZone(stack: PublishedStack, publication: Publication) {
  const zones = partOf(stack, publication).apply(({ records }) =>
    Object.fromEntries(
      placeRecords(records, publication.zones).zones.map(({ origin, records: placed }) => [
        origin,
        recordSets(placed.map(({ record }) => record)),
      ]),
    ),
  );
  return (zone: string) => zones.apply((sets) => sets[zone] ?? {});
}

/** What of a stack's domains has keys that its host makes. */
export function keysToCome(domains: readonly PlannedDomain[]): UnknownFacts["keys"] {
  return domains.flatMap(({ name, keys }) =>
    dkimSelectors(keys.algorithms, keys.first).flatMap(({ algorithm, current, next, spare }) =>
      [current, next, spare].map((selector) => ({ domain: name, selector, algorithm })),
    ),
  );
}
