/** What lies in the `tmp` folders of an account and is nobody's any more, and how it goes. */
import { readdir, rm, stat } from "node:fs/promises";
import type { Log } from "../../net/log.ts";
import { errorCode } from "./durable.ts";
import { isOfThisServer, isOwn } from "./file-name.ts";

/** A deleted folder lies in `tmp` under a name that starts so until its files are removed. */
export const DELETED = "mailkeep-deleted.";
/** The age at which a file in `tmp` was abandoned by its writer, as every Maildir program takes it. */
export const ABANDONED_MS = 36 * 3600 * 1000;
const processStart = performance.timeOrigin;

/** Removes a file or a directory with all in it, without anybody waiting; a failure is logged. */
export function removeInBackground(path: string, log: Log): void {
  rm(path, { recursive: true, force: true, maxRetries: 2 }).catch((error) =>
    log.warn({ err: error, path }, "what was deleted is not yet removed from disk"),
  );
}

/**
 * Removes what deletions and deliveries of earlier runs left in a folder's `tmp`. What a process of ours was writing when
 * it died is known by its name and need not grow old; other processes of this server may be writing here for the
 * account's owner (owned-store.ts).
 */
export async function sweepFolder(folder: string, log: Log): Promise<void> {
  let names: readonly string[];
  try {
    names = await readdir(`${folder}/tmp`);
  } catch (error) {
    // Renamed or deleted meanwhile: the next opening sees to it.
    if (errorCode(error) === "ENOENT") return;
    throw error;
  }
  for (const file of names) {
    const path = `${folder}/tmp/${file}`;
    const changed = (await stat(path).catch(() => undefined))?.ctimeMs ?? Date.now();
    const isOrphan = isOwn(file) && !isOfThisServer(file) && changed < processStart;
    const isAbandoned = isOrphan || changed < Date.now() - ABANDONED_MS;
    if (file.startsWith(DELETED) || isAbandoned) removeInBackground(path, log);
  }
}

/** The same for several folders, without anybody waiting. */
export function sweepTemporary(folders: readonly string[], log: Log): void {
  const sweepAll = async (): Promise<void> => {
    for (const folder of folders)
      await sweepFolder(folder, log).catch((error) =>
        log.warn({ err: error, folder }, "old temporary files were not looked for"),
      );
  };
  void sweepAll();
}
