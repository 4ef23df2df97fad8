/**
 * A message's header section by offsets (RFC 5322 §2.2, RFC 6532 for UTF-8).
 *
 * `parseHeaders` walks the bytes once and notes where each field begins and ends; no byte is copied and no string is
 * made until somebody asks for a value. The bytes are never changed, so what a signature covered stays as it was.
 *
 * Any bytes are accepted: lines may end in CRLF or in LF alone (files of other programs), a line that is no field ends
 * the header section as an empty line does, with `malformed` saying so. Nothing here throws.
 */
import { parseAddressList } from "./address-list.ts";
import type { MessageContent } from "./content.ts";

/** Where one field stands. Offsets are into the bytes given to `parseHeaders`. */
export interface HeaderField {
  /** The name in lower case. */
  readonly name: string;
  /** First byte of the name. */
  readonly start: number;
  /** First byte after the colon. */
  readonly valueStart: number;
  /** After the line end of the field's last line. */
  readonly end: number;
}

export interface Headers {
  readonly bytes: Buffer;
  readonly fields: readonly HeaderField[];
  /** Where the header section ends: the empty line, or the end of the bytes. New fields may be put here. */
  readonly end: number;
  /** First byte of the body: after the empty line. Equals `end` where there is none. */
  readonly bodyStart: number;
  /** The empty line was seen, so nothing of the section lies beyond the bytes given. */
  readonly complete: boolean;
  /** A line that is no field ended the section. */
  readonly malformed: boolean;
}

/** Most bytes of a header section that are looked at; the rest counts as body. Exim and Postfix draw such a line too. */
export const MAX_HEADER_BYTES = 1024 * 1024;
/** Most fields of a section that are looked at. */
export const MAX_HEADER_FIELDS = 10_000;

const LF = 10;
const CR = 13;
const COLON = 58;
const SPACE = 32;
const TAB = 9;

/** Finds the fields of the header section at the front of these bytes. */
export function parseHeaders(bytes: Buffer): Headers {
  const limit = Math.min(bytes.length, MAX_HEADER_BYTES);
  const fields: HeaderField[] = [];
  let at = 0;
  const done = (end: number, bodyStart: number, complete: boolean, malformed: boolean): Headers => ({
    bytes,
    fields,
    end,
    bodyStart,
    complete,
    malformed,
  });
  while (at < limit) {
    const blank = lineEndAt(bytes, at);
    if (blank > at) return done(at, blank, true, false);
    const colon = nameEnd(bytes, at, limit);
    if (colon < 0 || fields.length >= MAX_HEADER_FIELDS) return done(at, at, true, true);
    let end = at;
    do {
      const newline = bytes.indexOf(LF, end);
      end = newline < 0 ? bytes.length : newline + 1;
    } while (end < limit && (bytes[end] === SPACE || bytes[end] === TAB));
    fields.push({
      name: bytes.toString("latin1", at, nameStop(bytes, at, colon)).toLowerCase(),
      start: at,
      valueStart: colon + 1,
      end,
    });
    at = end;
  }
  return done(at, at, false, false);
}

/**
 * The header section of a message that may lie in a file: reads up to MAX_HEADER_BYTES, in growing steps, and stops
 * at the empty line.
 */
export async function readHeaders(content: MessageContent): Promise<Headers> {
  if (content.buffer !== undefined) return parseHeaders(content.buffer);
  for (let length = 16 * 1024; ; length *= 4) {
    const bytes = await content.read(0, Math.min(length, MAX_HEADER_BYTES));
    const headers = parseHeaders(bytes);
    // A line that is no field may be one that the read has cut.
    const cut = headers.malformed && bytes.indexOf(LF, headers.end) < 0;
    if ((headers.complete && !cut) || bytes.length < length || length >= MAX_HEADER_BYTES) return headers;
  }
}

/** The first field of this name (any case), undefined without one. */
export function findField(headers: Headers, name: string): HeaderField | undefined {
  const wanted = name.toLowerCase();
  return headers.fields.find((field) => field.name === wanted);
}

/** All fields of this name, in the order they stand. */
export function findFields(headers: Headers, name: string): readonly HeaderField[] {
  const wanted = name.toLowerCase();
  return headers.fields.filter((field) => field.name === wanted);
}

/**
 * A field's value unfolded (RFC 5322 §2.2.3: only the line ends go), without white space around it, decoded as UTF-8
 * (RFC 6532); bytes that are not UTF-8 become U+FFFD.
 */
export function fieldValue(headers: Headers, field: HeaderField): string {
  return headers.bytes.toString("utf8", field.valueStart, field.end).replace(/\r?\n/g, "").trim();
}

/** The unfolded value of the first field of this name. */
export function headerValue(headers: Headers, name: string): string | undefined {
  const field = findField(headers, name);
  return field === undefined ? undefined : fieldValue(headers, field);
}

/** A field's bytes as they stand, line end included. */
export function fieldBytes(headers: Headers, field: HeaderField): Buffer {
  return headers.bytes.subarray(field.start, field.end);
}

/**
 * Who a message says it is from, as DMARC and signing need it (RFC 7489 §6.6.1, RFC 5322 §3.6.2): exactly one From
 * field whose addresses all have one domain. Domains are lower-case a-labels.
 */
export type FromDomain =
  | { readonly ok: true; readonly domain: string }
  | { readonly ok: false; readonly reason: "no From" | "several From" | "no address" | "several domains" };

/** Reads the From domain of a message. */
export function fromDomain(headers: Headers): FromDomain {
  const fields = findFields(headers, "from");
  const [field] = fields;
  if (field === undefined) return { ok: false, reason: "no From" };
  if (fields.length > 1) return { ok: false, reason: "several From" };
  const domains = new Set(parseAddressList(fieldValue(headers, field)).map(({ address }) => address.domain));
  const [domain] = domains;
  if (domain === undefined) return { ok: false, reason: "no address" };
  return domains.size > 1 ? { ok: false, reason: "several domains" } : { ok: true, domain };
}

/** The offset after an empty line that begins at `at`, or `at` when the line is not empty. */
function lineEndAt(bytes: Buffer, at: number): number {
  if (bytes[at] === LF) return at + 1;
  return bytes[at] === CR && bytes[at + 1] === LF ? at + 2 : at;
}

/** The colon of a field that begins at `at`, or -1: a name is printable ASCII (RFC 5322 §2.2), blanks may follow it. */
function nameEnd(bytes: Buffer, at: number, limit: number): number {
  let blank = false;
  for (let index = at; index < limit; index += 1) {
    const byte = bytes[index] ?? 0;
    if (byte === COLON) return index === at ? -1 : index;
    if (byte === SPACE || byte === TAB) {
      if (index === at) return -1;
      blank = true;
    } else if (blank || byte <= SPACE || byte > 126) return -1;
  }
  return -1;
}

/** Where the name ends before its colon: obsolete syntax has blanks between the two (RFC 5322 §4.5). */
function nameStop(bytes: Buffer, start: number, colon: number): number {
  let stop = colon;
  while (stop > start && (bytes[stop - 1] === SPACE || bytes[stop - 1] === TAB)) stop -= 1;
  return stop;
}
