/**
 * One zone at Cloudflare, as resources of @pulumi/cloudflare: looked at before anything is planned, so that a token without
 * the right, a zone that is somebody else's and records that contradict ours stop the preview, not the `up`.
 *
 * Every record is a resource with a name that does not depend on what only the host can tell, and is declared at once. Two
 * wait for the answers of the look: TLSA, which exist in a signed zone alone and are named by their key (a rotation adds one
 * and takes one away; a change in place would pass through two equal records, which the API refuses), and what is adopted,
 * which needs the id it is imported by.
 */
import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import { rdataText } from "../../mailserver-runtime/dns/records.ts";
import { AdoptedRecord } from "./adopted-record.ts";
import { removeRecord } from "./cloudflare-api.ts";
import { missingRight } from "./cloudflare-rights.ts";
import {
  adoptions,
  conflictMessage,
  conflictsOf,
  equalsRecord,
  type StandingRecord,
  standingText,
  type WantedRecord,
} from "./conflicts.ts";
import { type CloudflareRecord, requestBody } from "./publishers/cloudflare.ts";

export interface CloudflareZoneArgs {
  readonly zone: string;
  /** The zone's id where it is declared; looked up by name when absent. */
  readonly zoneId: string | undefined;
  /** What is foreseen before any unknown is known. */
  readonly foreseen: readonly WantedRecord[];
  /** The records once everything is known. */
  readonly records: pulumi.Output<readonly CloudflareRecord[]>;
  /** The comment of this stack's records. */
  readonly comment: string;
  readonly adopt: readonly string[];
  readonly dnssec: "signed" | "unsigned" | undefined;
  readonly provider: cloudflare.Provider;
  readonly token: pulumi.Input<string> | undefined;
  readonly baseUrl: pulumi.Input<string> | undefined;
  readonly options: pulumi.CustomResourceOptions;
  /** What has to answer before it is published. */
  readonly dependsOn: readonly pulumi.Resource[];
  /** For resources of the mailkeep provider. */
  readonly onHost: pulumi.CustomResourceOptions;
}

/** What a look at a zone found; undefined in a preview in which nobody can be asked yet. */
interface Look {
  readonly zoneId: string;
  readonly standing: readonly StandingRecord[];
}

/** After how long without an answer a person is told. */
const SILENCE_MS = 30_000;
/** Records above this number are not looked at: far more than any zone may have. */
const MOST_RECORDS = 1_000_000;

/** Declares the zone's records, and gives those that are known at once. */
export function cloudflareZone(name: string, args: CloudflareZoneArgs): pulumi.Resource[] {
  const look = tellWhileWaiting(lookAt(args), args.zone);
  const zoneId = pulumi.output(look).apply((found) => found?.zoneId ?? notYet());
  const options = {
    ...args.options,
    dependsOn: [...args.dependsOn],
    provider: args.provider,
    deleteBeforeReplace: true,
    ...leftByInterruption(name, args, look),
  };
  const declare = (record: WantedRecord, records = args.records) =>
    new cloudflare.DnsRecord(`${name}-${record.key}`, inputsOf(record, records, zoneId), options);

  const now = args.foreseen.filter(({ args: { type } }) => type !== "TLSA");
  const declared = args.adopt.length === 0 ? now.map((record) => declare(record)) : [];
  if (args.adopt.length > 0)
    pulumi.output(look).apply((found) => {
      const { taken, unused } = adoptions(now, found?.standing ?? [], ownershipOf(args));
      if (found !== undefined) tellUnused(args.zone, unused);
      for (const record of now) {
        const standing = taken.get(record.key);
        if (found === undefined || standing === undefined) declare(record);
        else adopt(name, record, standing, found.zoneId, args);
      }
    });
  const signed = pulumi
    .output(look)
    .apply((found) => (found === undefined ? false : isSigned(found.zoneId, args)));
  pulumi.all([signed, args.records]).apply(([published, records]) => {
    if (!published) return;
    for (const record of records)
      if (record.args.type === "TLSA") declare({ ...record, known: true }, pulumi.output(records));
  });
  return declared;
}

/** Finds the zone, checks that the token may change it, and looks at what stands there. */
async function lookAt(args: CloudflareZoneArgs): Promise<Look | undefined> {
  const { zone, provider } = args;
  const { parent } = args.options;
  const asked = { provider, ...(parent && { parent }) };
  const found = await cloudflare
    .getZone(args.zoneId === undefined ? { filter: { name: zone } } : { zoneId: args.zoneId }, asked)
    .catch((error: unknown) => stop(missingRight("zone", zone, error)));
  // The provider is not configured yet: its token comes from a resource that this very preview would make.
  if (found.zoneId === undefined && found.id === undefined) return undefined;
  const zoneId = found.zoneId ?? found.id;
  if (found.name.toLowerCase() !== zone)
    stop(
      `dns.zones: the id ${zoneId} is the zone ${found.name} at Cloudflare, not ${zone}. Correct the id or leave it out.`,
    );
  const rights = found.permissions ?? [];
  if (rights.length > 0 && !rights.includes("#dns_records:edit"))
    stop(missingRight("edit", zone, `the API names these rights alone: ${rights.join(", ")}`));
  if (found.status !== undefined && found.status !== "active")
    pulumi.log.warn(
      `The zone ${zone} is "${found.status}" at Cloudflare: nobody is sent there before its registrar names ${(found.nameServers ?? []).join(" and ")} as its name servers.`,
    );
  const { results } = await cloudflare
    .getDnsRecords({ zoneId, maxItems: MOST_RECORDS }, asked)
    .catch((error: unknown) => stop(missingRight("read", zone, error)));
  const standing = (results ?? []) as unknown as readonly StandingRecord[];
  const conflicts = conflictsOf(args.foreseen, standing, ownershipOf(args));
  if (conflicts.length > 0) stop(conflictMessage(zone, conflicts));
  return { zoneId, standing };
}

const ownershipOf = ({ comment, adopt }: CloudflareZoneArgs) => ({ comment, adopt });

/** Whether the zone is signed, so that TLSA records count. A question without an answer takes no record away. */
async function isSigned(zoneId: string, { zone, dnssec, provider, options }: CloudflareZoneArgs) {
  if (dnssec !== undefined) return dnssec === "signed";
  const found = await cloudflare
    .getZoneDnssec({ zoneId }, { provider, ...(options.parent && { parent: options.parent }) })
    .catch(() => undefined);
  const status = found?.status;
  if (status === "pending" && found?.ds)
    pulumi.log.warn(
      `The zone ${zone} is signed, and its registrar does not say so yet: enter there ${found.ds}. Until then its TLSA records count for nobody.`,
    );
  if (status !== "disabled" && status !== "pending-disabled" && status !== "error") return true;
  pulumi.log.info(
    `The zone ${zone} is not signed: TLSA records are left out, since without DNSSEC nobody may believe them (RFC 7672 §2.2). Switch DNSSEC on at Cloudflare and enter its DS record at the registrar.`,
  );
  return false;
}

function tellUnused(zone: string, ids: readonly string[]): void {
  for (const id of ids)
    pulumi.log.warn(
      `dns.adopt: ${id} is the id of no record in ${zone} that the stack wants to publish; take it out of the list.`,
    );
}

/** The plugin waits for the API's rate limit without a word; this says so. */
async function tellWhileWaiting<T>(answer: Promise<T>, zone: string): Promise<T> {
  const timer = setInterval(() => {
    pulumi.log.info(
      `Cloudflare has not answered about ${zone} yet: it is out of reach, or its rate limit (1,200 requests in five minutes) is used up and the plugin waits as long as it is told to.`,
    );
  }, SILENCE_MS);
  // A program that ends early, because something else failed, must not wait for this.
  timer.unref();
  try {
    return await answer;
  } finally {
    clearInterval(timer);
  }
}

/** A value that this preview cannot know. */
const notYet = (): string => pulumi.unknown as string;

/** Ends the program with a sentence for a person. */
function stop(sentence: string): never {
  const error = new pulumi.RunError(sentence);
  // Each record waits for the same answer, and the SDK writes the name of each one's property before this one message.
  Object.defineProperty(error, "message", { get: () => sentence, set: () => {} });
  throw error;
}

/**
 * Imports a standing record. An import takes a record as it is and refuses any difference, so our provider makes it what is
 * declared first; a preview, in which nothing is made, shows the import of what stands there.
 */
function adopt(
  name: string,
  record: WantedRecord,
  standing: StandingRecord,
  zoneId: string,
  args: CloudflareZoneArgs,
): void {
  const change = new AdoptedRecord(
    `${name}-${record.key}`,
    {
      zoneId,
      recordId: standing.id,
      record: args.records.apply((records) => requestBody(find(records, record.key).args)),
      ...(args.token !== undefined && { token: args.token }),
      ...(args.baseUrl !== undefined && { baseUrl: args.baseUrl }),
    },
    { ...args.onHost, ignoreChanges: ["record", "token", "baseUrl"] },
  );
  const stays = pulumi.runtime.isDryRun() && standing.comment !== record.args.comment;
  if (stays)
    pulumi.log.info(
      `${standing.name} ${standing.type} ${JSON.stringify(standingText(standing))} is adopted by its id ${standing.id}` +
        (record.known ? ` and becomes ${JSON.stringify(rdataText(record.planned.record))}.` : "."),
    );
  const inputs = stays ? standingInputs(standing, zoneId) : inputsOf(record, args.records, zoneId);
  new cloudflare.DnsRecord(`${name}-${record.key}`, inputs, {
    ...args.options,
    provider: args.provider,
    deleteBeforeReplace: true,
    import: `${zoneId}/${standing.id}`,
    dependsOn: [...args.dependsOn, change],
  });
}

/** What a resource is told: a value as it is where it is known, and otherwise what the plan will say. */
function inputsOf(
  { key, known, args }: WantedRecord,
  records: pulumi.Output<readonly CloudflareRecord[]>,
  zoneId: pulumi.Input<string>,
): cloudflare.DnsRecordArgs {
  const { content, data, ...fixed } = args;
  const later = records.apply((all) => find(all, key).args);
  return {
    ...fixed,
    zoneId,
    ...(content !== undefined && { content: known ? content : later.apply((found) => found.content ?? "") }),
    ...(data !== undefined && { data: known ? { ...data } : later.apply((found) => ({ ...found.data })) }),
  };
}

function standingInputs(standing: StandingRecord, zoneId: string): cloudflare.DnsRecordArgs {
  const { name, type, ttl, content, priority, proxied = false, comment, data } = standing;
  const values = Object.entries(data ?? {}).filter(([, value]) => value !== null && value !== undefined);
  return {
    zoneId,
    name,
    type,
    ttl,
    proxied,
    ...(comment && { comment }),
    ...(priority !== undefined && priority !== null && ["MX", "SRV"].includes(type) && { priority }),
    ...(["SRV", "CAA", "TLSA"].includes(type) ? { data: Object.fromEntries(values) } : { content }),
  };
}

function find(records: readonly CloudflareRecord[], key: string): CloudflareRecord {
  const found = records.find((record) => record.key === key);
  if (found === undefined)
    throw new pulumi.RunError(
      `The record ${key} was announced and is not wanted after all: two addresses of the host are the same, most likely.`,
    );
  return found;
}

/**
 * Before a record is made, and only then: one that is the same and carries our comment was left by a run that was
 * interrupted after the request and before the answer. The API refuses two equal records, so it makes room.
 */
function leftByInterruption(name: string, args: CloudflareZoneArgs, look: Promise<Look | undefined>) {
  const monitor = pulumi.runtime.getMonitor();
  // A program under test has no engine that could call back.
  if (monitor === undefined || !("registerResourceHook" in monitor)) return {};
  const access = pulumi.all([args.token ?? process.env.CLOUDFLARE_API_TOKEN ?? "", args.baseUrl]);
  const makeRoom = new pulumi.ResourceHook(`${name}-left-by-interruption`, async ({ newInputs }) => {
    const found = await look;
    const left = found?.standing.filter(
      (standing) => standing.comment === args.comment && equalsRecord(standing, newInputs as RecordInputs),
    );
    if (found === undefined || left === undefined || left.length === 0) return;
    const [token, baseUrl] = await new Promise<[string, string | undefined]>((resolve) => {
      access.apply(resolve);
    });
    for (const { id: recordId } of left)
      await removeRecord(
        { token, baseUrl, tell: (text) => void pulumi.log.info(text) },
        { zoneId: found.zoneId, recordId },
      );
  });
  return { hooks: { beforeCreate: [makeRoom] } };
}

type RecordInputs = Parameters<typeof equalsRecord>[1];
