/**
 * Clears away what a killed writer left: unfinished files, which no reader looks at, and mailboxes whose
 * purge had begun. Only what is older than any change takes is touched.
 */
import type { Dirent } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { UNFINISHED } from "../config/durable-file.ts";
import type { Directories } from "../settings/directories.ts";

const OLD_MS = 3_600_000;

/** Where we write: folders, and those whose subfolders we write to. */
const folders = (directories: Directories) => ({
  own: [
    directories.config,
    join(directories.config, "zones"),
    join(directories.config, "stack"),
    directories.state,
    join(directories.state, "ca"),
    join(directories.state, "admin.lock"),
  ],
  parents: [
    join(directories.config, "stack"),
    join(directories.state, "certificates"),
    join(directories.state, "dkim"),
    // A purge renames the mailbox's folder before it deletes.
    directories.mail,
  ],
});

/** How many were cleared away. What cannot be read or deleted stays for the next time. */
export async function sweepUnfinished(directories: Directories, now = Date.now()): Promise<number> {
  const { own, parents } = folders(directories);
  const below = await Promise.all(
    parents.map(async (parent) =>
      (await entries(parent)).filter((entry) => entry.isDirectory()).map(({ name }) => join(parent, name)),
    ),
  );
  let swept = 0;
  for (const folder of [...own, ...below.flat()])
    for (const { name } of await entries(folder)) {
      if (!name.startsWith(UNFINISHED)) continue;
      const path = join(folder, name);
      const stats = await stat(path).catch(() => undefined);
      // A renamed folder keeps its own time; its status change is when it was renamed.
      if (stats === undefined || now - stats.ctimeMs < OLD_MS) continue;
      await rm(path, { recursive: true, force: true }).then(
        () => swept++,
        () => undefined,
      );
    }
  return swept;
}

async function entries(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch(() => []);
}
