/**
 * Header fields by offsets (RFC 5322 §2.2): where each one lies, without making strings of them.
 *
 * A header block is a Buffer that ends with its empty line (or where the message ends). Lines end with LF,
 * CRLF as a rule; what is not a field (no colon) is passed over as a nameless one, never an error, because
 * a message that is already stored must stay readable whatever somebody wrote into it.
 */

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** Fields are looked for in so many bytes of a header; no mail has more, and walking 100 MB of them stalls everybody. */
export const MAX_FIELD_BYTES = 512 * 1024;

/** Walks over the fields of a header block; the properties describe the field `next` found. */
export class FieldCursor {
  readonly header: Buffer;
  /** First byte of the name. */
  start = 0;
  /** Behind the last byte of the name; equal to `start` when the line is not a field. */
  nameEnd = 0;
  /** Behind the colon. */
  valueStart = 0;
  /** Behind the field's last line end. */
  end = 0;

  constructor(header: Buffer) {
    this.header = header.length > MAX_FIELD_BYTES ? header.subarray(0, MAX_FIELD_BYTES) : header;
  }

  /** Goes to the next field; false at the empty line or the end of the block. */
  next(): boolean {
    const { header } = this;
    const { length } = header;
    const start = this.end;
    if (start >= length) return false;
    const first = header[start];
    if (first === LF || (first === CR && header[start + 1] === LF)) return false;
    let end = header.indexOf(LF, start);
    end = end < 0 ? length : end + 1;
    const firstLineEnd = end;
    while (end < length && (header[end] === SPACE || header[end] === TAB)) {
      const lineEnd = header.indexOf(LF, end);
      end = lineEnd < 0 ? length : lineEnd + 1;
    }
    let colon = start;
    while (colon < firstLineEnd && header[colon] !== COLON) colon += 1;
    this.start = start;
    this.end = end;
    if (colon === firstLineEnd) {
      this.nameEnd = start;
      this.valueStart = start;
      return true;
    }
    let nameEnd = colon;
    while (nameEnd > start && (header[nameEnd - 1] === SPACE || header[nameEnd - 1] === TAB)) nameEnd -= 1;
    this.nameEnd = nameEnd;
    this.valueStart = colon + 1;
    return true;
  }

  /** Whether the field has this name, given in lower case; ASCII letters match in any case. */
  is(lowerName: Buffer): boolean {
    const { header, start } = this;
    const { length } = lowerName;
    if (this.nameEnd - start !== length) return false;
    for (let index = 0; index < length; index += 1) {
      let byte = header[start + index]!;
      if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20;
      if (byte !== lowerName[index]) return false;
    }
    return true;
  }

  /** The field's name in lower case. */
  name(): string {
    return this.header.toString("latin1", this.start, this.nameEnd).toLowerCase();
  }

  /** The value unfolded (RFC 5322 §2.2.3) and trimmed; one byte of the header is one character. */
  value(): string {
    return unfold(this.header.toString("latin1", this.valueStart, this.end));
  }
}

/** Takes the line ends out of a folded value and trims it; works on a latin1 string, so bytes stay bytes. */
export function unfold(value: string): string {
  const trimmed = value.trim();
  return trimmed.includes("\n") || trimmed.includes("\r") ? trimmed.replace(/[\r\n]+/g, "") : trimmed;
}

/** The unfolded value of the first field of that (lower-case) name, one byte a character. */
export function firstField(header: Buffer, lowerName: string): string | undefined {
  const name = Buffer.from(lowerName, "latin1");
  const cursor = new FieldCursor(header);
  while (cursor.next()) if (cursor.is(name)) return cursor.value();
  return undefined;
}

const EMPTY_CRLF = Buffer.from("\n\r\n", "latin1");
const EMPTY_LF = Buffer.from("\n\n", "latin1");

/** Where the header block of a message ends: behind its empty line, or -1 when these bytes do not hold the end. */
export function headerEnd(bytes: Buffer): number {
  if (bytes[0] === LF) return 1;
  if (bytes[0] === CR && bytes[1] === LF) return 2;
  const crlf = bytes.indexOf(EMPTY_CRLF);
  const before = crlf < 0 ? bytes : bytes.subarray(0, crlf + 1);
  const lf = before.indexOf(EMPTY_LF);
  if (lf >= 0) return lf + EMPTY_LF.length;
  return crlf < 0 ? -1 : crlf + EMPTY_CRLF.length;
}
