/** What a 7z archive tells without being unpacked (7zFormat.txt): whether it is encrypted, and names where its header is plain. */
import { type ArchiveEntry, MAX_ENTRIES } from "./entry.ts";

/** The method id of AES-256 with SHA-256. */
const AES = Buffer.from("06f10701", "hex");
const NAMES = 0x11;

export function sevenZipEntries(file: Buffer): ArchiveEntry[] {
  if (file.length < 32) return [];
  const start = 32 + Number(file.readBigUInt64LE(12));
  const header = file.subarray(start, start + Number(file.readBigUInt64LE(20)));
  const encrypted = header.includes(AES);
  // 0x17: the header is packed itself.
  const names = header[0] === 1 ? namesIn(header) : [];
  const entries = names.length === 0 && encrypted ? [""] : names;
  return entries.map((name) => ({ name, encrypted, packed: undefined, unpacked: undefined }));
}

/**
 * Names are UTF-16 with a NUL after each, behind their property's id, its size and one byte 0. Other properties hold any
 * bytes, so the place is one whose size leads to the last name's end.
 */
function namesIn(header: Buffer): string[] {
  for (let at = header.indexOf(NAMES); at >= 0; at = header.indexOf(NAMES, at + 1)) {
    const first = header[at + 1] ?? 0;
    const [begin, size] =
      first < 0x80 ? [at + 2, first] : [at + 3, ((first & 0x3f) << 8) | (header[at + 2] ?? 0)];
    const end = begin + size;
    const isThere = size > 4 && size % 2 === 1 && header[begin] === 0 && end <= header.length;
    if (!isThere || header.readUInt16LE(end - 2) !== 0) continue;
    return header
      .toString("utf16le", begin + 1, end)
      .split("\0")
      .slice(0, MAX_ENTRIES)
      .filter((name) => /^[^\p{Cc}]{1,255}$/u.test(name));
  }
  return [];
}
