/** The server's local socket, `run/admin.sock`. */
import { type LocalSocketPath, localSocketPath } from "../net/local-socket.ts";

/** @throws the system's error when the run directory cannot be opened */
export function adminSocketPath(run: string): LocalSocketPath {
  return localSocketPath(run, "admin.sock");
}
