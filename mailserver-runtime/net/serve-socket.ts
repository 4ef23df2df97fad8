/**
 * An accepted socket from its first byte to its end: the PROXY header where one must come (DESIGN D9), the count of the
 * client it names, TLS where the protocol begins with it (RFC 8314), then the protocol.
 *
 * A handler that returns has its connection ended; one that throws is logged and has it destroyed.
 */
import type { Socket } from "node:net";
import type { Listener, Protocol } from "../settings/schema.ts";
import { type Connection, ConnectionError, type TlsContexts } from "./connection.ts";
import type { Log } from "./log.ts";
import { parseProxyHeader } from "./proxy-protocol.ts";
import { SocketConnection, type TlsOffer } from "./socket-connection.ts";

/** A reason not to serve a client: a ban, or the limit it is over. */
export type Refused = "banned" | "total" | "perAddress";

export interface SocketService {
  readonly listener: Pick<Listener, "protocol" | "proxyProtocol">;
  /** Without it no TLS is offered; a protocol that begins with TLS needs it. */
  readonly tls: TlsContexts | undefined;
  /** Who else answers a handshake: shown its ClientHello where the protocol begins with TLS. */
  readonly tlsProof?: (hello: Buffer) => TlsOffer | undefined;
  /** Speaks the protocol; when its promise settles, the connection is ended. */
  readonly onConnection: (connection: Connection) => Promise<void> | void;
  /** Asked when it is known who the client is, before anything else of it is read. */
  readonly admit: (address: string) => Refused | undefined | Promise<Refused | undefined>;
  /** A protocol's last words to a client over a limit, with line end; sent only where no TLS comes first. */
  readonly refusal?: string;
  readonly log: Log;
  /** Time for the PROXY header; 3 s by DESIGN D9. */
  readonly proxyTimeoutMs?: number;
}

const withTlsFirst: ReadonlySet<Protocol> = new Set(["submissions", "imaps", "pop3s", "https"]);
/** Whether the protocol begins with TLS. */
export function beginsWithTls(protocol: Protocol): boolean {
  return withTlsFirst.has(protocol);
}

/** Serves a socket from now on. Its end is told by the connection's `onClosed`, which the caller sets. */
export function serveSocket(socket: Socket, service: SocketService): SocketConnection {
  const connection = new SocketConnection(socket, service.tls);
  void serve(connection, service);
  return connection;
}

async function serve(connection: SocketConnection, service: SocketService): Promise<void> {
  const { listener, log } = service;
  const implicitTls = beginsWithTls(listener.protocol);
  try {
    if (listener.proxyProtocol.length > 0) await readProxyHeader(connection, service.proxyTimeoutMs ?? 3000);
    const { address } = connection.remote;
    const answer = service.admit(address);
    const refused = answer instanceof Promise ? await answer : answer;
    if (refused === "banned") throw new ConnectionError("closed", "the client behind the proxy is banned");
    if (refused !== undefined) {
      log.warn(
        { event: "connection-limit", client: address, protocol: listener.protocol, limit: refused },
        "too many connections",
      );
      if (!implicitTls && service.refusal !== undefined) connection.write(service.refusal);
      // No lingering: nothing counts these, so nothing may keep them open.
      connection.flush();
      connection.destroy();
      return;
    }
    if (connection.closed) return;
    if (implicitTls) await connection.acceptTls(service.tlsProof);
    await service.onConnection(connection);
    connection.end();
  } catch (error) {
    const client = connection.remote.address;
    if (error instanceof ConnectionError) {
      const fields = { event: "connection-failed", client, protocol: listener.protocol, reason: error.code };
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
