/** What counts against an account's quota: counted from the file names once, then kept by every change. */
import { readdir, stat } from "node:fs/promises";
import { errorCode, storeError } from "./durable.ts";
import { field, pathOf } from "./file-name.ts";

export interface Usage {
  readonly bytes: number;
  readonly messages: number;
}

export class AccountUsage {
  #counted: { bytes: number; messages: number } | undefined;
  #counting: Promise<Usage> | undefined;
  /** Changes while a count runs: it may have seen them or not, so it is not kept when there were any. */
  #changes = 0;

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
    const usage = { bytes: 0, messages: 0 };
    for (const folder of folders()) {
      for (const part of ["new", "cur"]) await countFiles(`${folder}/${part}`, usage);
    }
    if (this.#changes === before) this.#counted = usage;
    return { ...usage };
  }

  add(bytes: number, messages: number): void {
    this.#changes++;
    if (this.#counted === undefined) return;
    this.#counted.bytes += bytes;
    this.#counted.messages += messages;
  }
  /** Counted anew at the next question. */
  forget(): void {
    this.#changes++;
    this.#counted = undefined;
  }
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
