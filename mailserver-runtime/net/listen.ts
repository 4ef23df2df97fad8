/**
 * Listeners: a port or a socket file, who may connect to it, and its limits. What comes after the accept is in
 * serve-socket.ts, here or in the process that a socket is handed over to.
 *
 * Each connection is counted against its client's address and the listener's total before anything of it is
 * read; no client can make a listener throw.
 */
import { createServer, type Socket } from "node:net";
import type { Listener, Protocol } from "../settings/schema.ts";
import { clientKey, networkList, normalAddress } from "./address.ts";
import { bind } from "./bind.ts";
import type { Connection } from "./connection.ts";
import { ListenError } from "./listen-error.ts";
import { beginsWithTls, type Refused, type SocketService, serveSocket } from "./serve-socket.ts";
import type { SocketConnection } from "./socket-connection.ts";

export { ListenError } from "./listen-error.ts";

export interface ConnectionLimits {
  /** Connections of one listener at once. */
  readonly total: number;
  /** Of these, from one IPv4 address or one IPv6 /64. */
  readonly perAddress: number;
}
/** An office behind one address opens hundreds of IMAP connections; no mail server opens so many to port 25. */
export function defaultConnectionLimits(protocol: Protocol): ConnectionLimits {
  return { total: 20_000, perAddress: protocol === "smtp" ? 100 : 1000 };
}

export interface ListenOptions extends Omit<SocketService, "listener" | "admit"> {
  readonly listener: Listener;
  readonly limits?: ConnectionLimits;
  /** Who is not served, and how: asked before a byte of the connection is read, behind a proxy for the address it names. */
  readonly refuses?: (address: string) => "drop" | "reject" | undefined;
  /** Told of a client that has more connections than one address may have. */
  readonly onTooMany?: (client: string, protocol: Listener["protocol"]) => void;
  /** Takes a socket that another process is to serve; false: it is served here. */
  readonly handOver?: (socket: Socket, accepted: Accepted) => boolean;
}
/** What whoever serves a socket must say of it. */
export interface Accepted {
  readonly listener: Listener;
  /** To be asked when it is known who the client is; counts it. */
  admit(address: string): Refused | undefined;
  /** The connection has closed. To be called once. */
  left(): void;
}
export interface Listening {
  readonly port: number;
  readonly connections: number;
  /** Gives a connection of this listener away, as SocketConnection.handOff does; whoever takes it says when it has left. */
  giveAway(connection: Connection): { readonly socket: Socket; readonly accepted: Accepted } | undefined;
  /** Takes no new connection, wakes all readers with "shutdown", and destroys what is left after `graceMs` (default 5,000). */
  close(graceMs?: number): Promise<void>;
}

/** Binds the listener's place and serves it. Throws ListenError. */
export async function listen(options: ListenOptions): Promise<Listening> {
  const { listener, log } = options;
  if (beginsWithTls(listener.protocol) && options.tls === undefined)
    throw new ListenError(
      "tls",
      `The ${listener.protocol} listener on port ${listener.port} needs a certificate.`,
    );
  const proxies = listener.proxyProtocol.length === 0 ? undefined : networkList(listener.proxyProtocol);
  const counter = new ConnectionCounter(options.limits ?? defaultConnectionLimits(listener.protocol));
  const open = new Map<SocketConnection, Accepted>();

  const server = createServer({
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 300_000,
  });
  server.on("connection", (socket: Socket) => {
    const address = normalAddress(socket.remoteAddress ?? "");
    if (proxies !== undefined && !proxies.has(address)) {
      log.warn(
        { event: "proxy-refused", client: address, protocol: listener.protocol },
        "connection past the proxy refused",
      );
      socket.on("error", ignore);
      socket.destroy();
      return;
    }
    // Who may open a socket file is decided by its mode; an address that could be refused it has none.
    const refused =
      proxies === undefined && listener.path === undefined ? options.refuses?.(address) : undefined;
    if (refused !== undefined) {
      log.debug({ event: "connection-refused", client: address, protocol: listener.protocol });
      socket.on("error", ignore);
      if (refused === "reject") socket.resetAndDestroy();
      else socket.destroy();
      return;
    }
    const accepted = accept(proxies !== undefined);
    if (options.handOver?.(socket, accepted) === true) return;
    const connection = serveSocket(socket, { ...options, admit: accepted.admit });
    open.set(connection, accepted);
    connection.onClosed = () => {
      open.delete(connection);
      accepted.left();
    };
  });
  function accept(isProxied: boolean): Accepted {
    let counted: string | undefined;
    let left = false;
    return {
      listener,
      admit(address) {
        if (isProxied && options.refuses?.(address) !== undefined) return "banned";
        const refused = left ? undefined : counter.enter(address);
        if (refused === undefined && !left) counted = address;
        if (refused === "perAddress") options.onTooMany?.(address, listener.protocol);
        return refused;
      },
      left() {
        left = true;
        if (counted !== undefined) counter.leave(counted);
        counted = undefined;
      },
    };
  }
  await bind(server, listener);
  server.on("error", (error) => log.error({ event: "listener-failed", err: error }, "listener failed"));
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : listener.port;
  return {
    port,
    get connections() {
      return open.size;
    },
    giveAway(connection) {
      // What a PROXY header or a socket file said of the client would be lost.
      if (listener.proxyProtocol.length > 0 || listener.path !== undefined) return undefined;
      const accepted = open.get(connection as SocketConnection);
      const socket = accepted === undefined ? undefined : (connection as SocketConnection).handOff();
      if (accepted === undefined || socket === undefined) return undefined;
      open.delete(connection as SocketConnection);
      return { socket, accepted };
    },
    async close(graceMs = 5000) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of open.keys()) connection.shutDown();
      const timer = setTimeout(() => {
        for (const connection of open.keys()) connection.destroy();
      }, graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Who has how many connections. */
class ConnectionCounter {
  #limits: ConnectionLimits;
  #total = 0;
  #byClient = new Map<string, number>();
  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }
  /** Counts one connection in, or names the limit that forbids it. */
  enter(address: string): keyof ConnectionLimits | undefined {
    const key = clientKey(address);
    const count = this.#byClient.get(key) ?? 0;
    if (this.#total >= this.#limits.total) return "total";
    if (count >= this.#limits.perAddress) return "perAddress";
    this.#total++;
    this.#byClient.set(key, count + 1);
    return undefined;
  }
  leave(address: string): void {
    const key = clientKey(address);
    const count = this.#byClient.get(key) ?? 0;
    this.#total--;
    if (count <= 1) this.#byClient.delete(key);
    else this.#byClient.set(key, count - 1);
  }
}

function ignore(): void {}
