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
  readonly #uids = new Set<number>();
  #segments: Segment[] = [];
  /** Records that are not in the file yet. */
  #pending: Uint32Array[] = [];
  #pendingBytes = 0;
  #end = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: DigestFileOptions) {
    this.#options = options;
  }

  async begun(): Promise<boolean> {
    return this.#opening !== undefined || existsSync(this.#options.path);
  }

  async uids(): Promise<ReadonlySet<number>> {
    await this.#open();
    return this.#uids;
  }

  async scan(visit: (uid: number, words: Uint32Array, at: number, length: number) => void): Promise<void> {
    await this.#open();
    const { cache, path } = this.#options;
    let file: FileHandle | undefined;
    try {
      for (const segment of [...this.#segments]) {
        let words = cache.get(segment);
        if (words === undefined) {
          await turn();
          file ??= await open(path, "r");
          words = await readWords(file, segment.offset, segment.bytes);
          if (believable(words, () => undefined) < words.length) continue;
          cache.set(segment, words);
        }
        walk(words, visit);
      }
    } finally {
      await file?.close();
    }
    for (const record of [...this.#pending]) walk(record, visit);
  }

  async keep(uid: number, digest: Uint32Array): Promise<void> {
    await this.#open();
    if (this.closed || this.#uids.has(uid) || digest.length > MAX_WORDS) return;
    const record = new Uint32Array(FRAME_WORDS + digest.length);
    record[0] = uid;
    record[1] = digest.length;
    record.set(digest, FRAME_WORDS);
    record[2] = checksum(record, 0, digest.length);
    this.#uids.add(uid);
    this.#pending.push(record);
    this.#pendingBytes += record.byteLength;
    if (this.#pendingBytes >= MAX_PENDING_BYTES) await this.#flush();
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.#opening === undefined) return;
    await this.#opening;
    await this.#flush();
    for (const segment of this.#segments) this.#options.cache.delete(segment);
  }

  #open(): Promise<void> {
    if (this.closed && this.#opening === undefined) return Promise.resolve();
    this.#opening ??= this.#read().catch((error) => this.#fail(error));
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
        const good = believable(words, (uid) => {
          records += 1;
          this.#uids.add(uid);
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
    this.#uids.clear();
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
      const records = [...this.#pending];
      if (records.length === 0) return;
      const segment = { offset: this.#end, bytes: this.#pendingBytes };
      const words = new Uint32Array(segment.bytes / 4);
      let at = 0;
      for (const record of records) {
        words.set(record, at);
        at += record.length;
      }
      const file = await open(this.#options.path, "r+");
      try {
        await file.write(bytesOf(words), 0, segment.bytes, segment.offset);
      } finally {
        await file.close();
      }
      // Nothing was awaited since the file had them: a scan sees each record once.
      this.#pending = this.#pending.slice(records.length);
      this.#pendingBytes -= segment.bytes;
      this.#segments.push(segment);
      this.#end += segment.bytes;
      this.#options.cache.set(segment, words);
    });
    this.#writing = writing.catch((error) => this.#fail(error));
    return this.#writing;
  }

  /** Without a file there are no digests; searches read the messages. */
  #fail(error: unknown): void {
    if (!this.closed)
      this.#options.log.warn({ err: error, path: this.#options.path }, "no index of texts can be kept");
    this.closed = true;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#segments = [];
    this.#uids.clear();
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
function believable(words: Uint32Array, each: (uid: number) => void): number {
  let at = 0;
  while (at + FRAME_WORDS <= words.length) {
    const length = words[at + 1]!;
    if (length > MAX_WORDS || at + FRAME_WORDS + length > words.length) break;
    if (checksum(words, at, length) !== words[at + 2]) break;
    each(words[at]!);
    at += FRAME_WORDS + length;
  }
  return at;
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
