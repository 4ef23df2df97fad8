/**
 * Digests of a mailbox's messages in one file on the state volume, written only at its end.
 *
 * Layout (little-endian words of 32 bits): a head of eight, then for each digest its UID, its length in words,
 * a CRC-32 over both and the words, and the words. A record that does not fit its CRC ends what is believed;
 * the file is cut there, and what is missing is worked out again. A file of another UIDVALIDITY, or one that
 * is mostly of messages that are gone, is begun anew. Nothing is synced: a digest that is lost costs time.
 *
 * What memory holds of all such files is bounded by `SegmentCache`; a scan reads the rest from the file.
 */
import { existsSync, mkdirSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import type { Log } from "../../net/log.ts";
import type { MessageDigests } from "../mail-store.ts";
import type { SegmentCache } from "./segment-cache.ts";

/** "mkd1" */
const MAGIC = 0x31646b6d;
const HEAD_WORDS = 8;
/** UID, length, CRC. */
const FRAME_WORDS = 3;
/** No digest has more words. */
const MAX_WORDS = 64 * 1024;
/** Words of a segment are counted below this. */
const PLACE = 2 ** 20;
const WAITING = -1;
const SEGMENT_BYTES = 1024 * 1024;
/** Digests wait for their file up to this size. */
const MAX_PENDING_BYTES = 256 * 1024;
/** The file is begun anew when more than half of it, and this many, are of messages that are gone. */
const STALE = 1000;

export interface DigestFileOptions {
  readonly path: string;
  readonly cache: SegmentCache;
  readonly log: Log;
  /** What the digests belong to; asked when the file is first opened. */
  readonly identity: () => { readonly uidValidity: number; readonly guid: string; readonly messages: number };
}

interface Segment {
  readonly offset: number;
  readonly bytes: number;
}

export class DigestFile implements MessageDigests {
  closed = false;
  readonly #options: DigestFileOptions;
  #opening: Promise<void> | undefined;
  #isOpen = false;
  /** Where the record of each UID stands: segment × PLACE + word, or WAITING. */
  readonly #places = new Map<number, number>();
  #segments: Segment[] = [];
  readonly #loading = new Map<Segment, Promise<Uint32Array | undefined>>();
  /** Records that are not in the file yet, by UID. */
  readonly #pending = new Map<number, Uint32Array>();
  #pendingBytes = 0;
  #end = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: DigestFileOptions) {
    this.#options = options;
  }

  async begun(): Promise<boolean> {
    return this.#opening !== undefined || existsSync(this.#options.path);
  }

  async uids(): Promise<Pick<ReadonlySet<number>, "has" | "size">> {
    await this.#open();
    return this.#places;
  }

  /** The digest of one message; no promise where memory has it. */
  find(uid: number): Uint32Array | undefined | Promise<Uint32Array | undefined> {
    if (!this.#isOpen) return this.#open().then(() => (this.#isOpen ? this.find(uid) : undefined));
    const place = this.#places.get(uid);
    if (place === undefined) return undefined;
    if (place === WAITING) return this.#pending.get(uid)?.subarray(FRAME_WORDS);
    const segment = this.#segments[Math.floor(place / PLACE)]!;
    const words = this.#options.cache.get(segment);
    if (words !== undefined) return digestAt(words, place % PLACE, uid);
    return this.#load(segment).then((loaded) => loaded && digestAt(loaded, place % PLACE, uid));
  }

  /** A segment from the file, read once for all who wait for it; undefined where it is damaged. */
  #load(segment: Segment): Promise<Uint32Array | undefined> {
    let loading = this.#loading.get(segment);
    if (loading === undefined) {
      loading = this.#readSegment(segment).finally(() => this.#loading.delete(segment));
      this.#loading.set(segment, loading);
    }
    return loading;
  }
  async #readSegment(segment: Segment): Promise<Uint32Array | undefined> {
    const { path, cache } = this.#options;
    const file = await open(path, "r").catch(() => undefined);
    if (file === undefined) return undefined;
    try {
      const words = await readWords(file, segment.offset, segment.bytes);
      if (words.byteLength < segment.bytes || believable(words, () => undefined) < words.length)
        return undefined;
      cache.set(segment, words);
      return words;
    } finally {
      await file.close();
    }
  }

  async scan(visit: (uid: number, words: Uint32Array, at: number, length: number) => void): Promise<void> {
    await this.#open();
    for (const segment of [...this.#segments]) {
      let words = this.#options.cache.get(segment);
      if (words === undefined) {
        await turn();
        words = await this.#load(segment);
      }
      if (words !== undefined) walk(words, visit);
    }
    for (const record of [...this.#pending.values()]) walk(record, visit);
  }

  async keep(uid: number, digest: Uint32Array): Promise<void> {
    await this.#open();
    if (this.closed || this.#places.has(uid) || digest.length > MAX_WORDS) return;
    const record = new Uint32Array(FRAME_WORDS + digest.length);
    record[0] = uid;
    record[1] = digest.length;
    record.set(digest, FRAME_WORDS);
    record[2] = checksum(record, 0, digest.length);
    this.#places.set(uid, WAITING);
    this.#pending.set(uid, record);
    this.#pendingBytes += record.byteLength;
    if (this.#pendingBytes >= MAX_PENDING_BYTES) await this.#flush();
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.#opening === undefined) return;
    await this.#opening;
    while (this.#pending.size > 0) await this.#flush();
    for (const segment of this.#segments) this.#options.cache.delete(segment);
  }

  #open(): Promise<void> {
    if (this.closed && this.#opening === undefined) return Promise.resolve();
    this.#opening ??= this.#read().then(
      () => {
        this.#isOpen = true;
      },
      (error) => this.#fail(error),
    );
    return this.#opening;
  }

  async #read(): Promise<void> {
    const { path, cache, identity } = this.#options;
    const { uidValidity, guid, messages } = identity();
    if (!existsSync(path)) return this.#begin(uidValidity, guid);
    const file = await open(path, "r+");
    try {
      const head = await readWords(file, 0, 4 * HEAD_WORDS);
      if (head.length < HEAD_WORDS || head[0] !== MAGIC || head[1] !== uidValidity || head[2] !== crc32(guid))
        return await this.#begin(uidValidity, guid);
      const { size } = await file.stat();
      let records = 0;
      this.#end = 4 * HEAD_WORDS;
      while (this.#end < size) {
        const words = await readWords(file, this.#end, Math.min(SEGMENT_BYTES, size - this.#end));
        const number = this.#segments.length;
        const good = believable(words, (uid, at) => {
          records += 1;
          this.#places.set(uid, number * PLACE + at);
        });
        if (good === 0) break;
        const segment = { offset: this.#end, bytes: 4 * good };
        cache.set(segment, words.slice(0, good));
        this.#segments.push(segment);
        this.#end += segment.bytes;
        await turn();
      }
      if (records > 2 * messages + STALE) return await this.#begin(uidValidity, guid);
      if (this.#end < size) await file.truncate(this.#end);
    } finally {
      await file.close();
    }
  }

  /** An empty file of its own. */
  async #begin(uidValidity: number, guid: string): Promise<void> {
    const { path, cache } = this.#options;
    for (const segment of this.#segments) cache.delete(segment);
    this.#segments = [];
    this.#places.clear();
    const head = new Uint32Array(HEAD_WORDS);
    head.set([MAGIC, uidValidity, crc32(guid)]);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, "w", 0o600);
    try {
      await file.write(bytesOf(head));
    } finally {
      await file.close();
    }
    this.#end = 4 * HEAD_WORDS;
  }

  #flush(): Promise<void> {
    const writing = this.#writing.then(async () => {
      const records = this.#nextSegment();
      if (records.length === 0) return;
      const bytes = records.reduce((sum, [, record]) => sum + record.byteLength, 0);
      const segment = { offset: this.#end, bytes };
      const number = this.#segments.length;
      const words = new Uint32Array(segment.bytes / 4);
      let end = 0;
      const places = records.map(([uid, record]) => {
        const at = end;
        words.set(record, at);
        end += record.length;
        return [uid, number * PLACE + at] as const;
      });
      const file = await open(this.#options.path, "r+");
      try {
        await file.write(bytesOf(words), 0, segment.bytes, segment.offset);
      } finally {
        await file.close();
      }
      // Nothing was awaited since the file had them: a scan sees each record once.
      for (const [uid, place] of places) {
        this.#pending.delete(uid);
        this.#places.set(uid, place);
      }
      this.#pendingBytes -= segment.bytes;
      this.#segments.push(segment);
      this.#end += segment.bytes;
      this.#options.cache.set(segment, words);
    });
    this.#writing = writing.catch((error) => this.#fail(error));
    return this.#writing;
  }

  /** What waits, up to the size of a segment. */
  #nextSegment(): readonly (readonly [uid: number, record: Uint32Array])[] {
    const records: (readonly [number, Uint32Array])[] = [];
    let bytes = 0;
    for (const entry of this.#pending) {
      bytes += entry[1].byteLength;
      if (bytes > SEGMENT_BYTES) break;
      records.push(entry);
    }
    return records;
  }

  /** Without a file there are no digests; searches read the messages. */
  #fail(error: unknown): void {
    if (!this.closed)
      this.#options.log.warn({ err: error, path: this.#options.path }, "no index of texts can be kept");
    this.closed = true;
    this.#isOpen = false;
    this.#pending.clear();
    this.#pendingBytes = 0;
    this.#segments = [];
    this.#places.clear();
  }
}

async function readWords(file: FileHandle, offset: number, bytes: number): Promise<Uint32Array> {
  const buffer = new Uint8Array(bytes & ~3);
  let at = 0;
  while (at < buffer.length) {
    const { bytesRead } = await file.read(buffer, at, buffer.length - at, offset + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return new Uint32Array(buffer.buffer, 0, at >> 2);
}
function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

function checksum(words: Uint32Array, at: number, length: number): number {
  const frame = new Uint8Array(words.buffer, words.byteOffset + 4 * at, 8);
  const body = new Uint8Array(words.buffer, words.byteOffset + 4 * (at + FRAME_WORDS), 4 * length);
  return crc32(body, crc32(frame));
}

/** How many words from the start are whole and undamaged records. */
function believable(words: Uint32Array, each: (uid: number, at: number) => void): number {
  let at = 0;
  while (at + FRAME_WORDS <= words.length) {
    const length = words[at + 1]!;
    if (length > MAX_WORDS || at + FRAME_WORDS + length > words.length) break;
    if (checksum(words, at, length) !== words[at + 2]) break;
    each(words[at]!, at);
    at += FRAME_WORDS + length;
  }
  return at;
}

function digestAt(words: Uint32Array, at: number, uid: number): Uint32Array | undefined {
  if (words[at] !== uid) return undefined;
  return words.subarray(at + FRAME_WORDS, at + FRAME_WORDS + words[at + 1]!);
}

function walk(
  words: Uint32Array,
  visit: (uid: number, words: Uint32Array, at: number, length: number) => void,
): void {
  for (let at = 0; at < words.length; ) {
    const length = words[at + 1]!;
    visit(words[at]!, words, at + FRAME_WORDS, length);
    at += FRAME_WORDS + length;
  }
}

/** Bytes as a digest: how many, then they. */
export function packBytes(bytes: Buffer): Uint32Array {
  const words = new Uint32Array(1 + Math.ceil(bytes.length / 4));
  words[0] = bytes.length;
  new Uint8Array(words.buffer, 4).set(bytes);
  return words;
}
/** The bytes again; a view, not a copy. */
export function packedBytes(words: Uint32Array): Buffer {
  return Buffer.from(words.buffer as ArrayBuffer, words.byteOffset + 4, words[0]);
}
