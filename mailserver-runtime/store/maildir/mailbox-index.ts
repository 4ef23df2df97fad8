/**
 * The index of a mailbox on the state volume: its whole state as it was at the last calm moment, so that
 * opening it again reads one file instead of listing a folder and looking at every message.
 *
 * Layout: one line, the CRC-32 of the rest of it in eight hexadecimal digits and JSON (padded with spaces to a multiple of
 * 8); then the columns as they lie in memory (little-endian), then the packed names, whose CRC-32s stand in the line. It only accelerates: a file that is
 * absent, damaged or older than the folder is not believed, and nothing is lost with it.
 *
 * What it says is current when the mailbox's MODSEQ ceiling equals its highest MODSEQ (so nothing changed by
 * us since) and the times of the folders and of Dovecot's files are those it was made with (nothing by others).
 */
import { mkdirSync } from "node:fs";
import { open, rename, stat, unlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import type { MailboxView } from "../mail-store.ts";
import { errorCode } from "./durable.ts";
import type { MailboxState } from "./mailbox-state.ts";
import type { PackedNames } from "./message-files.ts";

const VERSION = 2;
const CRC_DIGITS = 8;
/** No header is longer. */
const MAX_HEADER = 16 * 1024;

/** Identity and time of what the index was made from. */
export interface Stamps {
  readonly list: string;
  readonly keywords: string;
  readonly cur: string;
  readonly new: string;
  /** Every time lies far enough behind that a later change cannot have the same. */
  readonly settled: boolean;
}

interface Header {
  readonly mailkeepIndex: number;
  readonly uidValidity: number;
  readonly guid: string;
  readonly count: number;
  readonly expungedCount: number;
  readonly uidNext: number;
  readonly highestModSeq: number;
  readonly rememberedFrom: number;
  readonly records: number;
  readonly keywords: readonly string[];
  readonly stamps: Stamps;
  readonly nameBytes: number;
  readonly columnsCrc: number;
  readonly namesCrc: number;
}

export interface MailboxIndex {
  readonly uidValidity: number;
  readonly guid: string;
  readonly view: MailboxView;
  readonly names: PackedNames;
  readonly expunged: { readonly uid: number; readonly modSeq: number }[];
  readonly rememberedFrom: number;
  readonly records: number;
  readonly stamps: Stamps;
}

export async function stampsOf(directory: string): Promise<Stamps> {
  let newest = 0;
  const now = Date.now();
  const [list, keywords, cur, inNew] = await Promise.all(
    ["dovecot-uidlist", "dovecot-keywords", "cur", "new"].map(async (name) => {
      try {
        const stats = await stat(`${directory}/${name}`, { bigint: true });
        newest = Math.max(newest, Number(stats.mtimeMs));
        return `${stats.ino} ${stats.size} ${stats.mtimeNs}`;
      } catch (error) {
        if (errorCode(error) === "ENOENT" && name.startsWith("dovecot")) return "absent";
        throw error;
      }
    }),
  );
  return { list: list!, keywords: keywords!, cur: cur!, new: inNew!, settled: now - newest > 20 };
}

/** The index, or undefined when there is none to believe. */
export async function readIndex(path: string): Promise<MailboxIndex | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readWhole(path);
  } catch {
    // Absent or unreadable: the folder itself is read.
    return undefined;
  }
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

/** In one read: in pieces, as `readFile` does it, a large index waits for a busy machine twenty times. */
async function readWhole(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const bytes = Buffer.allocUnsafeSlow(size);
    const { bytesRead } = await file.read(bytes, 0, size, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function decode(bytes: Buffer): MailboxIndex | undefined {
  const headerEnd = bytes.subarray(0, MAX_HEADER).indexOf(10) + 1;
  if (headerEnd === 0 || headerEnd % 8 !== 0) return undefined;
  const text = bytes.subarray(CRC_DIGITS, headerEnd);
  if (Number.parseInt(bytes.toString("latin1", 0, CRC_DIGITS), 16) !== crc32(text)) return undefined;
  const header = JSON.parse(text.toString("utf8")) as Header;
  if (header.mailkeepIndex !== VERSION) return undefined;
  const { count, expungedCount, nameBytes } = header;
  const columnBytes = columnLength(count, expungedCount);
  const namesAt = headerEnd + columnBytes;
  if (bytes.length !== namesAt + nameBytes) return undefined;
  const columns = bytes.subarray(headerEnd, namesAt);
  const names = bytes.subarray(namesAt);
  if (crc32(columns) !== header.columnsCrc || crc32(names) !== header.namesCrc) return undefined;
  // A large Buffer has an ArrayBuffer of its own, aligned; a small one may lie anywhere in a shared one.
  const aligned = columns.byteOffset % 8 === 0 ? columns : Buffer.from(new Uint8Array(columns).buffer);
  let at = aligned.byteOffset;
  const f64 = (length: number): Float64Array => {
    const column = new Float64Array(aligned.buffer, at, length);
    at += 8 * length;
    return column;
  };
  const u32 = (length: number): Uint32Array => {
    const column = new Uint32Array(aligned.buffer, at, length);
    at += 4 * length;
    return column;
  };
  const modSeqs = f64(count);
  const sizes = f64(count);
  const dates = f64(count);
  const expungedModSeqs = f64(expungedCount);
  const uids = u32(count);
  const flags = u32(count);
  const offsets = u32(count + 1);
  const expungedUids = u32(expungedCount);
  const { keywords, highestModSeq, uidNext } = header;
  return {
    uidValidity: header.uidValidity,
    guid: header.guid,
    view: { count, uids, flags, modSeqs, sizes, dates, keywords, highestModSeq, uidNext },
    names: { uids, offsets, bytes: names },
    expunged: Array.from(expungedUids, (uid, i) => ({ uid, modSeq: expungedModSeqs[i]! })),
    rememberedFrom: header.rememberedFrom,
    records: header.records,
    stamps: header.stamps,
  };
}
function columnLength(count: number, expungedCount: number): number {
  return 8 * (3 * count + expungedCount) + 4 * (2 * count + count + 1 + expungedCount);
}

/** Writes the state as it is now; `stamps` are those of the disk at the same moment. */
export async function writeIndex(path: string, state: MailboxState, stamps: Stamps): Promise<void> {
  const { view } = state;
  const { count } = view;
  const names = state.files.pack(view.uids.subarray(0, count));
  const parts: ArrayBufferView[] = [
    view.modSeqs.subarray(0, count),
    view.sizes.subarray(0, count),
    view.dates.subarray(0, count),
    Float64Array.from(state.expunged, (entry) => entry.modSeq),
    view.uids.subarray(0, count),
    view.flags.subarray(0, count),
    names.offsets,
    Uint32Array.from(state.expunged, (entry) => entry.uid),
  ];
  const columns = Buffer.concat(
    parts.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength)),
  );
  const header: Header = {
    mailkeepIndex: VERSION,
    uidValidity: state.uidValidity,
    guid: state.guid,
    count,
    expungedCount: state.expunged.length,
    uidNext: view.uidNext,
    highestModSeq: view.highestModSeq,
    rememberedFrom: state.rememberedFrom,
    records: state.records,
    keywords: view.keywords,
    stamps,
    nameBytes: names.bytes.length,
    columnsCrc: crc32(columns),
    namesCrc: crc32(names.bytes),
  };
  const line = JSON.stringify(header);
  const length = CRC_DIGITS + Buffer.byteLength(line) + 1;
  const rest = `${line}${" ".repeat((8 - (length % 8)) % 8)}\n`;
  const padded = crc32(rest).toString(16).padStart(CRC_DIGITS, "0") + rest;
  if (Buffer.byteLength(padded) > MAX_HEADER) return;
  const temporary = `${path}.${process.pid}.tmp`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeFile(temporary, [Buffer.from(padded), columns, names.bytes], { mode: 0o600 });
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

/** Sizes and dates by base name of an index that is no longer current: looking at files again is spared. */
export function factsFrom(index: MailboxIndex): Map<string, { size: number; date: number }> {
  const facts = new Map<string, { size: number; date: number }>();
  const { offsets, bytes } = index.names;
  for (let i = 0; i < index.view.count; i++) {
    const file = bytes.toString("latin1", offsets[i]! + 4, offsets[i + 1]!);
    const colon = file.indexOf(":");
    facts.set(colon < 0 ? file : file.slice(0, colon), {
      size: index.view.sizes[i]!,
      date: index.view.dates[i]!,
    });
  }
  return facts;
}
