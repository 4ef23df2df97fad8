/**
 * Listeners: a port or a socket file, its limits, and what stands before a protocol's first byte: the PROXY header where a
 * listener declares who must send one (DESIGN D9), then TLS where the protocol begins with it (RFC 8314).
 *
 * Each connection is counted against its client's address and the listener's total before anything of it is
 * read. A handler that returns has its connection ended; one that throws is logged and has it destroyed; no
 * client can make a listener throw.
 */
import { createServer, type Socket } from "node:net";
import type { Listener, Protocol } from "../settings/schema.ts";
import { clientKey, networkList, normalAddress } from "./address.ts";
import { bind } from "./bind.ts";
import { type Connection, ConnectionError, type TlsContexts } from "./connection.ts";
import { ListenError } from "./listen-error.ts";
import type { Log } from "./log.ts";
import { parseProxyHeader } from "./proxy-protocol.ts";
import { SocketConnection } from "./socket-connection.ts";

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

export interface ListenOptions {
  readonly listener: Listener;
  /** Without it the listener offers no TLS; a protocol that begins with TLS needs it. */
  readonly tls: TlsContexts | undefined;
  /** Speaks the protocol; when its promise settles, the connection is ended. */
  readonly onConnection: (connection: Connection) => Promise<void> | void;
  readonly limits?: ConnectionLimits;
  /** Who is not served, and how: asked before a byte of the connection is read, behind a proxy for the address it names. */
  readonly refuses?: (address: string) => "drop" | "reject" | undefined;
  /** A protocol's last words to a client over a limit, with line end; sent only where no TLS comes first. */
  readonly refusal?: string;
  readonly log: Log;
  /** Time for the PROXY header; 3 s by DESIGN D9. */
  readonly proxyTimeoutMs?: number;
}
export interface Listening {
  readonly port: number;
  readonly connections: number;
  /** Takes no new connection, wakes all readers with "shutdown", and destroys what is left after `graceMs` (default 5,000). */
  close(graceMs?: number): Promise<void>;
}

const beginsWithTls: ReadonlySet<Protocol> = new Set(["submissions", "imaps", "pop3s"]);

/** Binds the listener's place and serves it. Throws ListenError. */
export async function listen(options: ListenOptions): Promise<Listening> {
  const { listener, log } = options;
  const implicitTls = beginsWithTls.has(listener.protocol);
  if (implicitTls && options.tls === undefined)
    throw new ListenError(
      "tls",
      `The ${listener.protocol} listener on port ${listener.port} needs a certificate.`,
    );
  const proxies = listener.proxyProtocol.length === 0 ? undefined : networkList(listener.proxyProtocol);
  const counter = new ConnectionCounter(options.limits ?? defaultConnectionLimits(listener.protocol));
  const open = new Set<SocketConnection>();

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
    const connection = new SocketConnection(socket, options.tls);
    open.add(connection);
    let counted: string | undefined;
    connection.onClosed = () => {
      open.delete(connection);
      if (counted !== undefined) counter.leave(counted);
    };
    if (proxies !== undefined) {
      void serve(readProxyHeader(connection, options.proxyTimeoutMs ?? 3000));
    } else void serve(undefined);

    async function serve(header: Promise<void> | undefined): Promise<void> {
      try {
        if (header !== undefined) await header;
        if (header !== undefined && options.refuses?.(connection.remote.address) !== undefined)
          throw new ConnectionError("closed", "the client behind the proxy is banned");
        const refused = counter.enter(connection.remote.address);
        if (refused !== undefined) {
          log.warn(
            {
              event: "connection-limit",
              client: connection.remote.address,
              protocol: listener.protocol,
              limit: refused,
            },
            "too many connections",
          );
          if (!implicitTls && options.refusal !== undefined) connection.write(options.refusal);
          // No lingering: nothing counts these, so nothing may keep them open.
          connection.flush();
          connection.destroy();
          return;
        }
        counted = connection.remote.address;
        if (connection.closed) {
          // It ended while its header was read; onClosed has run or will run with `counted` set.
          if (!open.has(connection)) counter.leave(counted);
          return;
        }
        if (implicitTls) await connection.acceptTls();
        await options.onConnection(connection);
        connection.end();
      } catch (error) {
        const client = connection.remote.address;
        if (error instanceof ConnectionError) {
          const fields = {
            event: "connection-failed",
            client,
            protocol: listener.protocol,
            reason: error.code,
          };
          log.debug(fields, error.message);
        } else {
          log.error(
            { event: "session-failed", client, protocol: listener.protocol, err: error },
            "a session failed",
          );
        }
        connection.destroy();
      }
    }
  });
  await bind(server, listener);
  server.on("error", (error) => log.error({ event: "listener-failed", err: error }, "listener failed"));
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : listener.port;
  return {
    port,
    get connections() {
      return open.size;
    },
    async close(graceMs = 5000) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of open) connection.shutDown();
      const timer = setTimeout(() => {
        for (const connection of open) connection.destroy();
      }, graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

async function readProxyHeader(connection: SocketConnection, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const chunk = await connection.readChunk(65_536, Math.max(1, deadline - Date.now()));
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const header = parseProxyHeader(bytes);
    if (header.kind === "incomplete") continue;
    if (header.kind === "invalid") throw new ConnectionError("closed", header.reason);
    connection.unread(bytes.subarray(header.length));
    connection.announce(header.source, header.destination);
    return;
  }
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
