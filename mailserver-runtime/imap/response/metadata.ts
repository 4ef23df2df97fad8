/** The METADATA response with values (RFC 5464 §4.4.1). */
import type { MetadataOptions } from "../grammar/metadata-entries.ts";
import type { Session } from "../session.ts";

type Metadata = ReadonlyMap<string, Buffer>;

export const PLAIN: MetadataOptions = { maxSize: Number.POSITIVE_INFINITY, depth: 0 };

/** Writes what was asked for, NIL where an entry has no value. Gives the size of the largest value left out, or 0. */
export function writeMetadata(
  session: Session,
  mailbox: string,
  metadata: Metadata,
  entries: readonly string[],
  options: MetadataOptions,
): number {
  let longest = 0;
  const found: (readonly [string, Buffer | undefined])[] = [];
  for (const entry of select(metadata, entries, options.depth)) {
    const value = metadata.get(entry);
    if (value && value.length > options.maxSize) longest = Math.max(longest, value.length);
    else found.push([entry, value]);
  }
  if (found.length === 0) return longest;
  const { out } = session;
  out.text("* METADATA ");
  session.writeMailboxName(mailbox);
  let before = " (";
  for (const [entry, value] of found) {
    out.text(before);
    before = " ";
    out.astring(Buffer.from(entry, "latin1"));
    out.text(" ");
    if (!value) out.text("NIL");
    else if (value.includes(0)) {
      // RFC 5464 §5: NUL needs a binary literal.
      out.text(`~{${value.length}}\r\n`);
      out.bytes(value);
    } else out.string(value);
  }
  out.text(")\r\n");
  return longest;
}

/** Entries as asked for, and with a depth those below that have a value. */
function select(
  metadata: Metadata,
  entries: readonly string[],
  depth: MetadataOptions["depth"],
): Set<string> {
  const chosen = new Set<string>();
  for (const entry of entries) {
    if (depth === 0 || metadata.has(entry)) chosen.add(entry);
    if (depth === 0) continue;
    for (const name of metadata.keys()) {
      if (!name.startsWith(`${entry}/`)) continue;
      if (depth === 1 && name.includes("/", entry.length + 1)) continue;
      chosen.add(name);
    }
  }
  return chosen;
}
