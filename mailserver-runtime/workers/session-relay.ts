/**
 * A session of a client that logged in here to an account of another process (DESIGN D7): this process keeps the
 * connection and its TLS and passes plain bytes on; the owner speaks the protocol from the login on.
 *
 * The owner opens the account before it says that it is ready, so that a login is answered with NO where the session
 * could not be served. It says when a session ends by its own words, over its questions' socket; one that ends without
 * was cut off by the owner's death, and the client is told so in its protocol.
 */
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, ConnectionError } from "../net/connection.ts";
import type { Log } from "../net/log.ts";
import { SocketConnection } from "../net/socket-connection.ts";
import { StoreError } from "../store/mail-store.ts";
import type { ProcessNumber } from "./calls.ts";
import type { Peers } from "./peers.ts";

/** Protocols whose sessions belong to an account. */
export type RelayedProtocol = "imap" | "pop3" | "managesieve";

/** What the owner must know of a client that it does not see. */
export interface RelayedSession {
  /** Of the relaying process, with `id` unique there. */
  readonly from: ProcessNumber;
  readonly id: number;
  readonly protocol: RelayedProtocol;
  readonly account: string;
  /** The connection's id in the log of the relaying process. */
  readonly connection: string;
  readonly remote: Connection["remote"];
  readonly local: Connection["local"];
  readonly tls: Connection["tls"] | null;
}
export type RelayEvent = "compressed" | "ended";

/** What a client is told whose session was cut off. */
export type CutOff = (connection: Connection) => void;

const READY = "ready\n";
const READY_MS = 10_000;
const CHUNK = 65_536;
const FOR_EVER = Number.POSITIVE_INFINITY;
/** For the word that a session has ended, which may come behind the end itself. */
const WORD_MS = 300;

interface Relaying {
  compressed: boolean;
  readonly ended: PromiseWithResolvers<void>;
}

/** The relaying side. */
export class SessionRelay {
  readonly #peers: () => Peers;
  readonly #self: ProcessNumber;
  readonly #relaying = new Map<number, Relaying>();
  #last = 0;

  constructor(self: ProcessNumber, peers: () => Peers) {
    this.#self = self;
    this.#peers = peers;
  }

  get size(): number {
    return this.#relaying.size;
  }

  /** Opens the session at the owner; what it resolves with passes bytes on until the session ends. Throws StoreError. */
  async open(
    owner: ProcessNumber,
    wanted: { readonly protocol: RelayedProtocol; readonly account: string; readonly cutOff: CutOff },
    connection: Connection,
  ): Promise<() => Promise<void>> {
    const id = ++this.#last;
    const session: RelayedSession = {
      from: this.#self,
      id,
      protocol: wanted.protocol,
      account: wanted.account,
      connection: connection.id,
      remote: connection.remote,
      local: connection.local,
      tls: connection.tls ?? null,
    };
    const relaying: Relaying = { compressed: false, ended: Promise.withResolvers() };
    this.#relaying.set(id, relaying);
    try {
      const socket = await this.#peers().openSession(owner, session);
      socket.on("error", () => socket.destroy());
      await ready(socket);
      return async () => {
        try {
          await pass(connection, socket);
          await Promise.race([relaying.ended.promise, sleep(WORD_MS, undefined, { ref: false })]);
          relaying.ended.promise.catch(() => {});
          const cut = !(await settled(relaying.ended.promise));
          if (cut && !relaying.compressed && !connection.closed) wanted.cutOff(connection);
        } finally {
          socket.destroy();
          this.#relaying.delete(id);
        }
      };
    } catch (error) {
      this.#relaying.delete(id);
      throw new StoreError("unavailable", `The owner of ${wanted.account} cannot be reached.`, {
        cause: error,
      });
    }
  }

  /** The owner says what became of a session. */
  heard(id: number, event: RelayEvent): void {
    const relaying = this.#relaying.get(id);
    if (relaying === undefined) return;
    if (event === "compressed") relaying.compressed = true;
    else relaying.ended.resolve();
  }
}

async function settled(promise: Promise<void>): Promise<boolean> {
  return Promise.race([promise.then(() => true), Promise.resolve(false)]);
}

async function ready(socket: Socket): Promise<void> {
  const late = setTimeout(() => socket.destroy(), READY_MS);
  try {
    const [chunk] = (await Promise.race([once(socket, "data"), once(socket, "close").then(() => [])])) as [
      Buffer?,
    ];
    socket.pause();
    const text = chunk?.toString("latin1", 0, READY.length);
    if (chunk === undefined || text !== READY) throw new Error("the owner did not take the session");
    if (chunk.length > READY.length) socket.unshift(chunk.subarray(READY.length));
  } finally {
    clearTimeout(late);
  }
}

/** Bytes both ways, each side as fast as the other takes them; resolves when the owner has ended. */
async function pass(connection: Connection, socket: Socket): Promise<void> {
  const upwards = (async () => {
    try {
      for (;;) {
        const chunk = await connection.readChunk(CHUNK, FOR_EVER);
        if (!socket.write(chunk)) await Promise.race([once(socket, "drain"), once(socket, "close")]);
      }
    } catch (error) {
      // At a stop the owner says goodbye itself.
      if (!(error instanceof ConnectionError) || error.code !== "shutdown") socket.end();
    }
  })();
  const ended = Promise.withResolvers<void>();
  socket.on("data", (chunk: Buffer) => {
    connection.write(chunk);
    socket.pause();
    connection.drained(FOR_EVER).then(
      () => socket.resume(),
      () => socket.resume(),
    );
  });
  socket.on("end", ended.resolve);
  socket.on("close", () => ended.resolve());
  socket.resume();
  await ended.promise;
  void upwards;
}

/** The owning side: one session that another process relays. */
export interface OwnedSessionOptions {
  /** Opens the account and gives what serves the session; throws where it is not this process's. */
  readonly open: (session: RelayedSession) => Promise<(connection: Connection) => Promise<void>>;
  readonly tell: (session: RelayedSession, event: RelayEvent) => void;
  readonly log: Log;
}

/** Serves a relayed session on its socket. Gives the connection at once, so that the caller can end it. */
export function serveRelayed(
  socket: Socket,
  session: RelayedSession,
  options: OwnedSessionOptions,
): SocketConnection {
  const connection = new SocketConnection(socket, undefined);
  connection.announce(session.remote, session.local);
  connection.tls = session.tls ?? undefined;
  const serve = async () => {
    try {
      const serving = await options.open(session);
      connection.write(READY);
      await serving(connection);
      options.tell(session, "ended");
      connection.end();
    } catch (error) {
      options.log.warn({ event: "relay-refused", account: session.account, reason: String(error) });
      connection.destroy();
    }
  };
  void serve();
  return connection;
}
