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
import { StoreError } from "../mail-store.ts";

/** A StoreError for what the operating system said. */
export function storeError(error: unknown, what: string): StoreError {
  if (error instanceof StoreError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new StoreError("no-space", `${what}: the mail volume is full (${code}); free space there.`, {
      cause: error,
    });
  return new StoreError("unavailable", `${what}: ${(error as Error).message}`, { cause: error });
}
export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** Syncs an open file. */
export function syncDescriptor(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())));
}

interface DirectoryWait {
  running: boolean;
  next: PromiseWithResolvers<void> | undefined;
}
const waits = new Map<string, DirectoryWait>();

/** Resolves when a sync of the directory that began after this call has ended. */
export function syncDirectory(directory: string): Promise<void> {
  let wait = waits.get(directory);
  if (wait === undefined) {
    wait = { running: false, next: undefined };
    waits.set(directory, wait);
  }
  wait.next ??= Promise.withResolvers<void>();
  const { promise } = wait.next;
  // Begun in the next turn, so that all renames of this turn share it.
  if (!wait.running) {
    wait.running = true;
    setImmediate(runSync, directory, wait);
  }
  return promise;
}
function runSync(directory: string, wait: DirectoryWait): void {
  const served = wait.next!;
  wait.next = undefined;
  const ended = (error?: Error | null): void => {
    if (error) served.reject(storeError(error, `Syncing ${directory}`));
    else served.resolve();
    if (wait.next !== undefined) runSync(directory, wait);
    else waits.delete(directory);
  };
  let fd: number;
  try {
    fd = openSync(directory, "r");
  } catch (error) {
    ended(error as Error);
    return;
  }
  fsync(fd, (error) => {
    closeSync(fd);
    ended(error);
  });
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
