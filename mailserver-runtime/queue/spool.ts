/**
 * The spool: one directory of plain files, which may be copied, and no other state.
 *
 *     <id>            header line (JSON), prefix, content: written once, never changed
 *     <id>.journal    a line of JSON for everything that has happened to the message since
 *     departed        messages that are delivered and whose files are still to be removed (departures.ts)
 *     <id>.new        a message being written; whatever has this name after a crash was never acknowledged
 *
 * Order makes it durable: write and sync `<id>.new`, rename it to `<id>`, wait for a sync of the directory that began
 * after the rename. A journal is only ever appended to; a line cut off by a crash is passed over. A message leaves by the
 * removal of `<id>`, and its journal afterwards. A sync that fails is final for that file: the message is refused, and the
 * bytes are never trusted again.
 */
import { randomBytes } from "node:crypto";
import { appendFileSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { type FileHandle, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { fullDisk, isFull } from "../disk/full-disk.ts";
import { syncFailures } from "../disk/sync-failures.ts";
import type { MessageContent } from "../message/content.ts";
import { ContentScan } from "./content-scan.ts";
import { Departures } from "./departures.ts";
import { DirectorySync, makeDirectory } from "./directory-sync.ts";
import {
  type JournalRecord,
  type MessageState,
  parseHeader,
  parseJournal,
  replay,
  type StoredHeader,
} from "./message-state.ts";
import type { QueueSubmission } from "./queue.ts";

export type QueueProblem =
  | "no recipients"
  | "stray line end" // a CR or LF that is not part of a CRLF: never sent, so never taken
  | "disk full"
  | "storage" // the disk failed
  | "closed";
export class QueueError extends Error {
  override name = "QueueError";
  readonly problem: QueueProblem;
  constructor(problem: QueueProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

/** What the log says of a message that is queued. */
export function queuedFields(
  { id, envelope, contentSize, account }: StoredHeader,
  { cause }: QueueSubmission,
): object {
  const { from, recipients } = envelope;
  return { event: "queued", id, cause, from, recipients: recipients.length, size: contentSize, account };
}

const CHUNK_BYTES = 64 * 1024;
/** Read at once of a message's file: the header line, and most messages whole. */
const FRONT_BYTES = 16 * 1024;
/** Read at once where only the header line is wanted. */
const HEADER_BYTES = 2 * 1024;
/** A header with 1,000 long recipients stays far below. */
const MAX_HEADER_LINE = 8 * 1024 * 1024;
const ID = /^[0-9a-z]{9}-[0-9a-f]{10}$/;

/** A message as it was read. */
export interface Loaded {
  readonly state: MessageState;
  /** Prefix and content, where they were small enough to come along. */
  readonly bytes: Buffer | undefined;
}

export class Spool {
  readonly #directory: string;
  readonly #names: DirectorySync;
  /** Messages that have a journal; most leave without one. */
  readonly #journaled = new Set<string>();
  /** Messages whose journal's last sync failed: its bytes are never trusted again. */
  readonly #doubtful = new Set<string>();
  readonly #removing = new Set<Promise<void>>();
  readonly #departures: Departures;

  private constructor(directory: string, names: DirectorySync) {
    this.#directory = directory;
    this.#names = names;
    this.#departures = new Departures(directory, names);
  }

  /** Opens a spool, made where it is not there yet, and removes what a crash left half written. */
  static async open(directory: string): Promise<Spool> {
    await makeDirectory(directory);
    const spool = new Spool(directory, await DirectorySync.open(directory));
    await spool.#finishDepartures();
    const names = await readdir(directory);
    const messages = new Set(names.filter((name) => ID.test(name)));
    for (const name of names) {
      const id = name.replace(/\.(new|journal)$/, "");
      const orphan = name.endsWith(".new") || (name.endsWith(".journal") && !messages.has(id));
      if (!ID.test(id)) continue;
      if (orphan) await unlink(join(directory, name));
      else if (name.endsWith(".journal")) spool.#journaled.add(id);
    }
    return spool;
  }

  /** The spool of a running server, for another of its processes that only writes messages into it. */
  static async join(directory: string): Promise<Spool> {
    return new Spool(directory, await DirectorySync.open(directory));
  }

  /** Writes a message. Durable when it resolves. @throws {QueueError} */
  async write(submission: QueueSubmission, queuedAt: number, id = newId(queuedAt)): Promise<StoredHeader> {
    const { prefix, content } = submission;
    if (submission.envelope.recipients.length === 0)
      throw new QueueError("no recipients", "a message without recipients cannot be queued");
    const scan = new ContentScan();
    scan.push(prefix);
    const { buffer } = content;
    if (buffer !== undefined) scan.push(buffer);
    else for await (const chunk of content.chunks()) scan.push(chunk);
    scan.finish();
    if (scan.stray)
      throw new QueueError(
        "stray line end",
        "the message has a CR or LF that is not part of a CRLF line end, and is not relayed (RFC 5321 §2.3.8)",
      );
    const header: StoredHeader = {
      version: 1,
      id,
      queuedAt,
      envelope: submission.envelope,
      prefixSize: prefix.length,
      contentSize: content.size,
      eightBit: scan.eightBit,
      eightBitHeaders: scan.eightBitHeaders,
      holdUntil: submission.holdUntil,
      heldBecause: submission.heldBecause,
      hops: submission.hops,
      lifetimeSeconds: submission.lifetimeSeconds,
      account: submission.account,
    };
    const temporary = this.#path(`${id}.new`);
    try {
      const handle = await open(temporary, "wx", 0o600);
      try {
        await writeMessage(handle, Buffer.from(`${JSON.stringify(header)}\n`), submission);
        await handle.datasync();
      } finally {
        await handle.close();
      }
      await rename(temporary, this.#path(id));
      await this.#names.sync();
    } catch (error) {
      // Under either name: what the caller is told was not taken must not be delivered later.
      await Promise.allSettled([unlink(temporary), unlink(this.#path(id))]);
      await this.#names.sync().catch(() => {});
      throw storageError(error);
    }
    return header;
  }

  /** Removes what somebody was writing who has died. */
  async abandon(id: string): Promise<void> {
    await unlink(this.#path(`${id}.new`)).catch(() => {});
  }

  /** Every message's id, oldest first. */
  async ids(): Promise<readonly string[]> {
    const names = await readdir(this.#directory);
    return names.filter((name) => ID.test(name) && !this.#departures.has(name)).sort();
  }

  /** A message's state from its files; undefined when it is gone, or no message of ours. */
  async state(id: string): Promise<MessageState | undefined> {
    return (await this.#read(id, HEADER_BYTES))?.state;
  }

  /** The state, and with it the prefix and content in one piece where the message is small. */
  load(id: string): Promise<Loaded | undefined> {
    return this.#read(id, FRONT_BYTES);
  }

  async #read(id: string, length: number): Promise<Loaded | undefined> {
    const front = this.#departures.has(id) ? undefined : await this.#front(id, length);
    const header = front === undefined ? undefined : parseHeader(front.line);
    if (front === undefined || header?.id !== id) return undefined;
    // A journal that is there and cannot be read is an error: without it, who has the mail would get it again.
    const journal = this.#journaled.has(id) ? await readFile(this.#path(`${id}.journal`), "utf8") : "";
    const whole = front.rest.length === header.prefixSize + header.contentSize;
    return { state: replay(header, parseJournal(journal)), bytes: whole ? front.rest : undefined };
  }

  /**
   * Adds records to a message's journal. Synchronous, into the page cache: when it returns, the end of the process does
   * not take them back, and nothing of this process has come in between; `harden` is for the end of the power.
   */
  append(id: string, records: readonly JournalRecord[]): void {
    // A line cut off by a crash must not swallow the next one: an empty line between them costs nothing.
    const lines = records.map((record) => `\n${JSON.stringify(record)}\n`).join("");
    this.#journaled.add(id);
    appendFileSync(this.#path(`${id}.journal`), lines, { mode: 0o600 });
  }

  /** Syncs a message's journal, and its name. One whose sync failed before is written anew. @throws {QueueError} */
  async harden(id: string): Promise<void> {
    try {
      if (this.#doubtful.has(id)) await this.#rewriteJournal(id);
      else await syncFile(this.#path(`${id}.journal`));
      await this.#names.sync();
      this.#doubtful.delete(id);
    } catch (error) {
      // A message that an operator removed meanwhile has no journal to keep.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      this.#doubtful.add(id);
      throw storageError(error);
    }
  }
  /** The same records in a file of their own, which takes the name when it is durable and nothing was added meanwhile. */
  async #rewriteJournal(id: string): Promise<void> {
    const journal = this.#path(`${id}.journal`);
    const fresh = this.#path(`${id}.new`);
    for (;;) {
      const records = readFileSync(journal);
      writeFileSync(fresh, records, { mode: 0o600 });
      await syncFile(fresh);
      if (statSync(journal).size === records.length) return renameSync(fresh, journal);
      unlinkSync(fresh);
    }
  }

  /** The prefix and content of a message in chunks; the file stays open while they are read. */
  async *chunks(
    header: StoredHeader,
    start = 0,
    end = header.prefixSize + header.contentSize,
  ): AsyncGenerator<Buffer> {
    const size = header.prefixSize + header.contentSize;
    const handle = await open(this.#path(header.id), "r");
    try {
      const front = (await handle.stat()).size - size;
      if (front <= 0) throw tooShort(header.id);
      const stop = front + Math.min(end, size);
      for (let at = front + start; at < stop; ) {
        const length = Math.min(CHUNK_BYTES, stop - at);
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, at);
        if (bytesRead === 0) throw tooShort(header.id);
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }

  /** The same as a message's content, for a delivery that does not go over the wire. */
  content(header: StoredHeader): MessageContent {
    return {
      size: header.prefixSize + header.contentSize,
      buffer: undefined,
      chunks: (start, end) => this.chunks(header, start, end),
      read: async (start, length) => {
        const pieces: Buffer[] = [];
        for await (const piece of this.chunks(header, start, start + length)) pieces.push(piece);
        return Buffer.concat(pieces);
      },
      dispose: async () => {},
    };
  }

  /**
   * Takes a message out; `there` is false when it was gone. That is synchronous, as `append`; `durable` resolves when a
   * power loss does not bring it back. The journal goes after that: without it, who has the mail would get it again.
   */
  remove(id: string): { readonly there: boolean; readonly durable: Promise<void> } {
    const there = unlinkIfThere(this.#path(id));
    const durable = this.#names.sync().then(
      () => {
        if (this.#journaled.delete(id)) unlinkIfThere(this.#path(`${id}.journal`));
      },
      (error) => {
        throw storageError(error);
      },
    );
    // Noted already; a caller who wants to know waits for it.
    const ended = durable.catch(() => {}).finally(() => this.#removing.delete(ended));
    this.#removing.add(ended);
    return { there, durable };
  }

  /**
   * The same for a message that is delivered or reported: nobody waits for its files to go (departures.ts). Once is
   * enough. Synchronous, as `append`. @throws {QueueError}
   */
  leave(id: string): void {
    if (this.#departures.has(id)) return;
    try {
      this.#departures.add(id);
      this.#journaled.delete(id);
    } catch {
      // A disk that takes no line may still give a file up.
      this.remove(id).durable.catch(() => {});
    }
  }

  /** Removes what an earlier process had delivered and not removed yet. */
  async #finishDepartures(): Promise<void> {
    const ids = Departures.read(this.#directory).filter((id) => ID.test(id));
    for (const id of ids) unlinkIfThere(this.#path(id));
    await this.#names.sync();
    for (const id of ids) unlinkIfThere(this.#path(`${id}.journal`));
    Departures.clear(this.#directory);
  }

  async close(): Promise<void> {
    await Promise.all(this.#removing);
    await this.#departures.close();
    await this.#names.close();
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  /** The header line, and what was read behind it: all the rest of a small message. */
  async #front(
    id: string,
    first: number,
  ): Promise<{ readonly line: string; readonly rest: Buffer } | undefined> {
    if (!ID.test(id)) return undefined;
    let handle: FileHandle;
    try {
      handle = await open(this.#path(id), "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw storageError(error);
    }
    try {
      for (let length = first; length <= MAX_HEADER_LINE; length *= 8) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, 0);
        const bytes = buffer.subarray(0, bytesRead);
        const newline = bytes.indexOf(10);
        if (newline >= 0)
          return { line: bytes.toString("utf8", 0, newline), rest: bytes.subarray(newline + 1) };
        if (bytesRead < length) return undefined;
      }
      return undefined;
    } finally {
      await handle.close();
    }
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  await handle.datasync().finally(() => handle.close());
}

function unlinkIfThere(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw storageError(error);
  }
}

/** Sorts by time: nine digits of base 36 last until the year 5188. */
export function newId(now: number): string {
  return `${now.toString(36).padStart(9, "0")}-${randomBytes(5).toString("hex")}`;
}

async function writeMessage(
  handle: FileHandle,
  header: Buffer,
  { prefix, content }: QueueSubmission,
): Promise<void> {
  if (content.buffer !== undefined) return writeAll(handle, [header, prefix, content.buffer]);
  await writeAll(handle, [header, prefix]);
  let written = 0;
  for await (const chunk of content.chunks()) {
    await writeAll(handle, [chunk]);
    written += chunk.length;
  }
  if (written !== content.size)
    throw new QueueError("storage", `the message has ${written} octets and was said to have ${content.size}`);
}

/** One system call where the system takes all of it, which it does unless the disk is full. */
async function writeAll(handle: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const { bytesWritten } = await handle.writev(pieces.filter((piece) => piece.length > 0));
  if (bytesWritten < total) await handle.writeFile(Buffer.concat(pieces).subarray(bytesWritten));
}

const tooShort = (id: string): QueueError =>
  new QueueError("storage", `the spool file ${id} is shorter than it was`);

function storageError(error: unknown): QueueError {
  if (error instanceof QueueError) return error;
  syncFailures.note("Writing the queue's directory", error);
  fullDisk.note("Writing the queue's directory", error);
  const { message } = error as Error;
  return new QueueError(isFull(error) ? "disk full" : "storage", `the queue's directory: ${message}`, {
    cause: error,
  });
}
