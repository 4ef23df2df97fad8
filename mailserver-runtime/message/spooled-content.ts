/**
 * A message's bytes while they arrive: in memory as long as they are few, then in a spool file of their own.
 *
 * A SpoolWriter takes pieces as the network gives them. Up to `memoryLimit` bytes stay in Buffers and become
 * a `memoryContent`; beyond, everything goes to a file and memory holds only what has not been written yet.
 * The file is a help for the time between arrival and store, not a promise: who makes the message durable
 * syncs it. Files that a dead process left are removed at start by `clearSpool`.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type MessageContent, memoryContent } from "./content.ts";

export interface SpoolOptions {
  /** Where the files lie; on the volume of queue or mail, so that they can be linked there. */
  readonly directory: string;
  /** Bytes of one message kept in memory. Default 256 KiB. */
  readonly memoryLimit?: number;
}

const MEMORY_LIMIT = 262_144;
/**
 * Bytes that all messages on their way in may hold together; beyond, those above `SCARCE_LIMIT` go to their
 * files at once, so that ten thousand clients with a quarter of a megabyte each fill the disk's cache and not us.
 */
const MEMORY_BUDGET = 67_108_864;
const SCARCE_LIMIT = 16_384;
let heldByAll = 0;
/** Bytes collected before they are written together. */
const WRITE_SIZE = 131_072;
/** Pieces below this are packed together: a peer that sends single bytes must not make us hold objects. */
const SMALL = 2048;
const PACK = 16_384;
const CHUNK = 65_536;
const NAME = /^incoming-[0-9a-f]{24}$/;

/** Makes the spool directory, and removes what an earlier process left in it. */
export async function clearSpool(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of await readdir(directory)) if (NAME.test(name)) await unlink(join(directory, name));
}

/** Collects one message. Exactly one of `finish` and `discard` ends it. */
export class SpoolWriter {
  /** Bytes taken so far. */
  size = 0;
  #options: SpoolOptions;
  #pieces: Buffer[] = [];
  #held = 0;
  #pack: Buffer | undefined;
  #packUsed = 0;
  #file: FileHandle | undefined;
  #path = "";
  #written = 0;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /** Takes a piece, without a copy where it is large; it must not be changed afterwards. */
  add(piece: Buffer): void {
    if (piece.length === 0) return;
    this.size += piece.length;
    this.#hold(this.#held + piece.length);
    if (piece.length >= SMALL || this.#pieces.length === 0) {
      this.#pieces.push(piece);
      this.#pack = undefined;
      return;
    }
    if (this.#pack === undefined || this.#packUsed + piece.length > PACK) {
      this.#pack = Buffer.allocUnsafeSlow(PACK);
      this.#packUsed = 0;
      this.#pieces.push(this.#pack.subarray(0, 0));
    }
    this.#packUsed += piece.copy(this.#pack, this.#packUsed);
    this.#pieces[this.#pieces.length - 1] = this.#pack.subarray(0, this.#packUsed);
  }

  /** Whether `relieve` has something to do; asking is free, so that small messages never wait. */
  get full(): boolean {
    if (this.#file !== undefined) return this.#held >= WRITE_SIZE;
    const limit = this.#options.memoryLimit ?? MEMORY_LIMIT;
    return this.#held > (heldByAll > MEMORY_BUDGET ? Math.min(limit, SCARCE_LIMIT) : limit);
  }
  /** Writes out what memory should not hold. Throws what the file system throws (ENOSPC, EIO, ...). */
  async relieve(): Promise<void> {
    if (this.full) await this.#write();
  }

  /** The whole message, with what the caller saw of its line ends. Throws what the file system throws; then nothing is left behind. */
  async finish(lineEnds?: "crlf"): Promise<MessageContent> {
    if (this.#file === undefined) {
      this.#hold(0);
      const [only] = this.#pieces;
      return memoryContent(
        this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces),
        lineEnds,
      );
    }
    try {
      await this.#write();
    } catch (error) {
      await this.discard();
      throw error;
    }
    return new SpooledContent(this.#file, this.#path, this.size, lineEnds);
  }
  /** Throws everything away. Never throws. */
  async discard(): Promise<void> {
    this.#pieces = [];
    this.#hold(0);
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    await unlink(this.#path).catch(ignore);
    await file.close().catch(ignore);
  }

  #hold(bytes: number): void {
    heldByAll += bytes - this.#held;
    this.#held = bytes;
  }
  async #write(): Promise<void> {
    if (this.#file === undefined) {
      const path = join(this.#options.directory, `incoming-${randomBytes(12).toString("hex")}`);
      this.#file = await open(path, "wx+", 0o600);
      this.#path = path;
    }
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#pack = undefined;
    this.#hold(0);
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes === 0) return;
    const { bytesWritten } = await this.#file.writev(pieces, this.#written);
    if (bytesWritten < bytes) {
      // A short write is what a full disk gives first; the rest brings the error or succeeds.
      const rest = Buffer.concat(pieces).subarray(bytesWritten);
      for (let at = 0; at < rest.length; ) {
        const position = this.#written + bytesWritten + at;
        at += (await this.#file.write(rest, at, rest.length - at, position)).bytesWritten;
      }
    }
    this.#written += bytes;
  }
}

/** A message in a spool file. The file goes at `dispose`; its bytes stay readable until the last read has ended. */
export class SpooledContent implements MessageContent {
  readonly size: number;
  readonly buffer = undefined;
  readonly lineEnds: "crlf" | undefined;
  /** The file, for who can link it instead of copying. */
  readonly path: string;
  #file: FileHandle;
  #readers = 0;
  #disposed = false;

  constructor(file: FileHandle, path: string, size: number, lineEnds?: "crlf") {
    this.#file = file;
    this.path = path;
    this.size = size;
    this.lineEnds = lineEnds;
  }

  async *chunks(start = 0, end = this.size): AsyncIterable<Buffer> {
    this.#enter();
    try {
      const stop = Math.min(end, this.size);
      for (let at = start; at < stop; ) {
        const chunk = await this.#readAt(at, Math.min(CHUNK, stop - at));
        yield chunk;
        at += chunk.length;
      }
    } finally {
      await this.#leave();
    }
  }
  async read(start: number, length: number): Promise<Buffer> {
    this.#enter();
    try {
      return await this.#readAt(start, Math.max(0, Math.min(length, this.size - start)));
    } finally {
      await this.#leave();
    }
  }
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await unlink(this.path).catch(ignore);
    if (this.#readers === 0) await this.#file.close().catch(ignore);
  }

  async #readAt(start: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#file.read(buffer, filled, length - filled, start + filled);
      if (bytesRead === 0) throw new Error(`spool file ${this.path} is shorter than what was written`);
      filled += bytesRead;
    }
    return buffer;
  }
  #enter(): void {
    if (this.#disposed && this.#readers === 0) throw new Error("the spooled message has been disposed of");
    this.#readers++;
  }
  async #leave(): Promise<void> {
    this.#readers--;
    if (this.#disposed && this.#readers === 0) await this.#file.close().catch(ignore);
  }
}
function ignore(): void {}
