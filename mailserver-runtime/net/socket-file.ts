/**
 * Listening on a socket file (unix(7)), as LMTP between two programs of one host does.
 *
 * A process that died leaves its file behind. Whether somebody still listens there is found out by connecting:
 * only a file that is a socket and refuses connections is taken away. Who may connect is the file's mode, set
 * before the first connection can be served; until then the file is open to its owner only.
 */
import { chmod, lstat, stat, unlink } from "node:fs/promises";
import { createConnection, type Server } from "node:net";
import { dirname } from "node:path";
import { ListenError } from "./listen-error.ts";

export interface SocketFile {
  readonly path: string;
  /** Octal; 660 by default: the owner and the group of the file. */
  readonly mode?: string | undefined;
  /** For messages. */
  readonly protocol: string;
}

/** Resolves when the server listens. Throws ListenError. */
export async function bindSocketFile(server: Server, file: SocketFile): Promise<void> {
  await removeStale(file);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      // bind(2), which is done before `listen` returns, makes the file by the umask.
      const umask = process.umask(0o177);
      try {
        server.listen({ path: file.path, backlog: 1024 }, () => {
          server.off("error", reject);
          resolve();
        });
      } finally {
        process.umask(umask);
      }
    });
    await chmod(file.path, Number.parseInt(file.mode ?? "660", 8));
  } catch (error) {
    throw await errorOf(file, error);
  }
}

async function removeStale(file: SocketFile): Promise<void> {
  const { path } = file;
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket())
    throw new ListenError(
      "address",
      `Cannot listen on ${place(file)}: a file that is no socket is there. Move it away or give this listener another path.`,
    );
  if (await answers(path))
    throw new ListenError(
      "port-taken",
      `Cannot listen on ${place(file)}: another process listens there. End that process or give this listener another path.`,
    );
  await unlink(path).catch(() => undefined);
}

/** Anything but a plain refusal may be a busy or a foreign server, whose file is left alone. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}

function place({ path, protocol }: SocketFile): string {
  return `${path} (${protocol})`;
}

async function errorOf(file: SocketFile, cause: unknown): Promise<ListenError> {
  const { code, message } = cause as NodeJS.ErrnoException;
  // libuv says EACCES where bind(2) says ENOENT.
  const directory = await stat(dirname(file.path)).catch(() => undefined);
  if (directory?.isDirectory() !== true)
    return new ListenError(
      "address",
      `Cannot listen on ${place(file)}: the directory ${dirname(file.path)} does not exist. Make it.`,
      { cause },
    );
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return new ListenError(
      "forbidden",
      `Cannot listen on ${place(file)}: this user may not make files in ${dirname(file.path)}.`,
      { cause },
    );
  return new ListenError("other", `Cannot listen on ${place(file)}: ${message}`, { cause });
}
