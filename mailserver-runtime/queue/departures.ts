/**
 * Messages that have left the queue and whose files are still to be removed.
 *
 * Removing a file waits for whatever the file system is writing at the moment, milliseconds on a busy disk, and must not
 * be waited for between one delivery and the next. So a departure is first a line in one open file, `departed`: that is a
 * few microseconds, and survives the end of the process. The files themselves go in the background, one after the other,
 * and are synced together; then the line has done its work. At a start what the file names is removed before anything else.
 */
import { closeSync, existsSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { join } from "node:path";
import type { DirectorySync } from "./directory-sync.ts";

const NAME = "departed";
/** Removals become durable together, this long after the first of them. */
const TOGETHER_MS = 500;

export class Departures {
  readonly #directory: string;
  readonly #names: DirectorySync;
  readonly #left = new Set<string>();
  #file: number | undefined;
  #sweep: Promise<void> | undefined;
  #hurry: (() => void) | undefined;

  constructor(directory: string, names: DirectorySync) {
    this.#directory = directory;
    this.#names = names;
  }

  /** The messages that a directory's file names: they were delivered, and are not to be read. */
  static read(directory: string): readonly string[] {
    const path = join(directory, NAME);
    return existsSync(path) ? readFileSync(path, "latin1").split("\n").slice(0, -1) : [];
  }

  /** Forgets them, when they are gone. */
  static clear(directory: string): void {
    unlinkIfThere(join(directory, NAME));
  }

  has(id: string): boolean {
    return this.#left.has(id);
  }

  /** Synchronous: when it returns, the end of the process does not bring the message back. @throws the system's error */
  add(id: string): void {
    this.#file ??= openSync(join(this.#directory, NAME), "a", 0o600);
    writeSync(this.#file, `${id}\n`);
    this.#left.add(id);
    this.#sweep ??= this.#run();
  }

  /** Everything that has left is gone, and so is the file. */
  async close(): Promise<void> {
    while (this.#sweep !== undefined) {
      this.#hurry?.();
      await this.#sweep;
    }
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  async #run(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TOGETHER_MS);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#hurry = undefined;
    const batch = [...this.#left];
    try {
      for (const id of batch) await removed(join(this.#directory, id));
      await this.#names.sync();
      // Without its message a journal means nothing; with it, it says who has the mail.
      for (const id of batch) await removed(join(this.#directory, `${id}.journal`));
      for (const id of batch) this.#left.delete(id);
      if (this.#left.size === 0 && this.#file !== undefined) {
        closeSync(this.#file);
        this.#file = undefined;
        Departures.clear(this.#directory);
      }
    } catch {
      // What could not be removed stays on the list, and is tried again with the next that leaves, or at the next start.
    }
    this.#sweep = undefined;
    if (this.#left.size > 0 && batch.every((id) => !this.#left.has(id))) this.#sweep = this.#run();
  }
}

async function removed(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
