/**
 * Small files that are whole at every moment: written beside, synced, renamed over, and the rename synced
 * (a rename is durable only when its directory is). A reader sees the old content or the new one, after a
 * kill -9 and after a power cut.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Begins the names of files that are not finished; readers skip them, and admin/sweep.ts clears old ones away. */
export const UNFINISHED = ".unfinished-";

/**
 * Puts `content` at `path`, making its directory where it is missing. An existing file keeps its mode and,
 * where we may, its owner; a new one gets `mode`.
 *
 * @throws the system's error (ENOSPC, EACCES, EROFS ...); the file at `path` is then as it was
 */
export async function writeDurably(path: string, content: string | Buffer, mode = 0o600): Promise<void> {
  const directory = dirname(path);
  await makeDirectory(directory);
  const before = await stat(path).catch(absent);
  const unfinished = join(
    directory,
    `${UNFINISHED}${basename(path).slice(0, 150)}-${randomBytes(6).toString("hex")}`,
  );
  try {
    const file = await open(unfinished, "wx", before === undefined ? mode : before.mode & 0o777);
    try {
      await file.writeFile(content);
      if (before !== undefined) await keepOwner(file, before.uid, before.gid);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  await syncDirectory(directory);
}

/** Deletes the file; whether there was one. Durable when it resolves. */
export async function removeDurably(path: string): Promise<boolean> {
  try {
    await rm(path);
  } catch (error) {
    if (absent(error) === undefined) return false;
  }
  await syncDirectory(dirname(path));
  return true;
}

/** The file's text, or undefined when there is none. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(absent);
}

/** Makes a directory and its parents; each new name is durable when it resolves. */
export async function makeDirectory(path: string, mode = 0o755): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode });
  if (first === undefined) return;
  for (let at = path; ; at = dirname(at)) {
    await syncDirectory(dirname(at));
    if (at === first || at === dirname(at)) return;
  }
}

/** Makes renames, creations and deletions in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Only root may give a file away; for everybody else the file's owner is us already or becomes us. */
async function keepOwner(file: FileHandle, uid: number, gid: number): Promise<void> {
  const now = await file.stat();
  if (now.uid === uid && now.gid === gid) return;
  await file.chown(uid, gid).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
  });
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
  throw error;
}
