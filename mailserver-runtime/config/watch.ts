/**
 * Tells that files below the config directory may have changed: the kernel's events where they come, and a
 * look at intervals where they do not (network file systems, bind mounts of another machine).
 */
import { type FSWatcher, statSync, watch } from "node:fs";
import { join } from "node:path";
import { UNFINISHED } from "./durable-file.ts";

/** Both relative to the config directory. */
export interface Watched {
  readonly folders: readonly string[];
  /** Written into by hand, perhaps, which does not change their folder. */
  readonly files: readonly string[];
}
export interface Watcher {
  close(): void;
}

/** A change comes as several events (write, rename, chmod): they are one after this silence. */
const SETTLE_MS = 50;

/**
 * Calls `changed` once for each group of changes. A folder that appears later is watched from the next look
 * on.
 */
export function watchFolders(config: string, watched: Watched, pollMs: number, changed: () => void): Watcher {
  const watchers = new Map<string, FSWatcher>();
  let settle: NodeJS.Timeout | undefined;
  let signature = signatureOf(config, watched);
  const soon = () => {
    clearTimeout(settle);
    settle = setTimeout(changed, SETTLE_MS).unref();
  };
  const watchAll = () => {
    for (const folder of watched.folders) {
      if (watchers.has(folder)) continue;
      const watcher = startWatching(join(config, folder), soon, () => {
        watchers.get(folder)?.close();
        watchers.delete(folder);
      });
      if (watcher !== undefined) watchers.set(folder, watcher);
    }
  };
  watchAll();
  const poll = setInterval(() => {
    watchAll();
    const now = signatureOf(config, watched);
    if (now === signature) return;
    signature = now;
    soon();
  }, pollMs).unref();
  return {
    close() {
      clearInterval(poll);
      clearTimeout(settle);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

function startWatching(folder: string, soon: () => void, lost: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, (_event, name) => {
      if (name?.startsWith(UNFINISHED) !== true) soon();
    });
    watcher.on("error", lost);
    return watcher;
  } catch {
    // Not there yet, or no inotify watches left: the poll goes on.
    return undefined;
  }
}

/** A file that is renamed into a folder, or deleted, changes the folder's time: the many files of the stack's folders need no look of their own. */
function signatureOf(config: string, { folders, files }: Watched): string {
  return [...folders, ...files]
    .map((path) => {
      const stats = statSync(join(config, path), { throwIfNoEntry: false });
      return stats === undefined ? "-" : `${stats.ino}:${stats.mtimeMs}:${stats.size}`;
    })
    .join(" ");
}
