/**
 * What a folder holds now: one pass over `new`, then `cur`.
 *
 * A pass proves that a file is absent only when nothing moved meanwhile: POSIX lets a directory listing miss
 * an entry that is renamed while it runs. So a pass is `quiet` when the last change of `cur` lay far enough
 * behind its start to be told apart by the clock of the file system, and no change came until its end.
 * (A move from `new` to `cur` or back changes `cur` too; only we deliver into `new`, and never rename there.)
 */
import { readdirSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { storeError } from "./durable.ts";
import { baseName } from "./file-name.ts";
import { type PackedNames, packNames } from "./message-files.ts";
import { readUidList } from "./uid-list.ts";

/** Time stamps of directories step with the kernel's tick, at most 10 ms. */
const TICK_MS = 20;

export interface FolderPass {
  /** Base name → file relative to the folder, "new/…" or "cur/…:2,…". */
  readonly files: Map<string, string>;
  /** Further files of a base name that is in `files` already. */
  readonly duplicates: readonly string[];
  readonly quiet: boolean;
}

export async function passOver(directory: string): Promise<FolderPass> {
  try {
    const before = await stat(`${directory}/cur`, { bigint: true });
    const started = Date.now();
    const inNew = await readdir(`${directory}/new`, "latin1");
    const inCur = await readdir(`${directory}/cur`, "latin1");
    const after = await stat(`${directory}/cur`, { bigint: true });
    const quiet =
      before.mtimeNs === after.mtimeNs &&
      before.ino === after.ino &&
      started - Number(before.mtimeMs) > TICK_MS;
    const files = new Map<string, string>();
    const duplicates: string[] = [];
    for (const file of inCur) add(`cur/${file}`, file);
    for (const file of inNew) add(`new/${file}`, file);
    return { files, duplicates, quiet };

    function add(path: string, file: string): void {
      if (file.startsWith(".")) return;
      const base = baseName(file);
      if (files.has(base)) duplicates.push(path);
      else files.set(base, path);
    }
  } catch (error) {
    throw storeError(error, `Reading the folder ${directory}`);
  }
}

/**
 * The files of these messages, by `dovecot-uidlist` and one look at the folder; for when the index that had them is lost while
 * the mailbox is in use. What is not there gets the place where it was last written: whoever opens it looks for it then.
 */
export function namesInFolder(directory: string, uids: Uint32Array): PackedNames {
  try {
    const list = readUidList(directory);
    const bases = new Map<number, string>();
    if (list !== undefined && list !== "damaged")
      for (const [i, uid] of list.uids.entries()) bases.set(uid, list.names[i]!);
    const files = new Map<string, string>();
    for (const part of ["cur", "new"])
      for (const file of readdirSync(`${directory}/${part}`, "latin1"))
        files.set(baseName(file), `${part}/${file}`);
    const nameOf = (base: string) => files.get(base) ?? `cur/${base}`;
    return packNames(
      uids,
      Array.from(uids, (uid) => nameOf(bases.get(uid) ?? `${uid}.lost`)),
    );
  } catch (error) {
    throw storeError(error, `Reading the folder ${directory}`);
  }
}

/** Base name → file of what lies in `new` alone. */
export async function listNew(directory: string): Promise<Map<string, string>> {
  try {
    const files = new Map<string, string>();
    for (const file of await readdir(`${directory}/new`, "latin1"))
      if (!file.startsWith(".")) files.set(baseName(file), `new/${file}`);
    return files;
  } catch (error) {
    throw storeError(error, `Reading the folder ${directory}`);
  }
}
