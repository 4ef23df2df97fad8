/**
 * One resource record: its type, what its data must be, and how it is written (RFC 1035 §3.3 and the RFCs named at each
 * type). Names are canonical (see names.ts); every record is of class IN and plain JSON.
 */
import { ipAddress } from "./addresses.ts";
import { isByteString, MAX_CHARACTER_STRING, quoted } from "./character-strings.ts";
import { compareNames, domainName } from "./names.ts";

interface Owned {
  /** The owner name, canonical. */
  readonly name: string;
  /** Time to live in seconds, 0 to 2^31 - 1 (RFC 2181 §8). */
  readonly ttl: number;
}

/** An IPv4 address (RFC 1035 §3.4.1). */
export interface ARecord extends Owned {
  readonly type: "A";
  readonly address: string;
}
/** An IPv6 address (RFC 3596), written as RFC 5952 says. */
export interface AaaaRecord extends Owned {
  readonly type: "AAAA";
  readonly address: string;
}
/** A mail exchanger (RFC 5321 §5.1). Exchange "." with preference 0 is the null MX of RFC 7505. */
export interface MxRecord extends Owned {
  readonly type: "MX";
  readonly preference: number;
  readonly exchange: string;
}
/** Character-strings as byte strings of at most 255 octets (see character-strings.ts). */
export interface TxtRecord extends Owned {
  readonly type: "TXT";
  readonly strings: readonly string[];
}
export interface CnameRecord extends Owned {
  readonly type: "CNAME";
  readonly target: string;
}
export interface NsRecord extends Owned {
  readonly type: "NS";
  readonly target: string;
}
export interface PtrRecord extends Owned {
  readonly type: "PTR";
  readonly target: string;
}
/** A service's place (RFC 2782). Target "." says that the service is decidedly not offered. */
export interface SrvRecord extends Owned {
  readonly type: "SRV";
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}
/** Who may issue certificates (RFC 8659). `flags` is 0, or 128 for critical. */
export interface CaaRecord extends Owned {
  readonly type: "CAA";
  readonly flags: number;
  readonly tag: string;
  readonly value: string;
}
/** A TLS key or certificate (RFC 6698); `certificate` is its data in lower-case hex. */
export interface TlsaRecord extends Owned {
  readonly type: "TLSA";
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly certificate: string;
}
/** The start of a zone. `rname` is the responsible mailbox as a name: "hostmaster.example.com". */
export interface SoaRecord extends Owned {
  readonly type: "SOA";
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** Seconds a negative answer may be kept (RFC 2308 §4). */
  readonly minimum: number;
}

export type DnsRecord =
  | ARecord
  | AaaaRecord
  | MxRecord
  | TxtRecord
  | CnameRecord
  | NsRecord
  | PtrRecord
  | SrvRecord
  | CaaRecord
  | TlsaRecord
  | SoaRecord;

export type RecordType = DnsRecord["type"];

/** The record of one type: `RecordOf<"MX">` is MxRecord. */
export type RecordOf<T extends RecordType> = Extract<DnsRecord, { type: T }>;

/** A record whose data breaks a rule of its type; the message names the record and the rule. */
export class InvalidRecord extends RangeError {
  override name = "InvalidRecord";
}

/** What a record type needs: its data checked and canonical, and its data as master-file text (RFC 1035 §5.1). */
interface TypeRule<R extends DnsRecord> {
  readonly check: (record: R) => R;
  readonly text: (record: R) => string;
}

const targetRule = <R extends CnameRecord | NsRecord | PtrRecord>(): TypeRule<R> => ({
  check: (record) => ({ ...record, target: domainName(record.target) }),
  text: (record) => absolute(record.target),
});

const RULES: { readonly [T in RecordType]: TypeRule<RecordOf<T>> } = {
  A: {
    check: (record) => ({ ...record, address: addressOf(record.address, 4) }),
    text: (record) => record.address,
  },
  AAAA: {
    check: (record) => ({ ...record, address: addressOf(record.address, 6) }),
    text: (record) => record.address,
  },
  MX: {
    check: (record) => ({
      ...record,
      preference: uint(record.preference, 16, "preference"),
      exchange: domainName(record.exchange),
    }),
    text: (record) => `${record.preference} ${absolute(record.exchange)}`,
  },
  TXT: {
    check: (record) => ({ ...record, strings: txtStrings(record.strings) }),
    text: (record) => record.strings.map(quoted).join(" "),
  },
  CNAME: targetRule<CnameRecord>(),
  NS: targetRule<NsRecord>(),
  PTR: targetRule<PtrRecord>(),
  SRV: {
    check: (record) => ({
      ...record,
      priority: uint(record.priority, 16, "priority"),
      weight: uint(record.weight, 16, "weight"),
      port: uint(record.port, 16, "port"),
      target: domainName(record.target),
    }),
    text: (record) => `${record.priority} ${record.weight} ${record.port} ${absolute(record.target)}`,
  },
  CAA: {
    check: (record) => ({
      ...record,
      flags: uint(record.flags, 8, "flags"),
      tag: matching(record.tag.toLowerCase(), /^[a-z0-9]{1,15}$/, "CAA tag"),
      value: matching(record.value, /^[ -~]{0,1024}$/, "CAA value"),
    }),
    text: (record) => `${record.flags} ${record.tag} ${quoted(record.value)}`,
  },
  TLSA: {
    check: (record) => ({
      ...record,
      usage: uint(record.usage, 8, "usage"),
      selector: uint(record.selector, 8, "selector"),
      matchingType: uint(record.matchingType, 8, "matching type"),
      certificate: matching(record.certificate.toLowerCase(), /^(?:[0-9a-f]{2})+$/, "TLSA data (hex)"),
    }),
    text: (record) => `${record.usage} ${record.selector} ${record.matchingType} ${record.certificate}`,
  },
  SOA: {
    check: (record) => ({
      ...record,
      mname: domainName(record.mname),
      rname: domainName(record.rname),
      serial: uint(record.serial, 32, "serial"),
      refresh: uint(record.refresh, 31, "refresh"),
      retry: uint(record.retry, 31, "retry"),
      expire: uint(record.expire, 31, "expire"),
      minimum: uint(record.minimum, 31, "minimum"),
    }),
    text: ({ mname, rname, serial, refresh, retry, expire, minimum }) =>
      [absolute(mname), absolute(rname), serial, refresh, retry, expire, minimum].join(" "),
  },
};

/** Every record type this project knows, in the order a zone file lists them below one name. */
export const RECORD_TYPES: readonly RecordType[] = [
  "SOA",
  "NS",
  "CNAME",
  "A",
  "AAAA",
  "MX",
  "TXT",
  "SRV",
  "CAA",
  "TLSA",
  "PTR",
];

/** Whether a word is one of the record types. */
export function isRecordType(word: string): word is RecordType {
  return Object.hasOwn(RULES, word);
}

/**
 * The record with canonical names, addresses and data.
 *
 * @throws {InvalidRecord} naming the record and the rule it breaks
 */
export function dnsRecord<R extends DnsRecord>(record: R): R {
  const rule = RULES[record.type] as unknown as TypeRule<R>;
  try {
    return { ...rule.check(record), name: domainName(record.name), ttl: uint(record.ttl, 31, "ttl") };
  } catch (error) {
    if (error instanceof RangeError)
      throw new InvalidRecord(`${record.type} record of ${record.name}: ${error.message}`);
    throw error;
  }
}

/** A record's data as a master file writes it (RFC 1035 §5.1): names absolute, TXT quoted. */
export function rdataText(record: DnsRecord): string {
  const rule = RULES[record.type] as unknown as TypeRule<DnsRecord>;
  return rule.text(record);
}

/** One line of a master file, every field absolute: `example.com. 300 IN MX 10 mail.example.com.` */
export function recordText(record: DnsRecord): string {
  return `${absolute(record.name)} ${record.ttl} IN ${record.type} ${rdataText(record)}`;
}

/**
 * What makes a record itself, without its ttl: owner, type and data. TXT is compared joined, since how it is cut has no
 * meaning to any reader (RFC 7208 §3.3).
 */
export function recordKey(record: DnsRecord): string {
  const data = record.type === "TXT" ? quoted(record.strings.join("")) : rdataText(record);
  return `${record.name} ${record.type} ${data}`;
}

/** Whether two canonical records say the same; the ttl may differ. */
export function sameRecord(left: DnsRecord, right: DnsRecord): boolean {
  return recordKey(left) === recordKey(right);
}

/** Records in zone order: names as RFC 4034 §6.1, then type, then data. The input is left as it is. */
export function sortRecords(records: readonly DnsRecord[]): DnsRecord[] {
  return [...records].sort(
    (a, b) =>
      compareNames(a.name, b.name) ||
      RECORD_TYPES.indexOf(a.type) - RECORD_TYPES.indexOf(b.type) ||
      compareText(rdataOrder(a), rdataOrder(b)),
  );
}

/** Records without repetition; of two that say the same, the first stays. */
export function uniqueRecords<R extends DnsRecord>(records: readonly R[]): R[] {
  const byKey = new Map<string, R>();
  for (const record of records) {
    const key = recordKey(record);
    if (!byKey.has(key)) byKey.set(key, record);
  }
  return [...byKey.values()];
}

/** What has to happen so that `current` says what `wanted` says. */
export interface RecordChanges {
  readonly create: readonly DnsRecord[];
  readonly remove: readonly DnsRecord[];
  readonly keep: readonly DnsRecord[];
}

/** Compares two record sets; a record whose ttl alone differs is removed and created. */
export function recordChanges(current: readonly DnsRecord[], wanted: readonly DnsRecord[]): RecordChanges {
  const withTtl = (record: DnsRecord) => `${recordKey(record)} ${record.ttl}`;
  const have = new Set(current.map(withTtl));
  const want = new Set(wanted.map(withTtl));
  return {
    create: wanted.filter((record) => !have.has(withTtl(record))),
    remove: current.filter((record) => !want.has(withTtl(record))),
    keep: wanted.filter((record) => have.has(withTtl(record))),
  };
}

/** A name as a master file writes it: with its final dot. */
export function absolute(name: string): string {
  return name === "." ? "." : `${name}.`;
}

function rdataOrder(record: DnsRecord): string {
  if (record.type === "MX") return `${record.preference.toString().padStart(5, "0")} ${record.exchange}`;
  return rdataText(record);
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function addressOf(text: string, family: 4 | 6): string {
  const address = ipAddress(text);
  if (address?.family !== family) throw new RangeError(`"${text}" is not an IPv${family} address`);
  return address.text;
}

function uint(value: number, bits: 8 | 16 | 31 | 32, field: string): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits)
    throw new RangeError(`${field} is ${value}; it must be a whole number from 0 to ${2 ** bits - 1}`);
  return value;
}

function matching(text: string, pattern: RegExp, field: string): string {
  if (!pattern.test(text))
    throw new RangeError(`${field} is ${JSON.stringify(text.slice(0, 60))}, which breaks its grammar`);
  return text;
}

function txtStrings(strings: readonly string[]): readonly string[] {
  if (strings.length === 0) throw new RangeError("a TXT record needs at least one character-string");
  const long = strings.find((string) => string.length > MAX_CHARACTER_STRING);
  if (long !== undefined)
    throw new RangeError(`a character-string has ${long.length} octets; at most 255 fit (RFC 1035 §3.3)`);
  if (!strings.every(isByteString))
    throw new RangeError("character-strings are octets; use characterStrings(text)");
  return strings;
}
