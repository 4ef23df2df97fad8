/**
 * The index of a mailbox on the state volume: its whole state as it was at the last calm moment, so that
 * opening it again reads one file instead of listing a folder and looking at every message.
 *
 * Layout: one line, the CRC-32 of the rest of it in eight hexadecimal digits and JSON (padded with spaces to a multiple of
 * 8); then the columns as they lie in memory (little-endian), then the packed names, whose CRC-32s stand in the line. Opening
 * reads all but the names, which are most of it. It only accelerates: a file that is absent, damaged or older than the folder
 * is not believed, and nothing is lost with it.
 *
 * What it says is current when the mailbox's MODSEQ ceiling equals its highest MODSEQ (so nothing changed by
 * us since) and the times of the folders and of Dovecot's files are those it was made with (nothing by others).
 */
import { closeSync, fstatSync, mkdirSync, openSync, readSync } from "node:fs";
import { rename, stat, unlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { Flag, type MailboxView } from "../mail-store.ts";
import { errorCode } from "./durable.ts";
import type { MailboxState } from "./mailbox-state.ts";
import { namesAtHand, type PackedNames } from "./message-files.ts";

const VERSION = 3;
const CRC_DIGITS = 8;
/** No header is longer. */
const MAX_HEADER = 16 * 1024;
/** Columns are read in pieces of this size, so that a large mailbox holds nobody up. */
const PIECE = 1024 * 1024;

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
  /** Messages whose file lies in `new`. */
  readonly newCount: number;
  /** No message is \Recent. */
  readonly isSeen: boolean;
  readonly nameBytes: number;
  readonly columnsCrc: number;
  readonly namesCrc: number;
}

export interface MailboxIndex {
  readonly uidValidity: number;
  readonly guid: string;
  readonly view: MailboxView;
  /** Reads the names; undefined where they are damaged or gone. */
  readonly names: () => PackedNames | undefined;
  /** UIDs of the messages whose file lies in `new`. */
  readonly inNew: Uint32Array;
  readonly isSeen: boolean;
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
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    // Absent or unreadable: the folder itself is read.
    return undefined;
  }
  try {
    return await decode(path, fd);
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** What the page cache has is read sooner here than a thread of the pool wakes up. */
function readAt(fd: number, bytes: Buffer, position: number): boolean {
  return readSync(fd, bytes, 0, bytes.length, position) === bytes.length;
}

async function decode(path: string, fd: number): Promise<MailboxIndex | undefined> {
  const { size } = fstatSync(fd);
  const start = Buffer.allocUnsafe(Math.min(size, MAX_HEADER));
  if (!readAt(fd, start, 0)) return undefined;
  const headerEnd = start.indexOf(10) + 1;
  if (headerEnd === 0 || headerEnd % 8 !== 0) return undefined;
  const text = start.subarray(CRC_DIGITS, headerEnd);
  if (Number.parseInt(start.toString("latin1", 0, CRC_DIGITS), 16) !== crc32(text)) return undefined;
  const header = JSON.parse(text.toString("utf8")) as Header;
  if (header.mailkeepIndex !== VERSION) return undefined;
  const { count, expungedCount, newCount, nameBytes } = header;
  const columnBytes = columnLength(header);
  const namesAt = headerEnd + columnBytes;
  if (size !== namesAt + 4 * (count + 1) + nameBytes) return undefined;
  const columns = Buffer.allocUnsafeSlow(columnBytes);
  let crc = 0;
  for (let at = 0; at < columnBytes; at += PIECE) {
    if (at > 0) await turn();
    const piece = columns.subarray(at, Math.min(at + PIECE, columnBytes));
    if (!readAt(fd, piece, headerEnd + at)) return undefined;
    crc = crc32(piece, crc);
  }
  if (crc !== header.columnsCrc) return undefined;
  // A Buffer of its own begins where its ArrayBuffer does, so every column is aligned.
  let at = columns.byteOffset;
  const f64 = (length: number): Float64Array => {
    const column = new Float64Array(columns.buffer, at, length);
    at += 8 * length;
    return column;
  };
  const u32 = (length: number): Uint32Array => {
    const column = new Uint32Array(columns.buffer, at, length);
    at += 4 * length;
    return column;
  };
  const modSeqs = f64(count);
  const sizes = f64(count);
  const dates = f64(count);
  const expungedModSeqs = f64(expungedCount);
  const uids = u32(count);
  const flags = u32(count);
  const expungedUids = u32(expungedCount);
  const inNew = u32(newCount);
  const { keywords, highestModSeq, uidNext } = header;
  return {
    uidValidity: header.uidValidity,
    guid: header.guid,
    view: { count, uids, flags, modSeqs, sizes, dates, keywords, highestModSeq, uidNext },
    names: () => readNames(path, uids, { at: namesAt, bytes: nameBytes, crc: header.namesCrc }),
    inNew,
    isSeen: header.isSeen,
    expunged: Array.from(expungedUids, (uid, i) => ({ uid, modSeq: expungedModSeqs[i]! })),
    rememberedFrom: header.rememberedFrom,
    records: header.records,
    stamps: header.stamps,
  };
}
function columnLength({ count, expungedCount, newCount }: Header): number {
  return 8 * (3 * count + expungedCount) + 4 * (2 * count + expungedCount + newCount);
}

/** The file may be another one by now, or none: only names with this CRC-32 are those of the columns. */
function readNames(
  path: string,
  uids: Uint32Array,
  names: { readonly at: number; readonly bytes: number; readonly crc: number },
): PackedNames | undefined {
  const offsetBytes = 4 * (uids.length + 1);
  const all = Buffer.allocUnsafeSlow(offsetBytes + names.bytes);
  try {
    const fd = openSync(path, "r");
    try {
      if (!readAt(fd, all, names.at) || crc32(all) !== names.crc) return undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
  const offsets = new Uint32Array(all.buffer, all.byteOffset, uids.length + 1);
  return { uids, offsets, bytes: all.subarray(offsetBytes) };
}

/** Writes the state as it is now; `stamps` are those of the disk at the same moment. */
export async function writeIndex(path: string, state: MailboxState, stamps: Stamps): Promise<void> {
  const { view } = state;
  const { count } = view;
  const names = state.files.pack(view.uids.subarray(0, count));
  const inNew = Uint32Array.from(namesAtHand(names).inNew);
  const parts: ArrayBufferView[] = [
    view.modSeqs.subarray(0, count),
    view.sizes.subarray(0, count),
    view.dates.subarray(0, count),
    Float64Array.from(state.expunged, (entry) => entry.modSeq),
    view.uids.subarray(0, count),
    view.flags.subarray(0, count),
    Uint32Array.from(state.expunged, (entry) => entry.uid),
    inNew,
  ];
  const columns = Buffer.concat(parts.map(bytesOf));
  const packed = Buffer.concat([bytesOf(names.offsets), names.bytes]);
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
    newCount: inNew.length,
    isSeen: !view.flags.subarray(0, count).some((flags) => (flags & Flag.Recent) !== 0),
    nameBytes: names.bytes.length,
    columnsCrc: crc32(columns),
    namesCrc: crc32(packed),
  };
  const line = JSON.stringify(header);
  const length = CRC_DIGITS + Buffer.byteLength(line) + 1;
  const rest = `${line}${" ".repeat((8 - (length % 8)) % 8)}\n`;
  const padded = crc32(rest).toString(16).padStart(CRC_DIGITS, "0") + rest;
  if (Buffer.byteLength(padded) > MAX_HEADER) return;
  const temporary = `${path}.${process.pid}.tmp`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeFile(temporary, [Buffer.from(padded), columns, packed], { mode: 0o600 });
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

function bytesOf(part: ArrayBufferView): Uint8Array {
  return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
}

/** Sizes and dates by base name of an index that is no longer current: looking at files again is spared. */
export function factsFrom(index: MailboxIndex): Map<string, { size: number; date: number }> {
  const facts = new Map<string, { size: number; date: number }>();
  const names = index.names();
  if (names === undefined) return facts;
  const { offsets, bytes } = names;
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
