/** The entries of a tar archive (POSIX ustar), for a file whose end may be missing. */
import { type ArchiveEntry, MAX_ENTRIES } from "./entry.ts";

const BLOCK = 512;

export const isTar = (head: Buffer): boolean => head.toString("latin1", 257, 262) === "ustar";

export function tarEntries(head: Buffer): ArchiveEntry[] {
  const entries: ArchiveEntry[] = [];
  for (let at = 0; at + BLOCK <= head.length && entries.length < MAX_ENTRIES; ) {
    const name = head.toString("utf8", at, at + 100).replace(/\0.*$/s, "");
    const size = Number.parseInt(head.toString("latin1", at + 124, at + 136), 8);
    if (name === "" || Number.isNaN(size) || size < 0) break;
    entries.push({
      name,
      encrypted: false,
      packed: size,
      unpacked: size,
      data: { start: at + BLOCK, method: "stored" },
    });
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return entries;
}
