/**
 * Expunged messages of one account that are kept for a while outside all folders, so that they can be brought back.
 *
 *     mailkeep-expunged/2026-11-26/INBOX/<file name with its flags>       expunged from a folder
 *     mailkeep-expunged/2026-11-26/1795694400000.Plans/cur/<file name>    a folder that was deleted, as it was
 *
 * The directory lies beside the mail and its name has no dot in front, so Dovecot, mutt and every other Maildir++ program
 * take it for nothing of theirs. What lies there is not in any mailbox and does not count against the quota; it is bounded
 * by bytes, and where the disk runs short nothing is kept at all. A day goes as a whole when its window is over.
 */
import { existsSync, linkSync, mkdirSync, renameSync, statSync, unlinkSync } from "node:fs";
import { readdir, rm, rmdir, stat, unlink } from "node:fs/promises";
import type { UndeleteWindow } from "../retention.ts";
import { errorCode, makeDirectory, syncDirectory } from "./durable.ts";
import { field, pathOf } from "./file-name.ts";
import { KEYWORDS_FILE } from "./keywords.ts";

export const EXPUNGED = "mailkeep-expunged";
const DAY_MS = 24 * 3600 * 1000;
const DAY_NAME = /^\d{4}-\d\d-\d\d$/;
/** A folder that was deleted: when, and its name on disk. */
const DELETED_FOLDER = /^(\d{12,})(\..+)$/;
/** What a rename answers where the file can only be removed: no room, another volume, a name too long. */
const CANNOT_KEEP: ReadonlySet<string | undefined> = new Set([
  "ENOSPC",
  "EDQUOT",
  "EXDEV",
  "ENAMETOOLONG",
  "EMLINK",
]);

export interface ExpungedMailOptions {
  /** The account's directory. */
  readonly account: string;
  readonly window: () => UndeleteWindow;
  /** Whether the disk has room to spare. */
  readonly hasRoom: () => boolean;
}

/** Where the files of expunged messages go. */
export interface Disposal {
  /** Takes the file out of its folder; throws what the operating system says where it is not there. */
  take(path: string | Buffer, name: string): void;
  /** To be awaited when all are taken, before the folder itself is synced. */
  settle(): Promise<void>;
}
/** They are gone for good. */
export const removal: Disposal = {
  take: (path) => unlinkSync(path),
  settle: () => Promise.resolve(),
};

/** A message that is kept; `directory` and `file` as in a folder. */
export interface KeptFile {
  readonly directory: string;
  /** "<file name>", or "cur/<file name>" in a deleted folder. */
  readonly file: string;
  /** The folder it was expunged from, by its name on disk. */
  readonly disk: string;
  /** Milliseconds since the epoch. */
  readonly expungedAt: number;
}

export class ExpungedMail {
  readonly #options: ExpungedMailOptions;
  readonly #root: string;
  /** Bytes that are kept; counted when they first matter. */
  #bytes: number | undefined;

  constructor(options: ExpungedMailOptions) {
    this.#options = options;
    this.#root = `${options.account}/${EXPUNGED}`;
  }

  get #keeps(): boolean {
    return this.#options.window().days > 0 && this.#options.hasRoom();
  }

  /** For messages of a folder. */
  async disposal(disk: string, folder: string): Promise<Disposal> {
    if (!this.#keeps) return removal;
    const directory = `${this.#root}/${dayOf(Date.now())}/${disk || "INBOX"}`;
    try {
      await makeDirectory(directory);
    } catch (error) {
      // On a full disk one must be able to expunge.
      if (CANNOT_KEEP.has(errorCode((error as Error).cause))) return removal;
      throw error;
    }
    keepKeywords(folder, directory);
    let bytes = 0;
    return {
      take: (path, name) => {
        bytes += sizeOf(path, name);
        setAside(path, directory, name);
      },
      settle: async () => {
        await syncDirectory(directory);
        await this.#grew(bytes);
      },
    };
  }

  /** Where a folder that is deleted goes as a whole; undefined where it is not kept. */
  async placeForFolder(disk: string): Promise<string | undefined> {
    if (!this.#keeps) return undefined;
    const day = `${this.#root}/${dayOf(Date.now())}`;
    await makeDirectory(day);
    this.#bytes = undefined;
    return `${day}/${Date.now()}${disk}`;
  }

  /** What is kept, the longest kept first. */
  async *files(): AsyncGenerator<KeptFile> {
    for (const day of await daysIn(this.#root)) {
      for (const folder of await namesIn(`${this.#root}/${day}`)) {
        const directory = `${this.#root}/${day}/${folder}`;
        const deleted = DELETED_FOLDER.exec(folder);
        if (deleted !== null) {
          const expungedAt = Number(deleted[1]);
          for (const part of ["cur", "new"])
            for (const name of await namesIn(`${directory}/${part}`))
              yield { directory, file: `${part}/${name}`, disk: deleted[2]!, expungedAt };
          continue;
        }
        for (const file of await namesIn(directory)) {
          if (file === KEYWORDS_FILE) continue;
          // A rename changes the time of the inode.
          const found = await stat(pathOf(directory, file)).catch(() => undefined);
          if (found?.isFile())
            yield { directory, file, disk: folder === "INBOX" ? "" : folder, expungedAt: found.ctimeMs };
        }
      }
    }
  }

  /** These were brought back: they are not kept any longer. */
  async release(files: readonly KeptFile[]): Promise<void> {
    for (const { directory, file } of files) await unlink(pathOf(directory, file)).catch(() => undefined);
    this.#bytes = undefined;
    await removeEmpty(this.#root);
  }

  async #grew(bytes: number): Promise<void> {
    const limit = this.#options.window().bytes;
    if (this.#bytes === undefined) {
      this.#bytes = 0;
      for await (const kept of this.files())
        this.#bytes += sizeOf(pathOf(kept.directory, kept.file), kept.file);
    } else this.#bytes += bytes;
    if (this.#bytes <= limit) return;
    let over = this.#bytes - limit;
    for await (const kept of this.files()) {
      if (over <= 0) break;
      const path = pathOf(kept.directory, kept.file);
      over -= sizeOf(path, kept.file);
      await unlink(path).catch(() => undefined);
    }
    this.#bytes = undefined;
    await removeEmpty(this.#root);
  }
}

/** Removes the days of an account whose window is over. */
export async function removeExpired(account: string, days: number, now: number): Promise<void> {
  const root = `${account}/${EXPUNGED}`;
  for (const day of await daysIn(root))
    if (Date.parse(day) + (days + 1) * DAY_MS <= now)
      await rm(`${root}/${day}`, { recursive: true, force: true, maxRetries: 2 });
  await rmdir(root).catch(() => undefined);
}

function setAside(path: string | Buffer, directory: string, name: string): void {
  const target = pathOf(directory, name);
  for (let attempt = 0; ; attempt++) {
    try {
      renameSync(path, target);
      return;
    } catch (error) {
      if (CANNOT_KEEP.has(errorCode(error))) {
        unlinkSync(path);
        return;
      }
      // The day's directory went while this ran, its window over or its room needed; or the message did.
      if (errorCode(error) !== "ENOENT" || attempt > 0 || !existsSync(path)) throw error;
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
  }
}

/** What the letters of the names mean is kept beside them; the folder may be gone when they come back. */
function keepKeywords(folder: string, directory: string): void {
  try {
    unlinkSync(`${directory}/${KEYWORDS_FILE}`);
  } catch {
    // It was not there.
  }
  try {
    linkSync(`${folder}/${KEYWORDS_FILE}`, `${directory}/${KEYWORDS_FILE}`);
  } catch {
    // The folder has no keywords.
  }
}

function sizeOf(path: string | Buffer, name: string): number {
  const said = field(name, "S");
  if (said >= 0) return said;
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

async function removeEmpty(root: string): Promise<void> {
  for (const day of await daysIn(root)) {
    for (const folder of await namesIn(`${root}/${day}`)) {
      const left = await namesIn(`${root}/${day}/${folder}`);
      if (left.length === 1 && left[0] === KEYWORDS_FILE)
        await unlink(`${root}/${day}/${folder}/${KEYWORDS_FILE}`).catch(() => undefined);
      await rmdir(`${root}/${day}/${folder}`).catch(() => undefined);
    }
    await rmdir(`${root}/${day}`).catch(() => undefined);
  }
  await rmdir(root).catch(() => undefined);
}

async function daysIn(root: string): Promise<string[]> {
  return (await namesIn(root)).filter((name) => DAY_NAME.test(name)).sort();
}
async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory, "latin1");
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return [];
    throw error;
  }
}
function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
