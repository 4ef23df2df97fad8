/**
 * One client connection as bytes: commands out, replies in, time-outs, TLS. It knows nothing of what is said.
 *
 * Every wait has a limit (RFC 5321 §4.5.3.2) that counts from the moment of waiting, not from the last byte, so that a
 * server that drips one byte a minute holds a delivery no longer than one that is silent.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { BadReply, type Reply, ReplyReader } from "./reply.ts";

/** Why a connection could not be used, or could not be used any longer. */
export type ClientProblem =
  | "connect" // no connection: refused, unreachable, or no answer in time
  | "timeout" // the server was silent too long
  | "closed" // the server ended the connection
  | "garbage" // what came is no SMTP reply
  | "tls" // the handshake failed, or the certificate is not what the policy wants
  | "refused"; // the server greeted or answered EHLO with an error
export class ClientError extends Error {
  override name = "ClientError";
  readonly problem: ClientProblem;
  /** The reply that said so, where there is one. */
  readonly reply: Reply | undefined;
  constructor(problem: ClientProblem, message: string, reply?: Reply) {
    super(message);
    this.problem = problem;
    this.reply = reply;
  }
}

export interface ConnectTarget {
  readonly address: string;
  readonly port: number;
  /** Local address to send from. */
  readonly localAddress?: string;
  readonly timeoutMs: number;
  /** Ends the connection whenever it is aborted. */
  readonly signal?: AbortSignal;
}

export class Wire {
  #socket: Socket;
  #reader = new ReplyReader();
  #failure: ClientError | undefined;
  /** Wakes whoever waits for a reply or for room in the socket. */
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen(socket);
  }

  /** Connects. @throws {ClientError} connect */
  static async connect(target: ConnectTarget): Promise<Wire> {
    const { address, port, localAddress, timeoutMs, signal } = target;
    const socket = connectTcp({ host: address, port, localAddress, noDelay: true });
    const abort = (): void => {
      socket.destroy();
    };
    signal?.addEventListener("abort", abort, { once: true });
    socket.once("close", () => signal?.removeEventListener("abort", abort));
    if (signal?.aborted) socket.destroy();
    await settled(socket, "connect", timeoutMs, "connect", `no connection to ${address}:${port}`);
    return new Wire(socket);
  }

  /** The socket's TLS facts, undefined in plain text. */
  get tls(): TLSSocket | undefined {
    return "getPeerCertificate" in this.#socket ? (this.#socket as TLSSocket) : undefined;
  }

  /** Nothing has ended this connection yet. */
  get usable(): boolean {
    return this.#failure === undefined && !this.#socket.destroyed;
  }

  /** Sends; many small pieces within one turn leave as one packet between `cork` and `uncork`. */
  write(bytes: Buffer | string): boolean {
    return this.#socket.write(bytes);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  /**
   * Waits until what was written has left, or until the server says something out of turn: it may be refusing what we
   * are still sending. @throws {ClientError}
   */
  async drained(timeoutMs: number): Promise<void> {
    if (!this.#socket.writableNeedDrain) return;
    await this.#until(
      () => !this.#socket.writableNeedDrain || this.#reader.pending,
      timeoutMs,
      "sending data",
    );
  }

  /** The server has said something that was not asked for yet. */
  get spoken(): boolean {
    return this.#reader.pending;
  }

  /** The next reply. @throws {ClientError} */
  async reply(timeoutMs: number, during: string): Promise<Reply> {
    let reply = this.#reader.next();
    if (reply === undefined) {
      await this.#until(
        () => {
          reply = this.#reader.next();
          return reply !== undefined;
        },
        timeoutMs,
        during,
      );
    }
    return reply as Reply;
  }

  /**
   * Makes this a TLS connection. Bytes that came before the handshake were not protected and end it (RFC 3207 §6,
   * CVE-2011-0411 seen from the client). @throws {ClientError} tls
   */
  async startTls(options: ConnectionOptions, timeoutMs: number): Promise<TLSSocket> {
    if (this.#reader.pending)
      throw new ClientError("tls", "the server sent more than its reply before the handshake");
    const plain = this.#socket;
    for (const event of ["data", "drain", "end"]) plain.removeAllListeners(event);
    const secure = connectTls({ ...options, socket: plain });
    try {
      await settled(secure, "secureConnect", timeoutMs, "tls", "TLS handshake failed");
    } catch (error) {
      plain.destroy();
      this.#failure = error as ClientError;
      throw error;
    }
    this.#socket = secure;
    this.#reader = new ReplyReader();
    this.#listen(secure);
    return secure;
  }

  /** Says goodbye without waiting for the answer (RFC 5321 §4.1.1.10 wants QUIT, not patience). */
  end(farewell?: string): void {
    if (this.#socket.destroyed) return;
    if (farewell !== undefined && this.usable) this.#socket.write(farewell);
    this.#socket.end();
    const patience = setTimeout(() => this.#socket.destroy(), 2000);
    patience.unref();
    this.#socket.once("close", () => clearTimeout(patience));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #listen(socket: Socket): void {
    socket.on("data", (bytes: Buffer) => {
      try {
        this.#reader.push(bytes);
      } catch (error) {
        this.#fail("garbage", error instanceof BadReply ? error.message : String(error));
      }
      this.#wake?.();
    });
    socket.on("drain", () => this.#wake?.());
    socket.on("error", (error: Error) => this.#fail("closed", `the connection broke: ${error.message}`));
    socket.on("close", () => this.#fail("closed", "the server ended the connection"));
    socket.on("end", () => this.#fail("closed", "the server ended the connection"));
  }

  #fail(problem: ClientProblem, message: string): void {
    this.#failure ??= new ClientError(problem, message);
    this.#socket.destroy();
    this.#wake?.();
  }

  async #until(done: () => boolean, timeoutMs: number, during: string): Promise<void> {
    let expired = false;
    const timer = setTimeout(() => {
      expired = true;
      this.#wake?.();
    }, timeoutMs);
    try {
      // A reply that came just before the end still counts: a server may say 421 and close.
      while (!done()) {
        if (this.#failure !== undefined)
          throw new ClientError(this.#failure.problem, `${this.#failure.message} (${during})`);
        if (expired) {
          this.#fail("timeout", `no answer within ${Math.round(timeoutMs / 1000)} s`);
          continue;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.#wake = undefined;
      clearTimeout(timer);
    }
  }
}

/** Waits for one event of a fresh socket, and destroys it when the event does not come. */
function settled(
  socket: Socket,
  event: string,
  timeoutMs: number,
  problem: ClientProblem,
  what: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: ClientError): void => {
      clearTimeout(timer);
      socket.off("error", failed).off("close", closed).off(event, succeeded);
      if (error === undefined) {
        resolve();
        return;
      }
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const failed = (error: Error): void => done(new ClientError(problem, `${what}: ${error.message}`));
    const closed = (): void => done(new ClientError(problem, `${what}: the server ended the connection`));
    const succeeded = (): void => done();
    const timer = setTimeout(
      () => done(new ClientError(problem, `${what}: no answer within ${Math.round(timeoutMs / 1000)} s`)),
      timeoutMs,
    );
    socket.once("error", failed).once("close", closed).once(event, succeeded);
  });
}
