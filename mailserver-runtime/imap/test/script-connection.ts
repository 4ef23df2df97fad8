/** A Connection whose client has said everything beforehand: for the conformance table and hostile bytes. */
import { type Connection, ConnectionError } from "../../net/connection.ts";

export class ScriptConnection implements Connection {
  readonly id = "script";
  readonly remote = { address: "192.0.2.1", port: 40000 };
  readonly local = { address: "192.0.2.2", port: 993 };
  tls: Connection["tls"];
  closed = false;
  readonly sent: Buffer[] = [];
  readonly lineEndedBare = false;
  #input: Buffer;
  #at = 0;
  constructor(input: Buffer, tls = true) {
    this.#input = input;
    this.tls = tls ? { protocol: "TLSv1.3", cipher: "test", servername: undefined } : undefined;
  }

  get output(): Buffer {
    return Buffer.concat(this.sent);
  }

  channelBinding(): undefined {
    return undefined;
  }

  buffered(): number {
    return this.#input.length - this.#at;
  }

  async readLine(limit: number): Promise<Buffer> {
    const end = this.#input.indexOf(10, this.#at);
    if (end < 0 || this.closed) throw new ConnectionError("closed", "the script ends");
    let line = this.#input.subarray(this.#at, end);
    if (line[line.length - 1] === 13) line = line.subarray(0, -1);
    if (line.length > limit) throw new ConnectionError("line-too-long", "the line is too long");
    this.#at = end + 1;
    // What a Connection gives is valid until the next read; a copy that is overwritten would show misuse.
    return Buffer.from(line);
  }

  async readChunk(max: number): Promise<Buffer> {
    if (this.#at >= this.#input.length || this.closed) throw new ConnectionError("closed", "the script ends");
    const chunk = this.#input.subarray(this.#at, Math.min(this.#input.length, this.#at + max));
    this.#at += chunk.length;
    return chunk;
  }

  unread(bytes: Buffer): void {
    this.#input = Buffer.concat([bytes, this.#input.subarray(this.#at)]);
    this.#at = 0;
  }

  write(bytes: Buffer | string): void {
    this.sent.push(Buffer.from(bytes as Buffer));
  }

  async drained(): Promise<void> {}

  async startTls(): Promise<void> {
    this.tls = { protocol: "TLSv1.3", cipher: "test", servername: undefined };
  }

  end(): void {
    this.closed = true;
  }

  destroy(): void {
    this.closed = true;
  }
}
