/** What a file is by its first bytes, and what an archive says it contains (PKWARE APPNOTE 4.3.7). */

export type FileKind = "executable" | "zip" | "rar" | "7z" | "ole" | "pdf" | "image" | "other";

const signatures: readonly (readonly [kind: FileKind, at: number, bytes: Buffer])[] = [
  ["executable", 0, Buffer.from("MZ")],
  ["executable", 0, Buffer.from("\x7fELF", "latin1")],
  ["executable", 0, Buffer.from("cffaedfe", "hex")],
  ["executable", 0, Buffer.from("cefaedfe", "hex")],
  // A Windows shortcut: its header's length and class id.
  ["executable", 0, Buffer.from("4c0000000114020000000000c0000000", "hex")],
  ["zip", 0, Buffer.from("PK\x03\x04", "latin1")],
  ["rar", 0, Buffer.from("Rar!\x1a\x07", "latin1")],
  ["7z", 0, Buffer.from("377abcaf271c", "hex")],
  ["ole", 0, Buffer.from("d0cf11e0a1b11ae1", "hex")],
  ["pdf", 0, Buffer.from("%PDF-")],
  ["image", 0, Buffer.from("ffd8ff", "hex")],
  ["image", 0, Buffer.from("89504e47", "hex")],
  ["image", 0, Buffer.from("GIF8")],
];

/** The kind of a file that begins with these bytes. */
export function kindOfFile(head: Buffer): FileKind {
  for (const [kind, at, bytes] of signatures)
    if (head.subarray(at, at + bytes.length).equals(bytes)) return kind;
  return "other";
}

export interface ZipEntry {
  readonly name: string;
  readonly encrypted: boolean;
}
/** Most entries that are listed. */
export const MAX_ENTRIES = 500;
const LOCAL_HEADER = Buffer.from("PK\x03\x04", "latin1");

/** The entries whose local headers lie in these bytes; nothing is unpacked. */
export function zipEntries(head: Buffer): ZipEntry[] {
  const entries: ZipEntry[] = [];
  for (
    let at = head.indexOf(LOCAL_HEADER);
    at >= 0 && at + 30 <= head.length && entries.length < MAX_ENTRIES;
  ) {
    const flags = head.readUInt16LE(at + 6);
    const nameEnd = at + 30 + head.readUInt16LE(at + 26);
    entries.push({ name: head.toString("utf8", at + 30, nameEnd), encrypted: (flags & 1) === 1 });
    // With bit 3 the length stands behind the data: the next header is looked for.
    const length = (flags & 8) === 0 ? head.readUInt32LE(at + 18) : 0;
    at = head.indexOf(LOCAL_HEADER, nameEnd + head.readUInt16LE(at + 28) + length);
  }
  return entries;
}
