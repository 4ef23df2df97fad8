/** The entries of a RAR archive by its headers: version 4 (technote.txt of RAR 4) and version 5 (RAR 5.0 archive format). */
import { type ArchiveEntry, MAX_ENTRIES } from "./entry.ts";

export function rarEntries(head: Buffer): ArchiveEntry[] {
  try {
    return head[6] === 1 ? fifth(head) : fourth(head);
  } catch (error) {
    if (error instanceof RangeError) return [];
    throw error;
  }
}
/** Stands for all that an archive with encrypted headers does not even name. */
const secret: ArchiveEntry = { name: "", encrypted: true, packed: undefined, unpacked: undefined };

function fourth(head: Buffer): ArchiveEntry[] {
  const entries: ArchiveEntry[] = [];
  for (let at = 7; at + 7 <= head.length && entries.length < MAX_ENTRIES; ) {
    const type = head[at + 2]!;
    const flags = head.readUInt16LE(at + 3);
    const size = head.readUInt16LE(at + 5);
    // The archive's header with its "encrypted headers".
    if (type === 0x73 && (flags & 0x80) !== 0) return [secret];
    if (size < 7) break;
    let next = at + size;
    if (type === 0x74 && at + 32 <= head.length) {
      const packed = head.readUInt32LE(at + 7);
      const nameStart = at + 32 + ((flags & 0x100) === 0 ? 0 : 8);
      const name = head
        .toString("latin1", nameStart, nameStart + head.readUInt16LE(at + 26))
        .replace(/\0.*$/s, "");
      entries.push({ name, encrypted: (flags & 4) !== 0, packed, unpacked: head.readUInt32LE(at + 11) });
      next += packed;
    } else if ((flags & 0x8000) !== 0) next += head.readUInt32LE(at + 7);
    at = next;
  }
  return entries;
}

function fifth(head: Buffer): ArchiveEntry[] {
  const entries: ArchiveEntry[] = [];
  const reader = { at: 8 };
  const number = (): number => {
    let value = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = head[reader.at];
      if (byte === undefined) throw new RangeError("the header is cut");
      reader.at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number without end");
  };
  while (reader.at + 7 <= head.length && entries.length < MAX_ENTRIES) {
    reader.at += 4;
    const size = number();
    const end = reader.at + size;
    const type = number();
    const flags = number();
    const extra = (flags & 1) === 0 ? 0 : number();
    const packed = (flags & 2) === 0 ? 0 : number();
    if (type === 4) return [secret];
    if (type === 2) {
      const fileFlags = number();
      const unpacked = number();
      number();
      reader.at += ((fileFlags & 2) === 0 ? 0 : 4) + ((fileFlags & 4) === 0 ? 0 : 4);
      number();
      number();
      const length = number();
      const name = head.toString("utf8", reader.at, reader.at + length);
      entries.push({ name, encrypted: isEncrypted(head, end - extra, end), packed, unpacked });
    }
    if (size === 0) break;
    reader.at = end + packed;
  }
  return entries;
}

/** The extra area's records begin with size and type; type 1 is encryption. */
function isEncrypted(head: Buffer, start: number, end: number): boolean {
  for (let at = start; at + 2 <= Math.min(end, head.length); ) {
    const size = head[at]!;
    if (head[at + 1] === 1) return true;
    // A longer record than one byte tells has a type that is not looked for.
    if (size === 0 || size >= 0x80) return false;
    at += size + 1;
  }
  return false;
}
