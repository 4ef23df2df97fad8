/** A client for tests that says what the test says, and waits for what must come. */
import assert from "node:assert/strict";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { PASSWORD, USER } from "./server.ts";

/** Reads lines and waits for what it wants to see. */
export class Client {
  readonly #socket: Socket;
  #text = "";
  /** Characters of what came that are kept. */
  #keeps = Number.POSITIVE_INFINITY;
  #wake: () => void = () => {};
  closed = false;

  readonly #patienceMs: number;

  constructor(socket: Socket, patienceMs = 5000) {
    this.#socket = socket;
    this.#patienceMs = patienceMs;
    socket.on("data", (bytes) => {
      this.#text += bytes.subarray(Math.max(0, bytes.length - this.#keeps)).toString("latin1");
      if (this.#text.length > 2 * this.#keeps) this.#text = this.#text.slice(-this.#keeps);
      this.#wake();
    });
    socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
    socket.on("error", () => {});
  }

  static async open(port: number, tls = true, patienceMs = 5000): Promise<Client> {
    const options = { port, host: "127.0.0.1", rejectUnauthorized: false };
    const client = new Client(tls ? connectTls(options) : connectTcp(options), patienceMs);
    await client.until(/^\* OK .*\r\n/m);
    return client;
  }

  /** Everything up to and with the first match; fails after the client's patience, or the time given. */
  async until(pattern: RegExp, timeoutMs = this.#patienceMs): Promise<string> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match) {
        const end = match.index + match[0].length;
        const seen = this.#text.slice(0, end);
        this.#text = this.#text.slice(end);
        return seen;
      }
      if (this.closed || Date.now() > deadline) {
        throw new Error(
          `${pattern} did not come; ${this.closed ? "closed after" : "there is"}: ${this.#text}`,
        );
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 200).unref();
      });
    }
  }

  send(text: string): void {
    this.#socket.write(Buffer.from(text, "latin1"));
  }

  /** Sends a command and gives everything up to its tagged line. */
  async command(line: string): Promise<string> {
    const tag = line.slice(0, line.indexOf(" "));
    this.send(`${line}\r\n`);
    return this.until(new RegExp(`^${tag} (OK|NO|BAD).*\\r\\n`, "m"));
  }

  /** The last kilobyte or so of an answer, however long it is: what comes before is thrown away as it comes. */
  async endOf(line: string, timeoutMs: number): Promise<string> {
    const tag = line.slice(0, line.indexOf(" "));
    const end = new RegExp(`^${tag} (OK|NO|BAD).*\\r\\n`, "m");
    this.#keeps = 1024;
    try {
      this.send(`${line}\r\n`);
      return await this.until(end, timeoutMs);
    } finally {
      this.#keeps = Number.POSITIVE_INFINITY;
    }
  }

  async logIn(user = USER): Promise<void> {
    assert.match(await this.command(`l LOGIN ${user} "${PASSWORD}"`), /^l OK/m);
  }

  async finished(): Promise<void> {
    const deadline = Date.now() + 5000;
    while (!this.closed && Date.now() < deadline) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 100).unref();
      });
    }
    assert.ok(this.closed, "the connection is closed");
  }

  end(): void {
    this.#socket.destroy();
  }
}
