/**
 * What "durable" means here: the bytes of a file were synced, it was renamed into place, and a sync of its
 * directory that began after the rename has ended. One sync serves all that wait for the same directory.
 *
 * A failed fsync is final: the kernel may have dropped the pages, so asking again would lie (it is never
 * retried into a success). Short calls that only touch cached metadata are made synchronously, because a
 * round trip through the thread pool costs more than they do; every fsync runs in the pool.
 */
import { closeSync, fsync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { fullDisk, isFull } from "../../disk/full-disk.ts";
import { syncFailures } from "../../disk/sync-failures.ts";
import { StoreError } from "../mail-store.ts";
import { SyncRounds } from "./sync-rounds.ts";

/** A StoreError for what the operating system said. */
export function storeError(error: unknown, what: string): StoreError {
  if (error instanceof StoreError) return error;
  syncFailures.note(what, error);
  fullDisk.note(what, error);
  const code = (error as NodeJS.ErrnoException).code;
  if (isFull(error))
    return new StoreError("no-space", `${what}: the mail volume is full (${code}); free space there.`, {
      cause: error,
    });
  return new StoreError("unavailable", `${what}: ${(error as Error).message}`, { cause: error });
}
export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** Files larger than this are synced by themselves, so that small ones need not wait for them. */
const LARGE = 1024 * 1024;

function sync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())));
}
const files = new SyncRounds<number>(sync);
/** Directories whose last sync failed: what was done there before is not known to be durable. */
const unproven = new Set<string>();
const directories = new SyncRounds<string>(async (directory) => {
  try {
    const fd = openSync(directory, "r");
    try {
      await sync(fd);
    } finally {
      closeSync(fd);
    }
    unproven.delete(directory);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") unproven.add(directory);
    throw storeError(error, `Syncing ${directory}`);
  }
});

/** Syncs an open file of about `size` bytes. */
export function syncDescriptor(fd: number, size = 0): Promise<void> {
  return size > LARGE ? sync(fd) : files.join(fd);
}
/** Resolves when a sync of the directory that began after this call has ended; one serves all that wait. */
export function syncDirectory(directory: string): Promise<void> {
  return directories.join(directory);
}

/**
 * For who finds what they wanted done already: resolves when it is durable, which somebody else may still be waiting for,
 * or may have been refused.
 */
export async function proveDirectory(directory: string): Promise<void> {
  if (unproven.has(directory) || directories.isBusy(directory)) await syncDirectory(directory);
}

/** Writes a small file so that a reader ever sees the old or the new content whole, and makes it durable. */
export async function writeFileDurably(
  path: string,
  content: string | Buffer,
  temporary = `${path}.tmp`,
): Promise<void> {
  try {
    const fd = openSync(temporary, "w", 0o600);
    try {
      writeAll(fd, typeof content === "string" ? Buffer.from(content) : content);
      await syncDescriptor(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // It was never made.
    }
    throw storeError(error, `Writing ${path}`);
  }
  await syncDirectory(dirname(path));
}
/** One write normally; more when the kernel takes less at once. */
export function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
}

/** Makes a directory and the missing ones above it, and syncs every parent that got an entry. */
export async function makeDirectory(directory: string): Promise<void> {
  const changed: string[] = [];
  try {
    makeMissing(directory, changed);
  } catch (error) {
    throw storeError(error, `Making ${directory}`);
  }
  await Promise.all(changed.map(syncDirectory));
  // A directory that is there may have been made by somebody who still waits for the sync of its name.
  for (let parent = dirname(directory); parent !== dirname(parent); parent = dirname(parent))
    await proveDirectory(parent);
}
function makeMissing(directory: string, changed: string[]): void {
  try {
    mkdirSync(directory, 0o700);
    changed.push(dirname(directory));
  } catch (error) {
    if (errorCode(error) === "EEXIST") return;
    if (errorCode(error) !== "ENOENT" || dirname(directory) === directory) throw error;
    makeMissing(dirname(directory), changed);
    makeMissing(directory, changed);
  }
}
