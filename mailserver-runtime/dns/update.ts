/**
 * Dynamic updates (RFC 2136), signed by TSIG (RFC 8945): writes records into a zone on a name server of the operator.
 *
 * Only the named records are touched: each is added or deleted by its exact data, never by its name or set, so what
 * somebody else put beside them stays. One message holds all changes of a zone, and the server applies all or none. Sent
 * twice it has the same effect, so a lost answer may be met with a second try.
 */
import { randomInt } from "node:crypto";
import type { ServerAddress } from "./exchange.ts";
import { type DnsRecord, domainName, isWithin, type RecordType } from "./records.ts";
import { exchangeTcp } from "./tcp-exchange.ts";
import { sign, type TsigKey, type TsigVerdict, verify } from "./tsig.ts";
import { decodeHeader, rdataOctets } from "./wire.ts";
import { encodeName } from "./wire-name.ts";

export interface ZoneUpdate {
  readonly server: ServerAddress;
  readonly zone: string;
  /** Records that must be there afterwards; those that are there already stay. */
  readonly create: readonly DnsRecord[];
  /** Records that must not be there afterwards, compared by owner, type and data. */
  readonly remove: readonly DnsRecord[];
  /** Record sets as they have to be for the update to be made at all (§2.4.2, §2.4.3); without records the set must not exist. */
  readonly only?: readonly RecordSet[];
  /** Without a key the server must know the client by its address. */
  readonly key?: TsigKey;
  /** Milliseconds for the whole exchange; 10000 when absent. */
  readonly timeoutMs?: number;
}

/** All records of one name and type. */
export interface RecordSet {
  readonly name: string;
  readonly type: RecordType;
  readonly records: readonly DnsRecord[];
}

/**
 * - `refused`: the server's policy does not allow this client, key or record.
 * - `not-zone`: the server is not the primary of this zone, or a record is outside it.
 * - `key`: the server does not know the key, has another secret, or keeps it from this zone. `clock`: the clocks differ too much.
 * - `forged`: the answer is not signed by the key; whether the update was made is unknown.
 * - `changed`: a record set is not as `only` says; nothing was done.
 * - `unreachable`: no answer. `too-large`: the changes do not fit a message. `server`: any other response code.
 */
export type UpdateFailure =
  | "refused"
  | "not-zone"
  | "key"
  | "clock"
  | "forged"
  | "changed"
  | "unreachable"
  | "too-large"
  | "server";

export type UpdateResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: UpdateFailure; readonly message: string };

const OPCODE_UPDATE = 5;
const CLASS_IN = 1;
const CLASS_NONE = 254;
const TYPE_SOA = 6;
const MAX_MESSAGE = 65_535;
/** What a TSIG record adds at most: two names, the longest MAC, the fixed fields. */
const TSIG_ROOM = 700;
const DEFAULT_TIMEOUT_MS = 10_000;

const TYPE_NUMBERS: Readonly<Record<RecordType, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: TYPE_SOA,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  TLSA: 52,
  CAA: 257,
};

const RCODE_FAILURES: Readonly<Record<number, readonly [UpdateFailure, string]>> = {
  6: ["changed", "has a name that should not exist (YXDOMAIN)"],
  7: ["changed", "has a record set that should not exist (YXRRSET)"],
  8: ["changed", "has not the record set that should exist (NXRRSET)"],
  5: [
    "refused",
    "refuses the update: its policy does not allow this key or address to change these records, or (BIND) an MX or SRV record would name a host of the zone that has no address",
  ],
  9: ["not-zone", "is not the primary of the zone, or does not take the key for it (NOTAUTH)"],
  10: ["not-zone", "says that a record is outside the zone (NOTZONE)"],
};

const TSIG_FAILURES: Readonly<Record<Exclude<TsigVerdict, "good">, readonly [UpdateFailure, string]>> = {
  unsigned: ["forged", "answered without the key's signature"],
  "bad-signature": ["key", "and this side have different secrets for the key"],
  "bad-key": ["key", "does not know the key, or does not let it change the zone"],
  "bad-time": ["clock", "has a clock that differs by more than five minutes"],
};

/** Sends an update and waits for its outcome. Never rejects for what the server does. */
export async function updateZone(update: ZoneUpdate): Promise<UpdateResult> {
  const { server, key } = update;
  const zone = domainName(update.zone);
  const where = `${server.address}:${server.port}`;
  const outside = [...update.create, ...update.remove].find(({ name }) => !isWithin(name, zone));
  if (outside !== undefined) return failed("not-zone", `${outside.name} is not within the zone ${zone}`);
  const id = randomInt(65_536);
  const plain = updateMessage(id, zone, update);
  if (plain.length > MAX_MESSAGE - TSIG_ROOM)
    return failed(
      "too-large",
      `the update of ${zone} has ${plain.length} octets, and a DNS message at most ${MAX_MESSAGE}`,
    );
  const signed = key === undefined ? { octets: plain, mac: Buffer.alloc(0) } : sign(plain, key, nowSeconds());

  const exchanged = await exchangeTcp(server, signed.octets, update.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  if ("failure" in exchanged) return failed("unreachable", `${where}: ${exchanged.failure}`);
  const header = decodeHeader(exchanged.octets);
  if (header === undefined || !header.isResponse || header.id !== id || header.opcode !== OPCODE_UPDATE)
    return failed("forged", `${where} answered something else than this update of ${zone}`);
  const rcode = exchanged.octets.readUInt16BE(2) & 0xf;
  if (key !== undefined) {
    const verdict = verify(exchanged.octets, key, signed.mac, nowSeconds());
    // Servers that do not hold the zone refuse without a signature; a refusal may be told as what it says it is.
    if (verdict !== "good" && !(verdict === "unsigned" && rcode !== 0)) {
      const [code, text] = TSIG_FAILURES[verdict];
      return failed(code, `${where} ${text} (key ${key.name}, zone ${zone})`);
    }
  }
  if (rcode === 0) return { ok: true };
  const [code, text] =
    RCODE_FAILURES[rcode] ?? (["server", `answered the update with response code ${rcode}`] as const);
  return failed(code, `${where} ${text} (zone ${zone})`);
}

/** The message of RFC 2136 §2: the zone, prerequisites, deletions before additions. */
function updateMessage(id: number, zone: string, { create, remove, only = [] }: ZoneUpdate): Buffer {
  const prerequisites = only.flatMap(prerequisiteOctets);
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(OPCODE_UPDATE << 11, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(prerequisites.length, 6);
  header.writeUInt16BE(create.length + remove.length, 8);
  const zoneSection = Buffer.concat([encodeName(zone), fields(TYPE_SOA, CLASS_IN)]);
  return Buffer.concat([
    header,
    zoneSection,
    ...prerequisites,
    // "Delete an RR from an RRset" is class NONE with ttl 0 (§2.5.4).
    ...remove.map((record) => changeOctets({ ...record, ttl: 0 }, CLASS_NONE)),
    ...create.map((record) => changeOctets(record, CLASS_IN)),
  ]);
}

/** "RRset exists (value dependent)" has each record with ttl 0; "RRset does not exist" has none and class NONE. */
function prerequisiteOctets({ name, type, records }: RecordSet): Buffer[] {
  if (records.length > 0) return records.map((record) => changeOctets({ ...record, ttl: 0 }, CLASS_IN));
  return [Buffer.concat([encodeName(name), fields(TYPE_NUMBERS[type], CLASS_NONE), Buffer.alloc(6)])];
}

function changeOctets(record: DnsRecord, dnsClass: number): Buffer {
  const ttl = Buffer.alloc(4);
  ttl.writeUInt32BE(record.ttl);
  return Buffer.concat([
    encodeName(record.name),
    fields(TYPE_NUMBERS[record.type], dnsClass),
    ttl,
    rdataOctets(record),
  ]);
}

function fields(type: number, dnsClass: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt16BE(type, 0);
  octets.writeUInt16BE(dnsClass, 2);
  return octets;
}

function failed(code: UpdateFailure, message: string): UpdateResult {
  return { ok: false, code, message };
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
