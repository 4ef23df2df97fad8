/** The entries of a ZIP archive by their local headers (PKWARE APPNOTE 4.3.7), for a file whose end may be missing. */
import { type ArchiveEntry, MAX_ENTRIES } from "./entry.ts";

const LOCAL_HEADER = Buffer.from("PK\x03\x04", "latin1");
const CENTRAL_HEADER = Buffer.from("PK\x01\x02", "latin1");

/** Nothing is unpacked. */
export function zipEntries(head: Buffer): ArchiveEntry[] {
  const entries: ArchiveEntry[] = [];
  for (
    let at = head.indexOf(LOCAL_HEADER);
    at >= 0 && at + 30 <= head.length && entries.length < MAX_ENTRIES;
  ) {
    const flags = head.readUInt16LE(at + 6);
    const method = head.readUInt16LE(at + 8);
    const nameEnd = at + 30 + head.readUInt16LE(at + 26);
    const start = nameEnd + head.readUInt16LE(at + 28);
    // With bit 3 the lengths stand behind the data: the next header is looked for.
    const isLater = (flags & 8) !== 0;
    const packed = isLater ? undefined : head.readUInt32LE(at + 18);
    entries.push({
      name: head.toString("utf8", at + 30, nameEnd),
      encrypted: (flags & 1) === 1,
      packed,
      unpacked: isLater ? undefined : head.readUInt32LE(at + 22),
      ...(method === 0 && { data: { start, method: "stored" } }),
      ...(method === 8 && { data: { start, method: "deflated" } }),
    });
    at = head.indexOf(LOCAL_HEADER, start + (packed ?? 0));
  }
  return withCentralSizes(head, entries);
}

/** The central directory (4.3.12), where it is there, knows the lengths that came later. */
function withCentralSizes(head: Buffer, entries: ArchiveEntry[]): ArchiveEntry[] {
  if (entries.every(({ unpacked }) => unpacked !== undefined)) return entries;
  const sizes = new Map<string, { packed: number; unpacked: number }>();
  for (
    let at = head.indexOf(CENTRAL_HEADER);
    at >= 0 && at + 46 <= head.length && sizes.size < MAX_ENTRIES;
  ) {
    const nameEnd = at + 46 + head.readUInt16LE(at + 28);
    sizes.set(head.toString("utf8", at + 46, nameEnd), {
      packed: head.readUInt32LE(at + 20),
      unpacked: head.readUInt32LE(at + 24),
    });
    at = head.indexOf(CENTRAL_HEADER, nameEnd);
  }
  return entries.map((entry) => ({ ...entry, ...(entry.unpacked === undefined && sizes.get(entry.name)) }));
}
