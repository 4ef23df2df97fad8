/**
 * The Connection over a TCP socket, plain or TLS.
 *
 * Built so that ten thousand idle ones are cheap: one object and one lazily armed timer each, listeners that
 * all connections share, no stream besides the socket's own. The socket flows into an InputBuffer until
 * `HIGH_WATER` bytes wait there, then it is paused until they have been read; so what a peer can make us
 * hold is bounded, and its end is noticed while nobody reads.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { type TLSSocket, TLSSocket as TlsSocket } from "node:tls";
import { normalAddress } from "./address.ts";
import { certificateHash } from "./certificate-hash.ts";
import { readClientHello, serverNameOf } from "./client-hello.ts";
import {
  type ChannelBindingType,
  type Connection,
  type ConnectionEnd,
  ConnectionError,
  type TlsContexts,
} from "./connection.ts";
import { InputBuffer } from "./input-buffer.ts";
import { stopReading } from "./pass-socket.ts";
import type { Endpoint } from "./proxy-protocol.ts";

/** Unread bytes at which a socket is paused, and collected bytes that are sent before more is read. */
const HIGH_WATER = 65_536;
/** How long a peer may take to read our last bytes and to close its side, after we ended. */
const LINGER_MS = 20_000;
/** Bytes a peer may still send after we ended, so that the last reply is not lost in a reset. */
const LINGER_BYTES = 1_048_576;
const HANDSHAKE_MS = 30_000;
const NEVER = Number.POSITIVE_INFINITY;

const connectionOf: unique symbol = Symbol("connection");
type OwnedSocket = Socket & { [connectionOf]?: SocketConnection };

/** Ids are unique on this host: the start time and number of the process, and a counter. */
const idPrefix = `${Math.floor(Date.now() / 1000).toString(36)}${process.pid.toString(36)}`;
let idCounter = 0;

type PendingRead = {
  readonly resolve: (bytes: Buffer) => void;
  readonly reject: (error: ConnectionError) => void;
  /** Largest line, or -1 where a chunk is wanted. */
  readonly lineLimit: number;
  readonly bareLf: boolean;
  readonly max: number;
};
type PendingDrain = {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: ConnectionError) => void;
};
type Piece = Buffer | string;
/** An Error costs a stack trace; most ends are heard by nobody, so it is made for who waits. */
interface Ending {
  readonly code: ConnectionEnd;
  readonly message: string;
}
const weEnded: Ending = { code: "closed", message: "the connection was ended" };
const peerClosed: Ending = { code: "closed", message: "the peer closed the connection" };
const stopping: Ending = { code: "shutdown", message: "the server is stopping" };

/** How a handshake is answered otherwise than by the listener's certificates. */
export interface TlsOffer {
  readonly contexts: TlsContexts;
  /** Protocols of ALPN (RFC 7301). */
  readonly alpn: readonly string[];
}

export class SocketConnection implements Connection {
  readonly id: string;
  remote: Endpoint;
  tls: Connection["tls"];
  /** Called once, when the socket has closed. */
  onClosed: ((connection: SocketConnection) => void) | undefined;

  #announced: Endpoint | undefined;
  #socket: OwnedSocket;
  #contexts: TlsContexts | undefined;
  #input = new InputBuffer();
  #read: PendingRead | undefined;
  #drain: PendingDrain | undefined;
  #readDeadline = NEVER;
  #drainDeadline = NEVER;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = NEVER;
  #output: Piece[] = [];
  #outputBytes = 0;
  #flushScheduled = false;
  /** Why reads end from now on. */
  #ended: Ending | undefined;
  /** The peer will send nothing more; what it has sent can still be read. */
  #peerEnded: Ending | undefined;
  #ending = false;
  #lingered = 0;
  #paused = false;
  #socketClosed = false;

  constructor(socket: Socket, contexts: TlsContexts | undefined) {
    this.id = `${idPrefix}-${(++idCounter).toString(36)}`;
    this.#socket = socket;
    this.#contexts = contexts;
    this.remote = { address: normalAddress(socket.remoteAddress ?? ""), port: socket.remotePort ?? 0 };
    this.#own(socket);
  }

  get local(): Endpoint {
    const { localAddress = "", localPort = 0 } = this.#socket;
    return this.#announced ?? { address: normalAddress(localAddress), port: localPort };
  }
  /** Takes the ends of the connection from a PROXY header. */
  announce(remote: Endpoint | undefined, local: Endpoint | undefined): void {
    if (remote !== undefined) this.remote = remote;
    this.#announced = local;
  }
  get closed(): boolean {
    return this.#socketClosed || this.#ending;
  }
  get lineEndedBare(): boolean {
    return this.#input.endedBare;
  }
  buffered(): number {
    return this.#input.length;
  }
  channelBinding(type: ChannelBindingType): Buffer | undefined {
    if (this.tls === undefined) return undefined;
    const socket = this.#socket as TLSSocket;
    if (type === "tls-server-end-point") return certificateHash(socket.getX509Certificate());
    if (this.tls.protocol !== "TLSv1.3") return undefined;
    return socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
  }

  readLine(limit: number, timeoutMs: number, options?: { readonly bareLf?: boolean }): Promise<Buffer> {
    return this.#request(limit, options?.bareLf === true, 0, timeoutMs);
  }
  readChunk(max: number, timeoutMs: number): Promise<Buffer> {
    return this.#request(-1, false, max, timeoutMs);
  }
  unread(bytes: Buffer): void {
    this.#input.unshift(bytes);
  }

  write(bytes: Piece): void {
    if (bytes.length === 0 || this.closed) return;
    this.#output.push(bytes);
    this.#outputBytes += bytes.length;
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    process.nextTick(flushLater, this);
  }
  drained(timeoutMs: number): Promise<void> {
    this.flush();
    if (this.#ended !== undefined) return Promise.reject(errorOf(this.#ended));
    if (!this.#socket.writableNeedDrain) return Promise.resolve();
    this.#drain ??= Promise.withResolvers<void>();
    this.#drainDeadline = Date.now() + timeoutMs;
    this.#arm(this.#drainDeadline);
    return this.#drain.promise;
  }
  /** Sends what `write` has collected. */
  flush(): void {
    this.#flushScheduled = false;
    const output = this.#output;
    if (output.length === 0) return;
    this.#output = [];
    this.#outputBytes = 0;
    const socket = this.#socket;
    if (this.#socketClosed || socket.destroyed || socket.writableEnded) return;
    if (output.length === 1) {
      socket.write(output[0]!);
      return;
    }
    if (output.every((piece) => typeof piece === "string")) {
      socket.write(output.join(""));
      return;
    }
    socket.cork();
    for (const piece of output) socket.write(piece);
    socket.uncork();
  }

  async startTls(): Promise<void> {
    if (this.#input.length > 0) throw this.#fail("tls", "plain text was sent before the TLS handshake");
    return this.acceptTls();
  }
  /**
   * TLS from the first byte on (RFC 8314), or after a PROXY header: what has arrived belongs to the handshake. `offerFor` may
   * answer a ClientHello otherwise than by the listener's certificates.
   */
  async acceptTls(offerFor?: (hello: Buffer) => TlsOffer | undefined): Promise<void> {
    if (this.#contexts === undefined) throw new Error("startTls on a connection without TLS contexts");
    if (this.tls !== undefined) throw new Error("startTls on a connection that has TLS");
    if (this.#ended !== undefined) throw errorOf(this.#ended);
    const { servername, secureContext, offer } = await this.#answerTo(this.#contexts, offerFor);
    const plain = this.#socket;
    disown(plain);
    plain.pause();
    this.flush();
    const early: Buffer[] = [];
    for (let chunk = this.#input.take(HIGH_WATER); chunk !== undefined; chunk = this.#input.take(HIGH_WATER))
      early.push(chunk);
    if (early.length > 0) plain.unshift(Buffer.concat(early));
    if (plain.writableLength > 0) {
      await new Promise<void>((resolve) => plain.write("", () => resolve()));
    }
    if (plain.destroyed) throw this.#fail("closed", "the connection closed before the TLS handshake");
    const secure = new TlsSocket(plain, {
      isServer: true,
      secureContext,
      requestCert: false,
      ...(offer && { ALPNProtocols: [...offer.alpn] }),
    });
    this.#socket = secure;
    await this.#handshake(secure);
    this.tls = { protocol: secure.getProtocol() ?? "unknown", cipher: secure.getCipher().name, servername };
    this.#paused = false;
    this.#own(secure);
  }

  /**
   * Gives the socket away between two reads, for another process to go on with: nothing of it is read any more, what was
   * written has left. undefined where that is not so; then nothing has changed.
   */
  handOff(): Socket | undefined {
    const socket = this.#socket;
    if (this.tls !== undefined || this.closed || this.#ended !== undefined || this.#peerEnded !== undefined)
      return undefined;
    this.flush();
    if (this.#read !== undefined || this.#input.length > 0 || socket.writableLength > 0) return undefined;
    if (!stopReading(socket)) return undefined;
    disown(socket);
    this.#ending = true;
    this.#socketClosed = true;
    clearTimeout(this.#timer);
    return socket;
  }

  end(): void {
    if (this.#ending || this.#socketClosed) return;
    this.flush();
    this.#ending = true;
    this.#input.clear();
    this.#settle(weEnded);
    this.#socket.end();
    this.#socket.resume();
    this.#readDeadline = Date.now() + LINGER_MS;
    this.#arm(this.#readDeadline);
  }
  destroy(): void {
    this.#ending = true;
    this.#input.clear();
    this.#settle(weEnded);
    this.#socket.destroy();
  }
  /** Wakes whoever reads with "shutdown", now and at each later read. */
  shutDown(): void {
    this.#settle(stopping);
  }

  // What the shared listeners call.

  received(chunk: Buffer): void {
    if (this.#ending) {
      this.#lingered += chunk.length;
      if (this.#lingered > LINGER_BYTES) this.#socket.destroy();
      return;
    }
    this.#input.push(chunk);
    if (this.#read !== undefined) this.#serve();
    // A reader that waits for more gets it: what it may collect is bounded by its own limit.
    if (this.#read === undefined && this.#input.length >= HIGH_WATER && !this.#paused) {
      this.#paused = true;
      this.#socket.pause();
    }
  }
  finished(error?: Error): void {
    this.#peerEnded ??= error === undefined ? peerClosed : { code: "closed", message: error.message };
    if (this.#read !== undefined) this.#serve();
    if (error !== undefined) this.#settle(this.#peerEnded);
  }
  gone(): void {
    this.#socketClosed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#peerEnded ??= peerClosed;
    this.#settle(this.#peerEnded);
    this.onClosed?.(this);
    this.onClosed = undefined;
  }
  couldWrite(): void {
    const drain = this.#drain;
    if (drain === undefined) return;
    this.#drain = undefined;
    this.#drainDeadline = NEVER;
    drain.resolve();
  }
  timerFired(): void {
    this.#timer = undefined;
    this.#timerAt = NEVER;
    const now = Date.now();
    if (this.#ending) {
      if (this.#readDeadline <= now) this.#socket.destroy();
      else this.#arm(this.#readDeadline);
      return;
    }
    if (this.#drain !== undefined && this.#drainDeadline <= now) {
      // A peer that does not take its answers gets no further one either.
      this.#fail("not-reading", "the peer did not take what was sent");
      return;
    }
    const read = this.#read;
    if (read !== undefined && this.#readDeadline <= now) {
      this.#read = undefined;
      this.#readDeadline = NEVER;
      read.reject(new ConnectionError("timeout", "nothing came for the time allowed"));
    }
    this.#arm(Math.min(this.#readDeadline, this.#drainDeadline));
  }

  // Reading.

  #request(lineLimit: number, bareLf: boolean, max: number, timeoutMs: number): Promise<Buffer> {
    if (this.#read !== undefined) return Promise.reject(new Error("two reads at once on one connection"));
    if (this.#ended !== undefined) return Promise.reject(errorOf(this.#ended));
    const unsent = this.#outputBytes >= HIGH_WATER || this.#socket.writableNeedDrain;
    if (unsent && this.#drain === undefined) {
      // Requests are not taken from a peer that does not read the answers, or it could fill our memory.
      return this.drained(timeoutMs).then(() => this.#request(lineLimit, bareLf, max, timeoutMs));
    }
    const found = lineLimit < 0 ? this.#input.take(max) : this.#input.line(lineLimit, bareLf);
    if (found === "too-long") return Promise.reject(lineTooLong(lineLimit));
    if (found !== undefined) {
      this.#resumeWhenLow();
      return Promise.resolve(found);
    }
    if (this.#peerEnded !== undefined) return Promise.reject(errorOf(this.#peerEnded));
    this.#resume();
    return new Promise((resolve, reject) => {
      this.#read = { resolve, reject, lineLimit, bareLf, max };
      this.#readDeadline = Date.now() + timeoutMs;
      this.#arm(this.#readDeadline);
    });
  }
  /** Answers the waiting read when the input suffices, or will never suffice. */
  #serve(): void {
    const read = this.#read!;
    const found =
      read.lineLimit < 0 ? this.#input.take(read.max) : this.#input.line(read.lineLimit, read.bareLf);
    if (found === undefined && this.#peerEnded === undefined) return;
    this.#read = undefined;
    this.#readDeadline = NEVER;
    if (found === undefined) read.reject(errorOf(this.#peerEnded!));
    else if (found === "too-long") read.reject(lineTooLong(read.lineLimit));
    else read.resolve(found);
  }
  #resumeWhenLow(): void {
    if (this.#paused && this.#input.length < HIGH_WATER / 2) this.#resume();
  }
  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  // Ends.

  #settle(ending: Ending): void {
    if (this.#ended === undefined) this.#ended = ending;
    const read = this.#read;
    const drain = this.#drain;
    this.#read = undefined;
    this.#drain = undefined;
    this.#readDeadline = NEVER;
    this.#drainDeadline = NEVER;
    read?.reject(errorOf(ending));
    drain?.reject(errorOf(ending));
  }
  #fail(code: ConnectionEnd, message: string): ConnectionError {
    const ending: Ending = { code, message };
    this.#settle(ending);
    this.#ending = true;
    this.#socket.destroy();
    return errorOf(ending);
  }
  #arm(at: number): void {
    if (at === NEVER || this.#socketClosed) return;
    // A timer that fires early finds nothing due and is armed again: cheaper than one timer a read.
    if (this.#timer !== undefined && this.#timerAt <= at) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(fire, Math.min(Math.max(1, at - Date.now()), 2 ** 31 - 1), this);
  }

  // Sockets.

  #own(socket: OwnedSocket): void {
    socket[connectionOf] = this;
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("error", onError);
    socket.on("close", onClose);
    socket.on("drain", onDrain);
  }
  /** What the client's first record asks for, and the certificates for it. */
  async #answerTo(contexts: TlsContexts, offerFor: ((hello: Buffer) => TlsOffer | undefined) | undefined) {
    try {
      this.flush();
      const hello = await readClientHello(this, HANDSHAKE_MS);
      const servername = serverNameOf(hello);
      const offer = offerFor?.(hello);
      return { servername, offer, secureContext: (offer?.contexts ?? contexts).context(servername) };
    } catch (error) {
      if (error instanceof ConnectionError && error.code === "shutdown") throw error;
      const failed = this.#fail(
        "tls",
        `TLS handshake failed: ${error instanceof Error ? error.message : String(error)}`,
      );
      this.destroy();
      throw failed;
    }
  }

  #handshake(secure: TLSSocket): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error?: Error | null) => {
        clearTimeout(timer);
        reject(this.#fail("tls", `TLS handshake failed: ${error?.message ?? "the peer closed"}`));
        this.gone();
      };
      const timer = setTimeout(() => failed(new Error("it took too long")), HANDSHAKE_MS);
      secure.once("_tlsError", failed);
      secure.once("error", failed);
      secure.once("end", failed);
      secure.once("close", failed);
      secure.once("secure", () => {
        clearTimeout(timer);
        secure.off("_tlsError", failed);
        secure.off("error", failed);
        secure.off("end", failed);
        secure.off("close", failed);
        resolve();
      });
    });
  }
}

function errorOf(ending: Ending): ConnectionError {
  return new ConnectionError(ending.code, ending.message);
}
function lineTooLong(limit: number): ConnectionError {
  return new ConnectionError("line-too-long", `no line end within ${limit} bytes`);
}
function flushLater(connection: SocketConnection): void {
  connection.flush();
}
function fire(connection: SocketConnection): void {
  connection.timerFired();
}
function onData(this: OwnedSocket, chunk: Buffer): void {
  this[connectionOf]?.received(chunk);
}
function onEnd(this: OwnedSocket): void {
  this[connectionOf]?.finished();
}
function onError(this: OwnedSocket, error: Error): void {
  this[connectionOf]?.finished(error);
}
function onClose(this: OwnedSocket): void {
  this[connectionOf]?.gone();
}
function onDrain(this: OwnedSocket): void {
  this[connectionOf]?.couldWrite();
}
/** Takes the plain socket out of our hands before TLS wraps it; only its errors stay ignored here, TLS reports them. */
function disown(socket: OwnedSocket): void {
  socket.off("data", onData);
  socket.off("end", onEnd);
  socket.off("close", onClose);
  socket.off("drain", onDrain);
}
