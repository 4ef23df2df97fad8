/**
 * A stack's records in a zone of a name server that takes dynamic updates (RFC 2136).
 *
 * Its promise: the zone is read before it is changed, what others put there stays, a record of others that ours would
 * contradict stops everything, and the change is made only if nothing moved in between (the sets as they were read are the
 * update's prerequisites). What the stack put there before is known from its state; a record that is as declared counts as
 * the stack's, so a run that was interrupted after its update is simply finished by the next.
 */
import { ask, type ServerAddress } from "./exchange.ts";
import { setName } from "./record-sets.ts";
import { type DnsRecord, isWithin, type RecordType, rdataText, recordKey } from "./records.ts";
import type { TsigKey } from "./tsig.ts";
import { type RecordSet, type UpdateFailure, updateZone } from "./update.ts";
import { RCODES } from "./wire.ts";

export interface DynamicZone {
  readonly server: ServerAddress;
  readonly zone: string;
  readonly key?: TsigKey;
  readonly signal: AbortSignal;
}

export interface ZoneChange {
  readonly wanted: readonly DnsRecord[];
  /** What this stack put there before. */
  readonly previous: readonly DnsRecord[];
  /** Record sets ("example.org MX") of others that become the stack's whole. */
  readonly adopt: readonly string[];
}

/** `conflict`: records of others contradict the wanted ones. The rest is told by the server or the way to it. */
export type DynamicZoneFailure = UpdateFailure | "conflict";

export class DynamicZoneError extends Error {
  override name = "DynamicZoneError";
  readonly code: DynamicZoneFailure;
  constructor(code: DynamicZoneFailure, message: string) {
    super(message);
    this.code = code;
  }
}

/** Others may change the zone at the same moment; so often it is read again. */
const MOST_ROUNDS = 4;
const QUERY_MS = 5_000;
const QUERIES_AT_ONCE = 8;

/** Makes the zone hold the wanted records. Gives how many were added or taken away. @throws {DynamicZoneError} */
export async function changeZone(zone: DynamicZone, change: ZoneChange): Promise<number> {
  for (let round = 1; ; round++) {
    const before = await readSets(zone, [...change.wanted, ...change.previous]);
    const { create, remove } = stepsFor(zone, change, before);
    if (create.length + remove.length === 0) return 0;
    const touched = new Set([...create, ...remove].map(setName));
    const result = await updateZone({
      server: zone.server,
      zone: zone.zone,
      create,
      remove,
      only: before.filter((set) => touched.has(setName(set))),
      ...(zone.key && { key: zone.key }),
    });
    if (!result.ok) {
      if (result.code === "changed" && round < MOST_ROUNDS) continue;
      throw new DynamicZoneError(result.code, result.message);
    }
    await confirm(zone, change.wanted);
    return create.length + remove.length;
  }
}

/** Takes the stack's records out; what others have stays. @throws {DynamicZoneError} */
export async function clearZone(zone: DynamicZone, previous: readonly DnsRecord[]): Promise<number> {
  return changeZone(zone, { wanted: [], previous, adopt: [] });
}

/**
 * What stands there of these records. Where one of them is missing and another that contradicts it stands in its set, somebody
 * has edited it: the edit is told. Strangers beside records that are all there are nobody's edit. @throws {DynamicZoneError}
 */
export async function readZone(zone: DynamicZone, known: readonly DnsRecord[]): Promise<DnsRecord[]> {
  const sets = await readSets(zone, known);
  return sets.flatMap((set) => {
    const ours = known.filter((record) => setName(record) === setName(set));
    const standing = new Map(set.records.map((record) => [recordKey(record), record]));
    const strangers = set.records.filter(
      (record) => !ours.some((one) => recordKey(one) === recordKey(record)),
    );
    const edited = ours.some((one) => !standing.has(recordKey(one)));
    const kept = ours.flatMap((one) => {
      const record = standing.get(recordKey(one));
      if (record === undefined) return [];
      // Beside others' records the ttl is theirs (RFC 2181 §5.2).
      return [strangers.length > 0 ? one : record];
    });
    const edits = edited ? strangers.filter((record) => ours.some((one) => contradicts(one, record))) : [];
    return [...kept, ...edits];
  });
}

function stepsFor(
  { zone }: DynamicZone,
  { wanted, previous, adopt }: ZoneChange,
  before: readonly StandingSet[],
) {
  const wantedKeys = new Set(wanted.map(recordKey));
  const previousKeys = new Set(previous.map(recordKey));
  const conflicts: string[] = [];
  const remove: DnsRecord[] = [];
  const create: DnsRecord[] = [];
  for (const set of before) {
    const ours = wanted.filter((record) => setName(record) === setName(set));
    if (set.alias !== undefined && ours.length > 0) conflicts.push(conflict(set.alias, ours));
    const foreign = set.records.filter(
      (record) => !wantedKeys.has(recordKey(record)) && !previousKeys.has(recordKey(record)),
    );
    const against = foreign.filter((record) => ours.some((one) => contradicts(one, record)));
    const taken = adopt.includes(setName(set));
    if (!taken) conflicts.push(...against.map((record) => conflict(record, ours)));
    const stays = foreign.filter((record) => !(taken && against.includes(record)));
    const ttl = stays[0]?.ttl;
    const stale = set.records.filter(
      (record) =>
        !stays.includes(record) &&
        (!wantedKeys.has(recordKey(record)) ||
          // The ttl of a set is one for all its records (RFC 2181 §5.2): beside others' records it is theirs.
          (ttl === undefined &&
            ours.some((one) => recordKey(one) === recordKey(record) && one.ttl !== record.ttl))),
    );
    remove.push(...stale);
    const kept = new Set(set.records.filter((record) => !stale.includes(record)).map(recordKey));
    create.push(
      ...ours
        .filter((one) => !kept.has(recordKey(one)))
        .map((one) => (ttl === undefined ? one : { ...one, ttl })),
    );
  }
  if (conflicts.length > 0)
    throw new DynamicZoneError(
      "conflict",
      `The zone ${zone} has records that are not this stack's and contradict what it would publish. Nothing was changed.\n` +
        conflicts.map((line) => `- ${line}`).join("\n"),
    );
  return { create, remove };
}

/** Whether two different records of one name and type cannot stand beside each other. */
function contradicts(ours: DnsRecord, other: DnsRecord): boolean {
  if (ours.type !== other.type) return ours.type === "CNAME" || other.type === "CNAME";
  if (ours.type === "CAA") return false;
  if (ours.type !== "TXT" || other.type !== "TXT") return true;
  // A key's record needs no version tag (RFC 6376 §3.6.1): whatever stands at its selector is read as the key.
  const kind = kindOf(ours.strings);
  return kind === "v=dkim1" || kind === kindOf(other.strings);
}

function kindOf(strings: readonly string[]): string {
  return (strings.join("").trim().split(/[; ]/)[0] ?? "").toLowerCase();
}

function conflict(record: DnsRecord, ours: readonly DnsRecord[]): string {
  const shown = `${record.name} ${record.type} ${rdataText(record)}`;
  const wanted = ours.map((one) => rdataText(one)).join(" and ");
  if (record.type === "CNAME" && !ours.some(({ type }) => type === "CNAME"))
    return `${shown}: an alias cannot stand beside other records (RFC 1034 §3.6.2), and ${ours[0]?.type} is needed there. Rename or remove it.`;
  const merge = kindOf(record.type === "TXT" ? record.strings : []) === "v=spf1" ? spfMerge(record) : "";
  return `${shown}: the stack would publish ${wanted}.${merge} To replace it, put ${JSON.stringify(setName(record))} into dns.adopt; otherwise remove it.`;
}

function spfMerge(record: DnsRecord): string {
  if (record.type !== "TXT") return "";
  return ` A domain has one SPF record (RFC 7208 §3.2): to keep its senders, set spf.existing of the domain to ${JSON.stringify(record.strings.join(""))}.`;
}

interface StandingSet extends RecordSet {
  /** The alias that stands at the name in their place. */
  readonly alias?: DnsRecord;
}

/** The sets of these records as the server has them, each once. */
async function readSets(zone: DynamicZone, records: readonly DnsRecord[]): Promise<StandingSet[]> {
  const outside = records.find(({ name }) => !isWithin(name, zone.zone));
  if (outside !== undefined)
    throw new DynamicZoneError("not-zone", `${outside.name} is not within the zone ${zone.zone}`);
  const wanted = [...new Map(records.map((record) => [setName(record), record])).values()];
  const sets = new Map<string, StandingSet>();
  const waiting = [...wanted];
  const work = async () => {
    for (let record = waiting.shift(); record !== undefined; record = waiting.shift()) {
      const { name, type } = record;
      const found = await querySet(zone, name, type);
      const alias = type === "CNAME" ? undefined : found.find((one) => one.type === "CNAME");
      const of = found.filter((one) => one.type === type);
      sets.set(setName(record), { name, type, records: of, ...(alias && { alias }) });
    }
  };
  await Promise.all(Array.from({ length: QUERIES_AT_ONCE }, work));
  return wanted.map((record) => sets.get(setName(record))!);
}

async function querySet(
  { server, zone, signal }: DynamicZone,
  name: string,
  type: RecordType,
): Promise<readonly DnsRecord[]> {
  const where = `${server.address}:${server.port}`;
  let failure = "";
  for (let attempt = 0; attempt < 2; attempt++) {
    const answer = await ask({ server, name, type, timeoutMs: QUERY_MS, signal });
    if ("failure" in answer) {
      failure = answer.failure;
      continue;
    }
    const { rcode, authoritative, answers } = answer.message;
    if (rcode !== RCODES.NOERROR && rcode !== RCODES.NXDOMAIN)
      throw new DynamicZoneError(
        rcode === RCODES.REFUSED ? "refused" : "server",
        `${where} does not answer questions about ${name} (response code ${rcode}): it must let this host ask for the zone ${zone}`,
      );
    if (!authoritative)
      throw new DynamicZoneError(
        "not-zone",
        `${where} is not authoritative for ${name}: is ${zone} one of its zones?`,
      );
    return answers.filter(
      (record) => record.name === name && (record.type === type || record.type === "CNAME"),
    );
  }
  throw new DynamicZoneError("unreachable", `${where}: ${failure}`);
}

/** A server may ignore a change without a word (§3.4.2.2): what was asked for has to be there. */
async function confirm(zone: DynamicZone, wanted: readonly DnsRecord[]): Promise<void> {
  const after = new Set((await readSets(zone, wanted)).flatMap(({ records }) => records.map(recordKey)));
  const missing = wanted.find((record) => !after.has(recordKey(record)));
  if (missing === undefined) return;
  const { address, port } = zone.server;
  throw new DynamicZoneError(
    "server",
    `${address}:${port} took the update of ${zone.zone} and does not answer with ${missing.name} ${missing.type} ${rdataText(missing)}`,
  );
}
