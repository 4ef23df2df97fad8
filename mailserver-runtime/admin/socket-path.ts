/**
 * The server's local socket, `run/admin.sock`.
 *
 * A socket's address holds 107 bytes (unix(7)), a checkout's path easily more. Linux follows
 * /proc/self/fd/<n>/ into a directory that is open, whatever its own path is, so a long path is reached
 * through a descriptor.
 */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";

const NAME = "admin.sock";
const LONGEST = 100;

export interface SocketPath {
  /** What listen and connect take. */
  readonly path: string;
  /** To be called when the socket is bound or connected; closes the directory where one was opened. */
  release(): void;
}

/** @throws the system's error when the run directory cannot be opened */
export function adminSocketPath(run: string): SocketPath {
  const path = join(run, NAME);
  if (Buffer.byteLength(path) <= LONGEST) return { path, release() {} };
  const directory = openSync(run, "r");
  return { path: `/proc/self/fd/${directory}/${NAME}`, release: () => closeSync(directory) };
}
