/**
 * A connection to an engine: lines and bytes with a bound, one deadline for all of it, and errors of engines' closed list.
 */
import { createConnection } from "node:net";
import type { MessageContent } from "../../message/content.ts";
import { ConnectionError } from "../../net/connection.ts";
import { SocketConnection } from "../../net/socket-connection.ts";
import { type Place, placeText } from "../../settings/place.ts";
import { startBreathing } from "../reading/breather.ts";
import { EngineError } from "./engine.ts";

const CHUNK = 65_536;

export class Link {
  readonly #connection: SocketConnection;
  readonly #deadline: number;
  readonly #breather = startBreathing();

  private constructor(connection: SocketConnection, deadline: number) {
    this.#connection = connection;
    this.#deadline = deadline;
  }

  /** Connects until `deadline` (`performance.now()`). Throws EngineError. */
  static open(place: Place, deadline: number): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ ...place, allowHalfOpen: true });
      const fail = (error: EngineError) => {
        clearTimeout(timer);
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(
        () => fail(new EngineError("late", `nobody answered at ${placeText(place)} in time`)),
        Math.max(1, deadline - performance.now()),
      );
      socket.once("error", (error) =>
        fail(new EngineError("unreachable", `cannot reach ${placeText(place)}: ${error.message}`)),
      );
      socket.once("connect", () => {
        clearTimeout(timer);
        socket.removeAllListeners("error").removeAllListeners("connect");
        socket.setNoDelay(true);
        resolve(new Link(new SocketConnection(socket, undefined), deadline));
      });
    });
  }

  write(bytes: Buffer | string): void {
    this.#connection.write(bytes);
  }
  /** Waits until what was written fits the way. */
  drained(): Promise<void> {
    return this.#told(this.#connection.drained(this.#left()));
  }
  /** Writes a message's bytes, no faster than they are taken. */
  async send(content: MessageContent): Promise<void> {
    for await (const chunk of content.chunks()) {
      this.write(chunk);
      await this.drained();
    }
  }
  /** The next line without its end, LF or CRLF. */
  async line(limit: number): Promise<string> {
    const line = await this.#told(this.#connection.readLine(limit, this.#left(), { bareLf: true }));
    return line.toString("latin1");
  }
  /** Exactly so many bytes. */
  async bytes(length: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const piece = await this.#told(this.#connection.readChunk(Math.min(left, CHUNK), this.#left()));
      left -= piece.length;
      pieces.push(piece);
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length);
  }
  /** Everything up to the end of the connection, or up to the byte that ends an answer. Throws "nonsense" beyond `limit` bytes. */
  async rest(limit: number, end?: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let length = 0; ; ) {
      let piece: Buffer;
      try {
        piece = await this.#connection.readChunk(CHUNK, this.#left());
      } catch (error) {
        const isEnd = error instanceof ConnectionError && error.code === "closed";
        if (isEnd && (end === undefined || length > 0)) return Buffer.concat(pieces);
        throw engineError(error);
      }
      const stop = end === undefined ? -1 : piece.indexOf(end);
      pieces.push(stop < 0 ? piece : piece.subarray(0, stop));
      if (stop >= 0) return Buffer.concat(pieces);
      length += piece.length;
      if (length > limit) throw new EngineError("nonsense", `its answer has no end within ${limit} bytes`);
    }
  }
  close(): void {
    this.#connection.destroy();
  }

  #left(): number {
    return Math.max(1, this.#deadline - performance.now());
  }
  /** What has arrived already is given without waiting, so the deadline and the loop's turn are looked after here. */
  async #told<T>(work: Promise<T>): Promise<T> {
    try {
      const done = await work;
      if (performance.now() > this.#deadline) throw new EngineError("late", "its answer has no end in time");
      await this.#breather.breathe();
      return done;
    } catch (error) {
      throw engineError(error);
    }
  }
}

function engineError(error: unknown): unknown {
  if (!(error instanceof ConnectionError)) return error;
  switch (error.code) {
    case "timeout":
    case "not-reading":
      return new EngineError("late", "it did not answer in time");
    case "line-too-long":
      return new EngineError("nonsense", "its answer has a line without end");
    default:
      return new EngineError("gone", `it ended the connection: ${error.message}`);
  }
}
