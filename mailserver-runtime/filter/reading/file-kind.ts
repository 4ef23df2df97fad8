/** What a file is by its first bytes. */

export type FileKind =
  | "executable"
  | "zip"
  | "rar"
  | "7z"
  | "gzip"
  | "tar"
  | "disk image"
  | "onenote"
  | "ole"
  | "rtf"
  | "pdf"
  | "image"
  | "other";

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
  ["gzip", 0, Buffer.from("1f8b08", "hex")],
  ["tar", 257, Buffer.from("ustar")],
  ["disk image", 0x8001, Buffer.from("CD001")],
  ["disk image", 0, Buffer.from("vhdxfile")],
  ["onenote", 0, Buffer.from("e4525c7b8cd8a74daeb15378d02996d3", "hex")],
  ["rtf", 0, Buffer.from("{\\rt")],
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
