/**
 * The fields of a header that ENVELOPE, SORT and THREAD ask for, found in one pass (RFC 3501 §7.4.2).
 *
 * Values are unfolded latin1 strings (one character a byte). Of a field that stands twice, the first counts
 * for single values; address fields add up, as RFC 5322 §3.6 readers do.
 */
import { FieldCursor } from "./fields.ts";

const NAMES = [
  "date",
  "subject",
  "from",
  "sender",
  "reply-to",
  "to",
  "cc",
  "bcc",
  "in-reply-to",
  "message-id",
  "references",
] as const;
export type EnvelopeField = (typeof NAMES)[number];
export type EnvelopeFields = { readonly [Name in EnvelopeField]?: string };

const ROWS = NAMES.map((name) => ({
  name,
  bytes: Buffer.from(name, "latin1"),
  adds: ["from", "to", "cc", "bcc", "reply-to"].includes(name),
}));
/** Rows by the length of the name, so that a field is compared with the few it could be. */
const BY_LENGTH: (typeof ROWS)[] = [];
for (const row of ROWS) {
  BY_LENGTH[row.bytes.length] ??= [];
  BY_LENGTH[row.bytes.length]!.push(row);
}

/** Finds the envelope's fields in a header block. */
export function envelopeFields(header: Buffer): EnvelopeFields {
  const found: { [Name in EnvelopeField]?: string } = {};
  const cursor = new FieldCursor(header);
  while (cursor.next()) {
    const rows = BY_LENGTH[cursor.nameEnd - cursor.start];
    if (!rows) continue;
    for (const row of rows) {
      if (!cursor.is(row.bytes)) continue;
      const before = found[row.name];
      if (before === undefined) found[row.name] = cursor.value();
      else if (row.adds) found[row.name] = `${before}, ${cursor.value()}`;
      break;
    }
  }
  return found;
}
