/** Asking the running server: request lines over its local socket. */
import { connect, type Socket } from "node:net";
import { adminSocketPath } from "./socket-path.ts";

export interface AdminClient {
  /** Sends one request line (without its line end) and gives the answer's. */
  ask(line: string): Promise<string>;
  close(): void;
}

/** Connects to the server of this run directory; undefined when none runs there. */
export async function connectAdmin(run: string): Promise<AdminClient | undefined> {
  let address: ReturnType<typeof adminSocketPath>;
  try {
    address = adminSocketPath(run);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const socket = await connected(address.path);
    return socket === undefined ? undefined : client(socket);
  } finally {
    address.release();
  }
}

/** No file, or nobody behind it: no server. Anything else (EACCES) is for a person to see. */
function connected(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") resolve(undefined);
      else reject(error);
    });
  });
}

function client(socket: Socket): AdminClient {
  interface Waiting {
    resolve(line: string): void;
    reject(error: Error): void;
  }
  const waiting: Waiting[] = [];
  let rest = "";
  let isOver = false;
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) waiting.shift()?.resolve(line);
  });
  const unanswered = () => new Error("the server closed the connection before it answered");
  const ended = () => {
    isOver = true;
    for (const one of waiting.splice(0)) one.reject(unanswered());
  };
  socket.on("error", ended);
  socket.on("close", ended);
  return {
    ask: (line) =>
      new Promise((resolve, reject) => {
        if (isOver) return reject(unanswered());
        waiting.push({ resolve, reject });
        socket.write(`${line}\n`);
      }),
    close: () => socket.end(),
  };
}
