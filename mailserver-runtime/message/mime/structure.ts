/**
 * The MIME structure of a message by offsets (RFC 2045, 2046): which part lies where, and what its header says.
 *
 * The parser is fed chunks and never holds more than one line and the header it is in, so a message of any
 * size is parsed in the memory of its headers. Bytes are never changed or copied into strings; a part is
 * four numbers and its Content-* values. Whatever the bytes are, there is a structure: at the limits below
 * the rest of a message belongs to the last part.
 *
 * One thing is decided here that readers may stumble over: the line end before a boundary belongs to the
 * boundary (RFC 2046 §5.1.1), so a part's `end` lies before it.
 */
import type { MessageContent } from "../content.ts";
import { FieldCursor } from "./fields.ts";
import { parameter, parseWithParameters, type ValueWithParameters } from "./parameters.ts";

/** Deeper parts are opaque leaves. Dovecot has the same limit. */
export const MAX_DEPTH = 100;
/** After so many parts the rest of the message belongs to the last one. Dovecot has the same limit. */
export const MAX_PARTS = 10_000;
/** Bytes of one part's header that are looked at, and of all headers together. */
export const MAX_HEADER = 256 * 1024;
export const MAX_HEADERS_TOTAL = 4 * 1024 * 1024;
/** A longer line is no boundary (RFC 2046 §5.1.1: 70 characters, and white space behind them). */
const MAX_BOUNDARY_LINE = 1024;

const LF = 0x0a;
const CR = 0x0d;
const DASH = 0x2d;

export interface MimePart {
  /** Lower case, e.g. "text", "multipart", "message". */
  type: string;
  subtype: string;
  parameters: ValueWithParameters["parameters"];
  /** Content-Transfer-Encoding in lower case; "7bit" when the header says nothing. */
  encoding: string;
  id: string | undefined;
  description: string | undefined;
  md5: string | undefined;
  disposition: ValueWithParameters | undefined;
  language: readonly string[] | undefined;
  location: string | undefined;
  /** Offsets in the message: header [headerStart, bodyStart), body [bodyStart, end). */
  headerStart: number;
  bodyStart: number;
  end: number;
  /** LFs in the body. */
  lines: number;
  /** The header block of a message (the root and what message/rfc822 contains); empty for other parts. */
  header: Buffer;
  /** A multipart's parts; for message/rfc822 the one message inside. */
  readonly children: MimePart[];
}

/** Whether the part contains a message whose parts have numbers of their own (message/rfc822, message/global). */
export function isMessage(part: MimePart): boolean {
  return part.type === "message" && part.children.length > 0;
}

/** Parses a message wherever its bytes lie. */
export async function readStructure(content: MessageContent): Promise<MimePart> {
  if (content.buffer) return parseStructure(content.buffer);
  const parser = new StructureParser();
  for await (const chunk of content.chunks()) parser.push(chunk);
  return parser.end();
}

/** Parses a message that lies in memory. */
export function parseStructure(message: Buffer): MimePart {
  const parser = new StructureParser();
  parser.push(message);
  return parser.end();
}

interface OpenPart {
  readonly part: MimePart;
  /** Delimiter without its leading dashes, while this multipart waits for it. */
  boundary: string | undefined;
  /** The level the same delimiter meant before, to be put back. */
  shadowed: number | undefined;
  linesAtBody: number;
}

export class StructureParser {
  readonly #root: MimePart;
  /** From the message down to the part whose bytes are coming. */
  readonly #open: OpenPart[] = [];
  /** Delimiter → level in `#open`. */
  readonly #boundaries = new Map<string, number>();
  #inHeader = true;
  #header: Buffer[] = [];
  #headerLength = 0;
  #headersTotal = 0;
  #parts = 1;
  #lines = 0;
  /** Offset in the message of the next chunk's first byte, the carry not counted. */
  #offset = 0;
  #carry: Buffer | undefined;
  /** The next byte continues a line of which the beginning has been seen. */
  #continues = false;
  /** Length of the line end before the coming line. */
  #lastLineEnd = 0;

  constructor() {
    this.#root = emptyPart(0);
    this.#open.push({ part: this.#root, boundary: undefined, shadowed: undefined, linesAtBody: 0 });
  }

  push(chunk: Buffer): void {
    const bytes = this.#carry ? Buffer.concat([this.#carry, chunk]) : chunk;
    this.#carry = undefined;
    const used = this.#scan(bytes, false);
    this.#offset += used;
    if (used < bytes.length) this.#carry = Buffer.from(bytes.subarray(used));
  }

  end(): MimePart {
    if (this.#carry) this.#offset += this.#scan(this.#carry, true);
    this.#carry = undefined;
    // A header that says message/rfc822 opens the next, empty one; MAX_DEPTH ends that.
    while (this.#inHeader) this.#finishHeader(this.#offset);
    this.#closeDownTo(0, this.#offset, this.#lines);
    this.#closeLevel(this.#open[0]!, this.#offset, this.#lines);
    return this.#root;
  }

  /** Looks at whole lines of `bytes`; returns how many bytes are done with. */
  #scan(bytes: Buffer, last: boolean): number {
    const { length } = bytes;
    let headerFrom = 0;
    let at = 0;
    while (at < length) {
      const lineFeed = bytes.indexOf(LF, at);
      if (lineFeed < 0 && !last && length - at < MAX_BOUNDARY_LINE) break;
      const end = lineFeed < 0 ? length : lineFeed + 1;
      const lineEnd = lineFeed < 0 ? 0 : lineFeed > at && bytes[lineFeed - 1] === CR ? 2 : 1;
      if (!this.#continues) {
        const level = this.#boundaryLevel(bytes, at, end - lineEnd);
        if (level >= 0) {
          if (this.#inHeader) this.#keepHeader(bytes.subarray(headerFrom, at));
          this.#boundary(bytes, at, end, level);
          headerFrom = end;
          if (lineEnd > 0) this.#lines += 1;
          this.#lastLineEnd = lineEnd;
          at = end;
          continue;
        }
        if (lineEnd > 0) this.#lines += 1;
        if (this.#inHeader && lineEnd > 0 && end - at === lineEnd) {
          this.#keepHeader(bytes.subarray(headerFrom, end));
          this.#finishHeader(this.#offset + end);
          headerFrom = end;
        }
      } else if (lineEnd > 0) {
        this.#lines += 1;
      }
      this.#continues = lineEnd === 0;
      this.#lastLineEnd = lineEnd;
      at = end;
    }
    if (this.#inHeader && at > headerFrom) this.#keepHeader(bytes.subarray(headerFrom, at));
    return at;
  }

  #keepHeader(bytes: Buffer): void {
    const room = Math.min(MAX_HEADER - this.#headerLength, MAX_HEADERS_TOTAL - this.#headersTotal);
    if (room <= 0) return;
    const kept = bytes.length > room ? bytes.subarray(0, room) : bytes;
    this.#header.push(Buffer.from(kept));
    this.#headerLength += kept.length;
    this.#headersTotal += kept.length;
  }

  /** The level whose delimiter stands in this line, or -1. */
  #boundaryLevel(bytes: Buffer, start: number, end: number): number {
    if (this.#boundaries.size === 0) return -1;
    if (end - start < 3 || end - start > MAX_BOUNDARY_LINE) return -1;
    if (bytes[start] !== DASH || bytes[start + 1] !== DASH) return -1;
    const text = bytes.toString("latin1", start + 2, end).trimEnd();
    const level = this.#boundaries.get(text);
    if (level !== undefined) return level;
    return text.endsWith("--") ? (this.#boundaries.get(text.slice(0, -2)) ?? -1) : -1;
  }

  #boundary(bytes: Buffer, start: number, end: number, level: number): void {
    const position = this.#offset + start;
    const owner = this.#open[level]!;
    const text = bytes.toString("latin1", start + 2, end).trimEnd();
    if (this.#inHeader) this.#finishHeader(position);
    this.#inHeader = false;
    if (text === owner.boundary && this.#parts >= MAX_PARTS) return;
    this.#closeDownTo(level, position - this.#lastLineEnd, this.#lines - (this.#lastLineEnd > 0 ? 1 : 0));
    if (text !== owner.boundary) {
      this.#forget(owner);
      return;
    }
    const digest = owner.part.subtype === "digest";
    this.#begin(owner.part, this.#offset + end, digest);
  }

  #begin(parent: MimePart, headerStart: number, digest: boolean): void {
    const part = emptyPart(headerStart);
    if (digest) {
      part.type = "message";
      part.subtype = "rfc822";
    }
    parent.children.push(part);
    this.#open.push({ part, boundary: undefined, shadowed: undefined, linesAtBody: this.#lines });
    this.#parts += 1;
    this.#inHeader = true;
  }

  /** The header of the innermost part is complete: what is it, and what comes next? */
  #finishHeader(bodyStart: number): void {
    const open = this.#open[this.#open.length - 1]!;
    const { part } = open;
    const header = this.#header.length === 1 ? this.#header[0]! : Buffer.concat(this.#header);
    this.#header = [];
    this.#headerLength = 0;
    this.#inHeader = false;
    part.bodyStart = bodyStart;
    part.end = bodyStart;
    open.linesAtBody = this.#lines;
    const parent = this.#open[this.#open.length - 2]?.part;
    if (!parent || parent.type === "message") part.header = header;
    readContentFields(part, header);
    if (this.#open.length >= MAX_DEPTH) return;
    if (part.type === "multipart") {
      const boundary = parameter(part.parameters, "boundary")?.trimEnd();
      if (boundary === undefined || boundary === "") return;
      open.boundary = boundary;
      open.shadowed = this.#boundaries.get(boundary);
      this.#boundaries.set(boundary, this.#open.length - 1);
    } else if (
      part.type === "message" &&
      (part.subtype === "rfc822" || part.subtype === "global") &&
      part.encoding !== "base64" &&
      part.encoding !== "quoted-printable" &&
      this.#parts < MAX_PARTS
    ) {
      this.#begin(part, bodyStart, false);
    }
  }

  /** Ends every part inside the one at `level`. */
  #closeDownTo(level: number, end: number, lines: number): void {
    while (this.#open.length - 1 > level) this.#closeLevel(this.#open.pop()!, end, lines);
  }

  #closeLevel(open: OpenPart, end: number, lines: number): void {
    open.part.end = Math.max(open.part.bodyStart, end);
    open.part.lines = end > open.part.bodyStart ? Math.max(0, lines - open.linesAtBody) : 0;
    this.#forget(open);
  }

  #forget(open: OpenPart): void {
    if (open.boundary === undefined) return;
    if (open.shadowed === undefined) this.#boundaries.delete(open.boundary);
    else this.#boundaries.set(open.boundary, open.shadowed);
    open.boundary = undefined;
  }
}

function emptyPart(headerStart: number): MimePart {
  return {
    type: "text",
    subtype: "plain",
    parameters: [],
    encoding: "7bit",
    id: undefined,
    description: undefined,
    md5: undefined,
    disposition: undefined,
    language: undefined,
    location: undefined,
    headerStart,
    bodyStart: headerStart,
    end: headerStart,
    lines: 0,
    header: Buffer.alloc(0),
    children: [],
  };
}

/** What each Content-* field gives the part; the first field of a name counts. */
const CONTENT_FIELDS: Record<string, (part: MimePart, value: string) => void> = {
  "content-type": (part, value) => {
    const parsed = parseWithParameters(value);
    const [type, subtype] = parsed.value.toLowerCase().split("/", 2);
    // RFC 2045 §5.2: what cannot be read is text/plain.
    if (!type || !subtype || /[\s"\\()]/.test(type + subtype)) return;
    part.type = type.trim();
    part.subtype = subtype.trim();
    part.parameters = parsed.parameters;
  },
  "content-transfer-encoding": (part, value) => {
    part.encoding = parseWithParameters(value).value.toLowerCase() || "7bit";
  },
  "content-id": (part, value) => {
    part.id = value;
  },
  "content-description": (part, value) => {
    part.description = value;
  },
  "content-md5": (part, value) => {
    part.md5 = value;
  },
  "content-disposition": (part, value) => {
    const parsed = parseWithParameters(value);
    if (parsed.value !== "") part.disposition = parsed;
  },
  "content-language": (part, value) => {
    const tags = value
      .split(",")
      .map((tag) => tag.trim())
      .filter((tag) => tag !== "");
    if (tags.length > 0) part.language = tags;
  },
  "content-location": (part, value) => {
    part.location = value;
  },
};

const CONTENT_PREFIX = Buffer.from("content-", "latin1");

function readContentFields(part: MimePart, header: Buffer): void {
  const seen = new Set<string>();
  const cursor = new FieldCursor(header);
  while (cursor.next()) {
    if (cursor.nameEnd - cursor.start <= CONTENT_PREFIX.length) continue;
    if ((header[cursor.start]! | 0x20) !== CONTENT_PREFIX[0]) continue;
    const name = cursor.name();
    const read = Object.hasOwn(CONTENT_FIELDS, name) ? CONTENT_FIELDS[name] : undefined;
    if (!read || seen.has(name)) continue;
    seen.add(name);
    read(part, cursor.value());
  }
}
