/**
 * A Connection whose bytes are compressed both ways (RFC 4978), around the one that carries them.
 *
 * Everything above reads and writes as before: line and literal limits count inflated bytes. Inflating stops
 * where nobody asks for more, so some hundred bytes that inflate to a gigabyte cost the same few buffers as
 * any other line; and no request is taken while its forerunners' answers wait to be read.
 */
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from "node:zlib";
import { type ChannelBindingType, type Connection, ConnectionError } from "../net/connection.ts";
import { InputBuffer } from "../net/input-buffer.ts";
import { FatalError } from "./command-reader.ts";

/** Bytes asked of the network and inflated at once. */
const CHUNK = 8 * 1024;
/** Unsent answers at which no further request is read, and what `drained` waits to fall below. */
const HIGH_WATER = 64 * 1024;
/** What deflating remembers: 64 KiB a connection instead of zlib's 256, for clients are many and idle. */
const DEFLATE = { level: 4, windowBits: 13, memLevel: 6, chunkSize: CHUNK };
const INFLATE = { chunkSize: CHUNK, readableHighWaterMark: CHUNK };

export class CompressedConnection implements Connection {
  /** Resolves when the last bytes are with the carrier. */
  readonly ended: Promise<void>;
  readonly #carrier: Connection;
  readonly #inflate: InflateRaw = createInflateRaw(INFLATE);
  readonly #deflate: DeflateRaw = createDeflateRaw(DEFLATE);
  readonly #input = new InputBuffer();
  /** The inflater has not taken all it was given. */
  #feeding = false;
  #broken = false;
  #wakeReader: () => void = () => {};
  /** Everybody who waits for the deflater: a command, the reader, what NOTIFY tells. */
  #room: PromiseWithResolvers<void> | undefined;
  /** Bytes written that the deflater has not taken. */
  #undeflated = 0;
  /** Bytes written since the peer was last waited for. */
  #sinceDrain = 0;
  #flushScheduled = false;
  #ending = false;

  constructor(carrier: Connection) {
    this.#carrier = carrier;
    const wakeReader = () => this.#wakeReader();
    this.#inflate.on("readable", wakeReader).on("close", wakeReader);
    // A client that finishes its stream will say nothing more; what it asked for is still answered.
    this.#inflate.on("end", () => this.end());
    this.#inflate.on("error", () => {
      this.#broken = true;
      wakeReader();
    });
    this.#deflate.on("data", (piece: Buffer) => carrier.write(piece));
    this.#deflate.on("end", () => carrier.end());
    this.ended = new Promise((resolve) => this.#deflate.on("close", resolve));
    this.#deflate.on("close", () => this.#hasRoom());
    this.#deflate.on("error", () => carrier.destroy());
  }

  get id(): string {
    return this.#carrier.id;
  }
  get remote(): Connection["remote"] {
    return this.#carrier.remote;
  }
  get local(): Connection["local"] {
    return this.#carrier.local;
  }
  get tls(): Connection["tls"] {
    return this.#carrier.tls;
  }
  channelBinding(type: ChannelBindingType): Buffer | undefined {
    return this.#carrier.channelBinding(type);
  }
  get closed(): boolean {
    return this.#ending || this.#carrier.closed;
  }
  buffered(): number {
    return this.#input.length + this.#inflate.readableLength + this.#carrier.buffered();
  }
  get lineEndedBare(): boolean {
    return this.#input.endedBare;
  }

  async readLine(limit: number, timeoutMs: number, options?: { readonly bareLf?: boolean }): Promise<Buffer> {
    const deadline = Date.now() + timeoutMs;
    await this.#answersTaken(timeoutMs);
    for (;;) {
      const line = this.#input.line(limit, options?.bareLf === true);
      if (line === "too-long") {
        throw new ConnectionError("line-too-long", `no line end within ${limit} bytes`);
      }
      if (line) return line;
      await this.#fill(deadline);
    }
  }

  async readChunk(max: number, timeoutMs: number): Promise<Buffer> {
    const deadline = Date.now() + timeoutMs;
    await this.#answersTaken(timeoutMs);
    for (;;) {
      const chunk = this.#input.take(max);
      if (chunk) return chunk;
      await this.#fill(deadline);
    }
  }

  unread(bytes: Buffer): void {
    this.#input.unshift(bytes);
  }

  /** Without this, requests that inflate from next to nothing would fill memory with answers nobody reads. */
  async #answersTaken(timeoutMs: number): Promise<void> {
    if (this.#sinceDrain >= HIGH_WATER) await this.drained(timeoutMs);
  }

  /** Gets at least one more inflated byte. Rejects with ConnectionError or FatalError. */
  async #fill(deadline: number): Promise<void> {
    for (;;) {
      if (this.#broken) throw new FatalError("The compressed bytes are damaged.");
      const piece: Buffer | null = this.#inflate.read();
      if (piece) {
        this.#input.push(piece);
        return;
      }
      if (this.#inflate.destroyed) {
        throw new ConnectionError("closed", "the compressed stream ended");
      }
      if (this.#feeding) {
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
        continue;
      }
      // Given to the inflater as it is: the next read comes only when all of it has been taken.
      const chunk = await this.#carrier.readChunk(CHUNK, Math.max(1, deadline - Date.now()));
      this.#feeding = true;
      this.#inflate.write(chunk, () => {
        this.#feeding = false;
        this.#wakeReader();
      });
    }
  }

  write(bytes: Buffer | string): void {
    const { length } = bytes;
    if (length === 0 || this.closed) return;
    this.#undeflated += length;
    this.#sinceDrain += length;
    const taken = () => {
      this.#undeflated -= length;
      if (this.#undeflated < HIGH_WATER) this.#hasRoom();
    };
    this.#deflate.write(bytes, taken);
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    process.nextTick(() => {
      this.#flushScheduled = false;
      if (!this.#ending) this.#deflate.flush(constants.Z_SYNC_FLUSH);
    });
  }

  async drained(timeoutMs: number): Promise<void> {
    this.#sinceDrain = 0;
    while (this.#undeflated >= HIGH_WATER && !this.#deflate.destroyed) {
      this.#room ??= Promise.withResolvers();
      await this.#room.promise;
    }
    await this.#carrier.drained(timeoutMs);
  }

  #hasRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  /** TLS comes before login, compression after it. */
  async startTls(): Promise<void> {
    throw new Error("startTls on a compressed connection");
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#inflate.destroy();
    // What was written is deflated first; its end ends the carrier.
    this.#deflate.end();
  }

  destroy(): void {
    this.#ending = true;
    this.#inflate.destroy();
    this.#deflate.destroy();
    this.#carrier.destroy();
  }
}
