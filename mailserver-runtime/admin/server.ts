/**
 * The running server's local socket: one JSON line in, one JSON line out (contract.ts), as many as the
 * client likes, in order.
 *
 * Only the server's own user may connect (mode 0600, in a directory of its own). A request line is bounded,
 * a client that says nothing is let go, and requests of one connection are performed one after the other.
 */
import { rmSync, statSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { makeDirectory } from "../config/durable-file.ts";
import { bindLocally } from "../net/local-socket.ts";
import type { Log } from "../net/log.ts";
import { answerLine, answerText } from "./answer.ts";
import { type AdminContext, type LiveServer, OperationError } from "./context.ts";
import { MAX_REQUEST_BYTES } from "./limits.ts";
import { adminSocketPath } from "./socket-path.ts";
import { sweepUnfinished } from "./sweep.ts";

const IDLE_MS = 60_000;
const REFUSAL_MS = 1000;
const MAX_CLIENTS = 64;

export interface AdminServer {
  /** No new requests; those under way are answered. The socket's file is gone when it resolves. */
  close(): Promise<void>;
}

/** What the server is told by `main.ts`. */
export interface AdminServerOptions extends AdminContext {
  readonly live: LiveServer;
  readonly log: Log;
}

type ServerContext = AdminContext & { readonly log: Log };

/**
 * Binds `run/admin.sock`, taking the place of one that a dead server left.
 *
 * @throws {OperationError} "conflict" when another server answers there
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { run } = options.directories;
  await makeDirectory(run, 0o700);
  const address = adminSocketPath(run);
  try {
    if (await answers(address.path))
      throw new OperationError("conflict", `another server runs on ${run}; stop it first`);
    rmSync(address.path, { force: true });
    const context = { ...options, startedWith: options.live.configuration.current().settings };
    const clients = new Set<Client>();
    const server = createServer((socket) => {
      const client = serve(socket, context);
      clients.add(client);
      socket.on("close", () => clients.delete(client));
    });
    server.maxConnections = MAX_CLIENTS;
    await bindLocally(server, address.path);
    // Through a descriptor the path works only while that is open; the name below `run` stays the same.
    const inode = statSync(address.path).ino;
    const swept = await sweepUnfinished(options.directories);
    if (swept > 0) options.log.info({ swept }, "cleared away what a killed writer left");
    return { close: () => close(server, run, inode, clients) };
  } finally {
    address.release();
  }
}

interface Client {
  readonly socket: Socket;
  /** Resolves when what has been asked is answered. */
  settled(): Promise<void>;
}

function serve(socket: Socket, context: ServerContext): Client {
  let pieces: Buffer[] = [];
  let size = 0;
  let work: Promise<void> = Promise.resolve();
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    if (!socket.writable) return;
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...pieces, rest.subarray(0, end)]).toString();
      pieces = [];
      size = 0;
      rest = rest.subarray(end + 1);
      // Not reading while a request is performed bounds what a client can have waiting.
      socket.pause();
      work = work.then(() => answer(socket, line, context)).then(() => void socket.resume());
    }
    pieces.push(rest);
    size += rest.length;
    if (size > MAX_REQUEST_BYTES) refuse(socket);
  });
  return { socket, settled: () => work };
}

/** What still comes is read and thrown away for a moment: closing on unread bytes would take the answer back. */
function refuse(socket: Socket): void {
  const message = `a request has at most ${MAX_REQUEST_BYTES} bytes`;
  socket.end(answerLine({ ok: false, code: "invalid", message }));
  setTimeout(() => socket.destroy(), REFUSAL_MS).unref();
}

async function answer(socket: Socket, text: string, context: ServerContext): Promise<void> {
  socket.setTimeout(0);
  const result = await answerText(text, context);
  if (!socket.destroyed) socket.write(result);
  socket.setTimeout(IDLE_MS);
}

/** Whether somebody accepts connections there. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function close(
  server: Server,
  run: string,
  inode: number,
  clients: ReadonlySet<Client>,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const client of clients) {
    await client.settled();
    client.socket.end();
  }
  for (const client of clients) client.socket.destroySoon();
  await closed;
  const address = adminSocketPath(run);
  try {
    // A successor may have bound its own socket by now: that one is not ours to delete.
    if (statSync(address.path, { throwIfNoEntry: false })?.ino === inode)
      rmSync(address.path, { force: true });
  } finally {
    address.release();
  }
}
