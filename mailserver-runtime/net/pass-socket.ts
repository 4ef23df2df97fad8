/**
 * Gives an accepted TCP socket to a child process, whole: no byte of it is read here any more, and none is lost.
 *
 * Node's channel to a child takes a socket along, but two of its habits do not fit: it goes on reading until the child
 * has confirmed, and throws those bytes away; and it makes the listening server count the child's sockets. So reading is
 * stopped first, by the only means there is (the handle itself), and the socket is taken from its server.
 */
import type { ChildProcess, Serializable } from "node:child_process";
import type { Socket } from "node:net";

type Inner = Socket & { _handle?: { readStop?: () => number } | null; server?: unknown };

/** Stops reads at once; bytes that were read before have been emitted. False where this Node cannot. */
export function stopReading(socket: Socket): boolean {
  const handle = (socket as Inner)._handle;
  if (typeof handle?.readStop !== "function") return false;
  return handle.readStop() === 0;
}

/** Sends a socket whose reads are stopped. `failed` is called where the child could not be given it; it is closed then. */
export function passSocket(
  child: ChildProcess,
  message: Serializable,
  socket: Socket,
  failed: () => void,
): void {
  (socket as Inner).server = null;
  socket.on("error", () => {});
  child.send(message, socket, { keepOpen: false }, (error) => {
    socket.destroy();
    if (error !== null) failed();
  });
}
