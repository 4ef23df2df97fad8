/**
 * DNS messages on the wire (RFC 1035 §4, EDNS0 by RFC 6891), between octets and `DnsRecord`.
 *
 * The octets are read and written by dns-packet; this file puts bounds around it (one question, a limit on records,
 * any exception is "malformed"), and turns its loose shapes into the room's one record type. A record whose data this
 * project would refuse anywhere else is dropped from a decoded message rather than passed on.
 */
import * as packet from "dns-packet";
import { type DnsRecord, dnsRecord, isRecordType, queryName, type RecordType } from "./records.ts";

/** EDNS payload that passes every usual path unfragmented (DNS flag day 2020). */
export const UDP_PAYLOAD = 1232;
/** What a peer without EDNS can take over UDP (RFC 1035 §2.3.4). */
export const CLASSIC_UDP_PAYLOAD = 512;

const HEADER_LENGTH = 12;
/** Records in all sections together. A signed answer has some dozens; more is an attack on the reader's time. */
const MAX_RECORDS = 500;

const FLAG = {
  response: 0x8000,
  aa: 0x0400,
  tc: 0x0200,
  rd: 0x0100,
  ra: 0x0080,
  ad: 0x0020,
  cd: 0x0010,
} as const;

/** Response codes (RFC 1035 §4.1.1, RFC 2136 §2.2, RFC 6891 §9) by the number on the wire. */
export const RCODES = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;
export type Rcode = keyof typeof RCODES;

export interface Question {
  /** As asked, letter case kept: a server's answer repeats it. */
  readonly name: string;
  /** The type's mnemonic; for types unknown here whatever dns-packet calls them. */
  readonly type: string;
  /** "IN", or another class's mnemonic. */
  readonly class: string;
}

export interface Edns {
  readonly payload: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}

/** A decoded message. Sections hold the records of known types alone. */
export interface Message {
  readonly id: number;
  readonly isResponse: boolean;
  readonly opcode: number;
  /** The response code with the EDNS extension bits; a number, since peers may send any. */
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly authenticData: boolean;
  readonly questions: readonly Question[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly edns?: Edns;
}

/** The header's fixed part, for answers to messages whose rest cannot be read. */
export interface Header {
  readonly id: number;
  readonly isResponse: boolean;
  readonly opcode: number;
}

/** Reads id, direction and opcode; undefined when there are fewer than 12 octets. */
export function decodeHeader(octets: Buffer): Header | undefined {
  if (octets.length < HEADER_LENGTH) return undefined;
  const flags = octets.readUInt16BE(2);
  return {
    id: octets.readUInt16BE(0),
    isResponse: (flags & FLAG.response) !== 0,
    opcode: (flags >> 11) & 0xf,
  };
}

/** Reads a message; undefined when it is malformed or beyond the bounds. Never throws. */
export function decodeMessage(octets: Buffer): Message | undefined {
  const header = decodeHeader(octets);
  if (header === undefined || octets.readUInt16BE(4) > 1) return undefined;
  const records = octets.readUInt16BE(6) + octets.readUInt16BE(8) + octets.readUInt16BE(10);
  if (records > MAX_RECORDS) return undefined;
  try {
    const decoded = packet.decode(octets);
    if (!(packet.decode.bytes <= octets.length)) return undefined;
    return toMessage(header, octets.readUInt16BE(2), decoded);
  } catch {
    // dns-packet throws on whatever it cannot read; there is nothing to tell apart.
    return undefined;
  }
}

/** A question for a resolver: recursion and authentic data wanted (RFC 6840 §5.7), with EDNS unless told otherwise. */
export function encodeQuery(id: number, name: string, type: RecordType, edns: "edns" | "classic"): Buffer {
  return packet.encode({
    type: "query",
    id,
    flags: FLAG.rd | FLAG.ad,
    questions: [{ type, name }],
    additionals: edns === "edns" ? [optRecord({ payload: UDP_PAYLOAD, version: 0, dnssecOk: true }, 0)] : [],
  });
}

export interface Response {
  readonly rcode: Rcode;
  readonly authoritative: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
}

/**
 * A response to a query, cut to `limit` octets: where it does not fit, the sections are left out and TC is set, which
 * sends the client to TCP (RFC 2181 §9).
 */
export function encodeResponse(query: Message, response: Response, limit: number): Buffer {
  const whole = encodeSections(query, response, 0);
  if (whole.length <= limit) return whole;
  return encodeSections(query, { ...response, answers: [], authorities: [] }, FLAG.tc);
}

/** A response to a query of which only the header could be read. */
export function encodeBareResponse(header: Header, rcode: Rcode): Buffer {
  const octets = Buffer.alloc(HEADER_LENGTH);
  octets.writeUInt16BE(header.id, 0);
  octets.writeUInt16BE(FLAG.response | (header.opcode << 11) | RCODES[rcode], 2);
  return octets;
}

/** A message as TCP carries it: behind its length (RFC 1035 §4.2.2). */
export function framed(octets: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(octets.length + 2);
  frame.writeUInt16BE(octets.length, 0);
  octets.copy(frame, 2);
  return frame;
}

/** A record's data behind its length, without compression. */
export function rdataOctets(record: DnsRecord): Buffer {
  // dns-packet exports its codecs by type, its types do not know them.
  const codecs = packet as unknown as { record(type: string): { encode(data: unknown): Buffer } };
  const answer = toWire(record);
  return codecs.record(record.type).encode("data" in answer ? answer.data : undefined);
}

function encodeSections(query: Message, response: Response, extraFlags: number): Buffer {
  const rcode = RCODES[response.rcode];
  const edns = query.edns;
  return packet.encode({
    type: "response",
    id: query.id,
    flags:
      extraFlags |
      (query.opcode << 11) |
      (response.authoritative ? FLAG.aa : 0) |
      (query.recursionDesired ? FLAG.rd : 0) |
      (rcode & 0xf),
    questions: query.questions.map((question) => ({
      name: question.name,
      type: question.type as packet.RecordType,
      class: question.class as packet.RecordClass,
    })),
    answers: response.answers.map(toWire),
    authorities: response.authorities.map(toWire),
    additionals:
      edns === undefined
        ? []
        : [optRecord({ payload: UDP_PAYLOAD, version: 0, dnssecOk: edns.dnssecOk }, rcode >> 4)],
  });
}

function optRecord(edns: Edns, extendedRcode: number): packet.OptAnswer {
  return {
    type: "OPT",
    name: ".",
    udpPayloadSize: edns.payload,
    extendedRcode,
    ednsVersion: edns.version,
    flags: edns.dnssecOk ? packet.DNSSEC_OK : 0,
    flag_do: edns.dnssecOk,
    options: [],
  };
}

function toMessage(header: Header, flags: number, decoded: packet.DecodedPacket): Message {
  const opt = decoded.additionals?.find((record) => record.type === "OPT");
  const edns =
    opt === undefined
      ? undefined
      : { payload: opt.udpPayloadSize, version: opt.ednsVersion, dnssecOk: opt.flag_do };
  return {
    ...header,
    rcode: (flags & 0xf) | ((opt?.extendedRcode ?? 0) << 4),
    authoritative: (flags & FLAG.aa) !== 0,
    truncated: (flags & FLAG.tc) !== 0,
    recursionDesired: (flags & FLAG.rd) !== 0,
    recursionAvailable: (flags & FLAG.ra) !== 0,
    authenticData: (flags & FLAG.ad) !== 0,
    questions: (decoded.questions ?? []).map((question) => ({
      name: question.name,
      type: question.type,
      class: question.class ?? "IN",
    })),
    answers: fromSection(decoded.answers),
    authorities: fromSection(decoded.authorities),
    edns,
  };
}

function fromSection(section: readonly packet.Answer[] | undefined): DnsRecord[] {
  return (section ?? []).flatMap((answer) => fromWire(answer) ?? []);
}

/** A record as dns-packet writes it. */
function toWire(record: DnsRecord): packet.Answer {
  const { name, ttl } = record;
  switch (record.type) {
    case "A":
    case "AAAA":
      return { type: record.type, name, ttl, data: record.address };
    case "CNAME":
    case "NS":
    case "PTR":
      return { type: record.type, name, ttl, data: record.target };
    case "MX":
      return { type: "MX", name, ttl, data: { preference: record.preference, exchange: record.exchange } };
    case "TXT":
      return { type: "TXT", name, ttl, data: record.strings.map((string) => Buffer.from(string, "latin1")) };
    case "SRV": {
      const { priority, weight, port, target } = record;
      return { type: "SRV", name, ttl, data: { priority, weight, port, target } };
    }
    case "CAA": {
      // Its types know three tags; the wire takes any (RFC 8659 §4.1).
      const tag = record.tag as packet.CaaData["tag"];
      return { type: "CAA", name, ttl, data: { flags: record.flags, tag, value: record.value } };
    }
    case "TLSA": {
      const { usage, selector, matchingType } = record;
      return {
        type: "TLSA",
        name,
        ttl,
        data: { usage, selector, matchingType, certificate: Buffer.from(record.certificate, "hex") },
      };
    }
    case "SOA": {
      const { mname, rname, serial, refresh, retry, expire, minimum } = record;
      return { type: "SOA", name, ttl, data: { mname, rname, serial, refresh, retry, expire, minimum } };
    }
  }
}

/** A decoded record as the room's type; undefined for other types and classes and for invalid data. */
function fromWire(answer: packet.Answer): DnsRecord | undefined {
  if (answer.type === "OPT" || !isRecordType(answer.type) || answer.class !== "IN") return undefined;
  // A TTL with its top bit set counts as zero (RFC 2181 §8).
  const ttl = answer.ttl === undefined || answer.ttl > 0x7fff_ffff ? 0 : answer.ttl;
  try {
    // The owner is what was asked for, which may be a name that nobody could declare.
    return { ...dnsRecord(decodedData(answer, ".", ttl)), name: queryName(answer.name) };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

type KnownAnswer = Extract<packet.Answer, { data: unknown }> & { type: RecordType };

function decodedData(answer: packet.Answer, name: string, ttl: number): DnsRecord {
  const known = answer as KnownAnswer;
  switch (known.type) {
    case "A":
    case "AAAA":
      return { type: known.type, name, ttl, address: known.data };
    case "CNAME":
    case "NS":
    case "PTR":
      return { type: known.type, name, ttl, target: known.data };
    case "MX":
      return { type: "MX", name, ttl, preference: known.data.preference ?? 0, exchange: known.data.exchange };
    case "TXT": {
      const strings = Array.isArray(known.data) ? known.data : [known.data];
      return {
        type: "TXT",
        name,
        ttl,
        strings: strings.map((string) => (typeof string === "string" ? string : string.toString("latin1"))),
      };
    }
    case "SRV": {
      const { priority = 0, weight = 0, port, target } = known.data;
      return { type: "SRV", name, ttl, priority, weight, port, target };
    }
    case "CAA":
      return {
        type: "CAA",
        name,
        ttl,
        flags: known.data.flags ?? 0,
        tag: known.data.tag,
        value: known.data.value,
      };
    case "TLSA": {
      const { usage, selector, matchingType, certificate } = known.data;
      return {
        type: "TLSA",
        name,
        ttl,
        usage,
        selector,
        matchingType,
        certificate: certificate.toString("hex"),
      };
    }
    case "SOA": {
      const { mname, rname, serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0 } = known.data;
      // A local part with a dot comes escaped; nobody here writes to it, so the escape goes.
      return {
        type: "SOA",
        name,
        ttl,
        mname,
        rname: rname.replaceAll("\\", ""),
        serial,
        refresh,
        retry,
        expire,
        minimum,
      };
    }
  }
}
