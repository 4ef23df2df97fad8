/**
 * What counts against an account's quota: counted from the file names once, then kept by every change. Room for what is
 * being stored is reserved first, so that many at once cannot exceed a limit together.
 */
import { readdir, stat } from "node:fs/promises";
import type { Reservation } from "../quota.ts";
import { errorCode, storeError } from "./durable.ts";
import { field, pathOf } from "./file-name.ts";

export interface Usage {
  readonly bytes: number;
  readonly messages: number;
}

export class AccountUsage {
  #counted: Usage | undefined;
  #counting: Promise<Usage> | undefined;
  /** Changes while a count runs: it may have seen them or not, so it is not kept when there were any. */
  #changes = 0;
  #reserved = { bytes: 0, messages: 0 };
  readonly #changed: (before: Usage, after: Usage) => void;

  /** `changed` is told of every change of what is counted. */
  constructor(changed: (before: Usage, after: Usage) => void = () => undefined) {
    this.#changed = changed;
  }

  /** What is counted, when it is. */
  get counted(): Usage | undefined {
    return this.#counted;
  }
  /** What is kept for messages on their way. */
  get reserved(): Usage {
    return this.#reserved;
  }
  reserve(bytes: number, messages: number): Reservation {
    this.#reserved = { bytes: this.#reserved.bytes + bytes, messages: this.#reserved.messages + messages };
    let isOpen = true;
    return {
      settle: () => {
        if (!isOpen) return;
        isOpen = false;
        this.#reserved = {
          bytes: this.#reserved.bytes - bytes,
          messages: this.#reserved.messages - messages,
        };
      },
    };
  }

  /** `folders` are the account's folder paths. */
  get(folders: () => readonly string[]): Promise<Usage> {
    if (this.#counted !== undefined) return Promise.resolve({ ...this.#counted });
    this.#counting ??= this.#count(folders).finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }
  async #count(folders: () => readonly string[]): Promise<Usage> {
    const before = this.#changes;
    const usage = await countFolders(folders());
    if (this.#changes === before) this.#counted = usage;
    return { ...usage };
  }

  add(bytes: number, messages: number): void {
    this.#changes++;
    if (this.#counted === undefined || (bytes === 0 && messages === 0)) return;
    const before = this.#counted;
    this.#counted = { bytes: before.bytes + bytes, messages: before.messages + messages };
    this.#changed(before, this.#counted);
  }
  /** Counted anew at the next question. */
  forget(): void {
    this.#changes++;
    this.#counted = undefined;
  }
}

/** Counts what lies in these folders, from the file names where they tell. Throws StoreError. */
export async function countFolders(folders: readonly string[]): Promise<Usage> {
  const usage = { bytes: 0, messages: 0 };
  for (const folder of folders)
    for (const part of ["new", "cur"]) await countFiles(`${folder}/${part}`, usage);
  return usage;
}

async function countFiles(directory: string, usage: { bytes: number; messages: number }): Promise<void> {
  try {
    for (const file of await readdir(directory, "latin1")) {
      if (file.startsWith(".")) continue;
      const size = field(file, "W");
      usage.bytes +=
        size >= 0 ? size : ((await stat(pathOf(directory, file)).catch(() => undefined))?.size ?? 0);
      usage.messages++;
    }
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw storeError(error, `Counting ${directory}`);
  }
}
