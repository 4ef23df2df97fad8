/**
 * What counts against an account's quota: counted from the file names once, then kept by every change. Room for what is
 * being stored is reserved first, so that many at once cannot exceed a limit together.
 *
 * A count lists folders while mail comes and goes, so it may have seen a file of which it hears, or may not. What changes
 * meanwhile is therefore told by base name, and held against what the count saw; a file that is in place and not yet
 * durable (`enter`) counts when it is (`entered`), never twice.
 */
import { readdir, stat } from "node:fs/promises";
import type { Reservation } from "../quota.ts";
import { errorCode, storeError } from "./durable.ts";
import { baseName, field, pathOf } from "./file-name.ts";

export interface Usage {
  readonly bytes: number;
  readonly messages: number;
}
/** A message file as it counts. */
export interface CountedFile {
  readonly base: string;
  readonly bytes: number;
}

/** What came and went while a count ran. */
interface Meanwhile {
  readonly came: CountedFile[];
  readonly went: Set<string>;
  isForgotten: boolean;
}

export class AccountUsage {
  #counted: Usage | undefined;
  #counting: Promise<Usage> | undefined;
  #meanwhile: Meanwhile | undefined;
  /** Files that are being put in place, by base name. */
  readonly #entering = new Set<string>();
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
      this.#meanwhile = undefined;
    });
    return this.#counting;
  }
  async #count(folders: () => readonly string[]): Promise<Usage> {
    const meanwhile: Meanwhile = { came: [], went: new Set(), isForgotten: false };
    this.#meanwhile = meanwhile;
    const seen = new Map<string, number>();
    const usage = await countFolders(folders(), seen);
    // Nothing is awaited from here on.
    for (const { base, bytes } of meanwhile.came) if (!seen.has(base)) add(usage, bytes, 1);
    for (const base of new Set([...meanwhile.went, ...this.#entering])) {
      const bytes = seen.get(base);
      const cameToo = bytes === undefined && meanwhile.came.find((file) => file.base === base);
      if (bytes !== undefined) add(usage, -bytes, -1);
      else if (cameToo) add(usage, -cameToo.bytes, -1);
    }
    if (!meanwhile.isForgotten) this.#counted = { ...usage };
    return usage;
  }

  /** This file is about to be put in place; `entered` or `gaveUp` follows. */
  enter(base: string): void {
    this.#entering.add(base);
  }
  /** These are in place to stay. */
  entered(files: readonly CountedFile[]): void {
    for (const file of files) {
      this.#entering.delete(file.base);
      this.#meanwhile?.came.push(file);
    }
    this.#change(files, 1);
  }
  /** It was taken away again, or never came. */
  gaveUp(base: string): void {
    this.#entering.delete(base);
    this.#meanwhile?.went.add(base);
  }
  /** These were removed. */
  left(files: readonly CountedFile[]): void {
    for (const { base } of files) this.#meanwhile?.went.add(base);
    this.#change(files, -1);
  }
  #change(files: readonly CountedFile[], sign: 1 | -1): void {
    const before = this.#counted;
    if (before === undefined || files.length === 0) return;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    this.#counted = {
      bytes: before.bytes + sign * bytes,
      messages: before.messages + sign * files.length,
    };
    this.#changed(before, this.#counted);
  }
  /** Counted anew at the next question: something changed of which nobody knows whether it was counted. */
  forget(): void {
    if (this.#meanwhile !== undefined) this.#meanwhile.isForgotten = true;
    this.#counted = undefined;
  }
}

interface Sum {
  bytes: number;
  messages: number;
}
function add(sum: Sum, bytes: number, messages: number): void {
  sum.bytes += bytes;
  sum.messages += messages;
}

/** Counts what lies in these folders, from the file names where they tell; `seen` gets each base name. Throws StoreError. */
export async function countFolders(
  folders: readonly string[],
  seen: Map<string, number> = new Map(),
): Promise<Sum> {
  const usage: Sum = { bytes: 0, messages: 0 };
  for (const folder of folders) {
    // A file that is renamed while it is listed may be listed twice.
    const here = new Set<string>();
    for (const part of ["new", "cur"]) await countFiles(`${folder}/${part}`, usage, seen, here);
  }
  return usage;
}

async function countFiles(
  directory: string,
  usage: Sum,
  seen: Map<string, number>,
  here: Set<string>,
): Promise<void> {
  try {
    for (const file of await readdir(directory, "latin1")) {
      if (file.startsWith(".")) continue;
      const base = baseName(file);
      if (here.has(base)) continue;
      here.add(base);
      const size = field(file, "W");
      const bytes =
        size >= 0 ? size : ((await stat(pathOf(directory, file)).catch(() => undefined))?.size ?? 0);
      seen.set(base, bytes);
      add(usage, bytes, 1);
    }
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw storeError(error, `Counting ${directory}`);
  }
}
