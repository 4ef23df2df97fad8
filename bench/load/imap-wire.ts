/** An IMAP client that costs next to nothing: bytes out, an answer's bytes in; nothing is parsed while time is taken. */
import { connect, type TLSSocket } from "node:tls";

const LF = 0x0a;

export class ImapWire {
  readonly #socket: TLSSocket;
  #chunks: Buffer[] = [];
  #length = 0;
  #waiting:
    | { readonly marks: readonly Buffer[]; resolve(answer: Buffer): void; reject(error: Error): void }
    | undefined;
  #tags = 0;
  #failure: Error | undefined;

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      if (chunk[chunk.length - 1] === LF) this.#look();
    });
    const failed = (error?: Error) => {
      this.#failure = error ?? new Error("the server closed the connection");
      this.#waiting?.reject(this.#failure);
      this.#waiting = undefined;
    };
    socket.on("error", failed).on("close", () => failed());
  }

  /** Connects and reads the greeting. */
  static async open(port: number): Promise<ImapWire> {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
    socket.setNoDelay(true);
    const wire = new ImapWire(socket);
    await wire.#until([Buffer.from("* OK")]);
    return wire;
  }

  /** Sends a command; resolves with all that came up to its tagged OK. Rejects for NO and BAD. */
  async command(text: string, ...literal: readonly Buffer[]): Promise<Buffer> {
    const tag = `q${(++this.#tags).toString(36)}z`;
    this.#socket.write(Buffer.concat([Buffer.from(`${tag} ${text}`), ...literal, Buffer.from("\r\n")]));
    const answer = await this.#until([
      Buffer.from(`${tag} OK`),
      Buffer.from(`${tag} NO`),
      Buffer.from(`${tag} BAD`),
    ]);
    const last = lastLine(answer);
    if (!last.startsWith(`${tag} OK`)) throw new Error(`${text.slice(0, 60)}: ${last}`);
    return answer;
  }

  /** IDLE, from the server's "+" on; there is no way back but to close. */
  async idle(): Promise<void> {
    this.#socket.write("i IDLE\r\n");
    await this.#until([Buffer.from("+ ")]);
  }

  close(): void {
    this.#socket.destroy();
  }

  #until(marks: readonly Buffer[]): Promise<Buffer> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting = { marks, resolve, reject };
      if (this.#length > 0) this.#look();
    });
  }

  /** Whether the last line that came is the one waited for. */
  #look(): void {
    const { marks, resolve } = this.#waiting ?? {};
    if (!marks || !resolve) return;
    const last = this.#lastLine();
    if (!marks.some((mark) => last.subarray(0, mark.length).equals(mark))) return;
    const answer = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#length = 0;
    this.#waiting = undefined;
    resolve(answer);
  }

  #lastLine(): Buffer {
    for (let index = this.#chunks.length - 1, tail = Buffer.alloc(0); ; index -= 1) {
      tail = Buffer.concat([this.#chunks[index]!, tail]);
      const before = tail.lastIndexOf(LF, tail.length - 2);
      if (before >= 0 || index === 0) return tail.subarray(before + 1);
    }
  }
}

function lastLine(answer: Buffer): string {
  return answer.toString("latin1", answer.lastIndexOf(LF, answer.length - 2) + 1).trimEnd();
}
