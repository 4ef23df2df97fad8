import { join } from "node:path";
import { withLock } from "../config/lock.ts";
import type { Directories } from "../settings/directories.ts";

/**
 * Runs a change of files while nobody else changes any: the lock of all who write below the config directory
 * and the keys.
 *
 * @throws {LockHeld}
 */
export function asOnlyWriter<T>({ state }: Directories, work: () => Promise<T>): Promise<T> {
  return withLock(join(state, "admin.lock"), work);
}
