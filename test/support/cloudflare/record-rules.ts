/** What Cloudflare's API takes for a record and what it refuses, and the record as it is resolved. Pure. */
import { type DnsRecord, dnsRecord, ipAddress, isWithin } from "../../../mailserver-runtime/dns/records.ts";
import type { ApiRecord } from "./emulator.ts";

export interface Refusal {
  readonly code: number;
  readonly message: string;
}

const MAX_TXT = 2048;
const MAX_COMMENT = 100;
const AUTOMATIC_SECONDS = 300;
const DATA_TYPES = ["SRV", "CAA", "TLSA"];

/** The first rule that is broken. Codes are those of the API. */
export function refusalOf(
  record: ApiRecord,
  zone: string,
  others: readonly ApiRecord[],
): Refusal | undefined {
  const { name, type, content, ttl, proxied, comment, priority, data } = record;
  const beside = others.filter((other) => other.name === name);
  const rules: readonly (readonly [boolean, number, string])[] = [
    [!isWithin(name, zone), 9003, `DNS name is invalid: ${name} is not in ${zone}.`],
    [
      ttl !== 1 && (ttl < 60 || ttl > 86_400),
      9021,
      "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.",
    ],
    [proxied && ttl !== 1, 9006, "TTL must be 1 (automatic) for proxied records."],
    [proxied && !["A", "AAAA", "CNAME"].includes(type), 9004, "This record type cannot be proxied."],
    [(comment?.length ?? 0) > MAX_COMMENT, 9212, "DNS record comment is too long."],
    [
      type === "A" && ipAddress(content)?.family !== 4,
      9005,
      "Content for A record must be a valid IPv4 address.",
    ],
    [
      type === "AAAA" && ipAddress(content)?.family !== 6,
      9006,
      "Content for AAAA record must be a valid IPv6 address.",
    ],
    [type === "MX" && priority === undefined, 9101, "priority is a required field."],
    [type === "TXT" && content.length > MAX_TXT, 9007, "Content for TXT record is too long."],
    [type === "TXT" && content === "", 9000, "DNS record content is required."],
    [DATA_TYPES.includes(type) && data === undefined, 9101, `data is a required field for ${type} records.`],
    [
      type === "CNAME" ? beside.length > 0 : beside.some((other) => other.type === "CNAME"),
      type === "CNAME" ? 81053 : 81054,
      "An A, AAAA, or CNAME record with that host already exists.",
    ],
    [
      beside.some((other) => other.type === type && other.content === content && other.priority === priority),
      81058,
      "An identical record already exists.",
    ],
  ];
  const broken = rules.find(([breaks]) => breaks);
  if (broken !== undefined) return { code: broken[1], message: broken[2] };
  try {
    recordOf(record);
    return undefined;
  } catch (error) {
    return { code: 1004, message: `DNS Validation Error: ${(error as Error).message}` };
  }
}

/** The record as a name server answers it. @throws for what is no record of its type */
export function recordOf({ name, type, content, ttl, priority = 0, data = {} }: ApiRecord): DnsRecord {
  const owned = { name, ttl: ttl === 1 ? AUTOMATIC_SECONDS : ttl };
  switch (type) {
    case "A":
    case "AAAA":
      return dnsRecord({ ...owned, type, address: content });
    case "CNAME":
      return dnsRecord({ ...owned, type, target: content });
    case "MX":
      return dnsRecord({ ...owned, type, preference: priority, exchange: content });
    case "TXT":
      return dnsRecord({ ...owned, type, strings: textStrings(content) });
    case "SRV":
      return dnsRecord({
        ...owned,
        type,
        priority: Number(data.priority ?? priority),
        weight: Number(data.weight),
        port: Number(data.port),
        target: String(data.target),
      });
    case "CAA":
      return dnsRecord({
        ...owned,
        type,
        flags: Number(data.flags),
        tag: String(data.tag),
        value: String(data.value),
      });
    case "TLSA":
      return dnsRecord({
        ...owned,
        type,
        usage: Number(data.usage),
        selector: Number(data.selector),
        matchingType: Number(data.matching_type),
        certificate: String(data.certificate),
      });
    default:
      throw new RangeError(`the emulator has no ${type} records`);
  }
}

/** Quoted strings stay as they are cut; a text without quotes is cut at 255 octets. */
function textStrings(content: string): string[] {
  const quoted = [...content.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) =>
    text.replace(/\\(\d{3}|.)/g, (_, escaped: string) =>
      escaped.length === 3 ? String.fromCharCode(Number(escaped)) : escaped,
    ),
  );
  return quoted.length > 0 ? quoted : (content.match(/.{1,255}/gs) ?? []);
}
