/**
 * Where an account's indexes lie on the state volume, and how they go with their folders. A folder's index is `INBOX` or its
 * name on disk, which begins with a dot; what else is made from its mail has a word in front.
 */
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { FolderPair } from "./folder-rename.ts";

const DIGESTS = ["text", "fields"] as const;

export class IndexFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  index(disk: string): string {
    return `${this.#directory}/${disk === "" ? "INBOX" : disk}`;
  }
  digests(disk: string): { readonly text: string; readonly fields: string } {
    return { text: `${this.#directory}/text${disk}`, fields: `${this.#directory}/fields${disk}` };
  }
  #all(disk: string): string[] {
    return [this.index(disk), ...Object.values(this.digests(disk))];
  }

  /** Of a folder that nobody has open. */
  async remove(disk: string): Promise<void> {
    for (const path of this.#all(disk)) await rm(path, { recursive: true, force: true });
  }

  /** An index fits its folder under any name; one that is left behind is not believed by another folder. */
  async rename(pairs: readonly FolderPair[]): Promise<void> {
    for (const [from, to] of pairs) {
      await this.remove(to);
      const targets = this.#all(to);
      for (const [i, path] of this.#all(from).entries()) {
        if (!existsSync(path)) continue;
        mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
        renameSync(path, targets[i]!);
      }
    }
  }

  /** Removes those of folders that are no more; to be called while none of the account is open. */
  async removeOrphans(folders: Iterable<string>): Promise<void> {
    const known = new Set([...folders].flatMap((disk) => this.#all(disk)));
    let names: string[];
    try {
      names = readdirSync(this.#directory);
    } catch {
      // The account has no index yet.
      return;
    }
    for (const name of names) {
      const path = `${this.#directory}/${name}`;
      const isOurs = name.startsWith(".") || DIGESTS.some((kind) => name.startsWith(`${kind}.`));
      // Half-written ones are the sweep's.
      if (isOurs && !name.endsWith(".tmp") && !known.has(path))
        await rm(path, { recursive: true, force: true });
    }
  }
}
