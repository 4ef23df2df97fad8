/**
 * Clients that say one thing at a time and know exactly what they were told. When the connection ends, whatever
 * was asked and not answered rejects with ConnectionLost: the asker does not know what became of it.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export class ConnectionLost extends Error {
  override name = "ConnectionLost";
}

/** Bytes of a connection, by lines or by number. */
export class Wire {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #input = Buffer.alloc(0);
  #wake: () => void = () => {};
  #ended = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#wake();
    });
    socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on("error", () => {});
  }

  static async connect(port: number, kind: "plain" | "tls"): Promise<Wire> {
    const socket =
      kind === "tls"
        ? connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false })
        : connectTcp({ port, host: "127.0.0.1" });
    const wire = new Wire(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once(kind === "tls" ? "secureConnect" : "connect", resolve);
      socket.once("close", () => reject(new ConnectionLost("the connection was not made")));
    });
    return wire;
  }

  /** Our end's port: by it the other side's system calls for this connection are found. */
  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }
  write(bytes: string | Buffer): void {
    if (!this.#ended) this.#socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }
  /** The next line without its CRLF. */
  async line(): Promise<string> {
    for (let from = 0; ; ) {
      const end = this.#input.indexOf("\r\n", from);
      if (end >= 0) return this.#take(end + 2).toString("latin1", 0, end);
      from = Math.max(0, this.#input.length - 1);
      await this.#more();
    }
  }
  async bytes(count: number): Promise<Buffer> {
    while (this.#input.length < count) await this.#more();
    return this.#take(count);
  }
  end(): void {
    this.#socket.destroy();
  }

  #take(count: number): Buffer {
    const taken = this.#input.subarray(0, count);
    this.#input = this.#input.subarray(count);
    return taken;
  }
  async #more(): Promise<void> {
    while (this.#chunks.length === 0) {
      if (this.#ended) throw new ConnectionLost("the connection ended");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#input = Buffer.concat([this.#input, ...this.#chunks.splice(0)]);
  }
}

export class SmtpClient {
  readonly wire: Wire;

  private constructor(wire: Wire) {
    this.wire = wire;
  }
  static async open(port: number): Promise<SmtpClient> {
    const client = new SmtpClient(await Wire.connect(port, "plain"));
    await client.reply();
    await client.ask("EHLO client.sender.test");
    return client;
  }
  static async submission(port: number, user: string, password: string): Promise<SmtpClient> {
    const client = new SmtpClient(await Wire.connect(port, "tls"));
    await client.reply();
    await client.ask("EHLO client.sender.test");
    const answer = await client.ask(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString("base64")}`);
    if (!answer.startsWith("235")) throw new Error(`no login for ${user}: ${answer}`);
    return client;
  }
  /** The last line of a reply. */
  async reply(): Promise<string> {
    for (;;) {
      const line = await this.wire.line();
      if (line[3] !== "-") return line;
    }
  }
  ask(line: string): Promise<string> {
    this.wire.write(`${line}\r\n`);
    return this.reply();
  }
}

export interface ImapAnswer {
  /** The tagged line without its tag: "OK [APPENDUID 1 2] done". */
  readonly tagged: string;
  /** Untagged lines without "* "; literals stand in them as they came. */
  readonly untagged: readonly string[];
}

export class ImapClient {
  readonly wire: Wire;
  #tag = 0;

  private constructor(wire: Wire) {
    this.wire = wire;
  }
  /** Rejects with ConnectionLost where the account is not served at this moment: whoever had it may just have died. */
  static async open(port: number, user: string, password: string): Promise<ImapClient> {
    const client = new ImapClient(await Wire.connect(port, "tls"));
    await client.wire.line();
    const answer = await client.ask(`LOGIN ${user} ${password}`);
    if (answer.tagged.startsWith("NO [UNAVAILABLE]")) throw new ConnectionLost(answer.tagged);
    if (!answer.tagged.startsWith("OK")) throw new Error(`no login for ${user}: ${answer.tagged}`);
    await client.ask("ENABLE CONDSTORE");
    return client;
  }
  /** Says a command, with a literal at its end where one is given (LITERAL+, RFC 7888). */
  async ask(command: string, literal?: Buffer): Promise<ImapAnswer> {
    const tag = `t${++this.#tag}`;
    if (literal === undefined) this.wire.write(`${tag} ${command}\r\n`);
    else
      this.wire.write(
        Buffer.concat([
          Buffer.from(`${tag} ${command} {${literal.length}+}\r\n`),
          literal,
          Buffer.from("\r\n"),
        ]),
      );
    const untagged: string[] = [];
    for (;;) {
      const line = await this.#response();
      if (line.startsWith(`${tag} `)) return { tagged: line.slice(tag.length + 1), untagged };
      if (line.startsWith("* BYE")) throw new ConnectionLost(line);
      untagged.push(line.slice(2));
    }
  }
  /** One response with the literals in it. */
  async #response(): Promise<string> {
    let response = "";
    for (;;) {
      const line = await this.wire.line();
      const literal = /\{(\d+)\}$/.exec(line);
      response += line;
      if (literal === null) return response;
      response += `\r\n${(await this.wire.bytes(Number(literal[1]))).toString("latin1")}`;
    }
  }
}
