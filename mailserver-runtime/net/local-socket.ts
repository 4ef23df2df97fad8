/**
 * Sockets in the file system that only this server's own user may reach (mode 0600).
 *
 * A socket's address holds 107 bytes (unix(7)), a checkout's path easily more. Linux follows
 * /proc/self/fd/<n>/ into a directory that is open, whatever its own path is, so a long path is reached
 * through a descriptor.
 */
import { chmodSync, closeSync, openSync } from "node:fs";
import type { Server } from "node:net";
import { join } from "node:path";

const LONGEST = 100;

export interface LocalSocketPath {
  /** What listen and connect take. */
  readonly path: string;
  /** To be called when the socket is bound or connected; closes the directory where one was opened. */
  release(): void;
}

/** @throws the system's error when the directory cannot be opened */
export function localSocketPath(directory: string, name: string): LocalSocketPath {
  const path = join(directory, name);
  if (Buffer.byteLength(path) <= LONGEST) return { path, release() {} };
  const opened = openSync(directory, "r");
  return { path: `/proc/self/fd/${opened}/${name}`, release: () => closeSync(opened) };
}

/** Binds the server to a path, for this user alone. */
export async function bindLocally(server: Server, path: string): Promise<void> {
  // bind(2) happens inside listen(), so the socket is never there with another mode.
  const mask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
      process.umask(mask);
    });
  } finally {
    process.umask(mask);
  }
  chmodSync(path, 0o600);
}
