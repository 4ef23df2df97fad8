/** COMPRESS=DEFLATE (RFC 4978): who may begin it, and what hostile compressed bytes may not do. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { connect } from "node:tls";
import { createInflateRaw, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { ImapFlow } from "imapflow";
import { ConnectionError } from "../net/connection.ts";
import { type Log, silentLog } from "../net/log.ts";
import { CompressedConnection } from "./compressed-connection.ts";
import { serveImap } from "./serve.ts";
import { type Row, testRows } from "./test/conversation.ts";
import { MemoryStore } from "./test/memory-store.ts";
import { ScriptConnection } from "./test/script-connection.ts";
import { PASSWORD, startTestServer, type TestServer, testAuthenticator, USER } from "./test/server.ts";

const ROWS: readonly Row[] = [
  {
    rfc: "4978 §3",
    says: "COMPRESS=DEFLATE is told after login and not before",
    client: ["a CAPABILITY"],
    expect: [/^login OK \[CAPABILITY .* COMPRESS=DEFLATE/, /^\* CAPABILITY .* COMPRESS=DEFLATE/],
  },
  {
    rfc: "4978 §3",
    says: "COMPRESS before login is BAD",
    before: "login",
    client: ["a COMPRESS DEFLATE"],
    expect: [/^a BAD/],
    never: [/COMPRESS=DEFLATE/],
  },
  {
    rfc: "4978 §3",
    says: "a mechanism that is not known is BAD, and the session goes on in plain",
    client: ["a COMPRESS LZ4", "b COMPRESS", "c NOOP"],
    expect: [/^a BAD/, /^b BAD/, /^c OK/],
  },
  {
    rfc: "4978 §3",
    says: "plain text behind COMPRESS is damaged compression and ends the session",
    client: ["a COMPRESS DEFLATE", "b NOOP and more of this that is no DEFLATE"],
    expect: [/^a OK/],
    never: [/^b /m],
  },
];

/** A client that has logged in and begun to compress. */
class DeflatingClient {
  readonly #socket: ReturnType<typeof connect>;
  #text = "";
  closed = false;

  private constructor(socket: ReturnType<typeof connect>) {
    this.#socket = socket;
  }
  static async open(port: number): Promise<DeflatingClient> {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
    const client = new DeflatingClient(socket);
    socket.on("close", () => {
      client.closed = true;
    });
    socket.on("error", () => {});
    const plain = (bytes: Buffer) => {
      client.#text += bytes.toString("latin1");
    };
    socket.on("data", plain);
    socket.write(`a LOGIN ${USER} "${PASSWORD}"\r\nb COMPRESS DEFLATE\r\n`);
    await client.until(/^b OK.*\r\n/m);
    socket.off("data", plain);
    const inflate = createInflateRaw();
    inflate.on("data", plain).on("error", () => {});
    socket.on("data", (bytes: Buffer) => inflate.write(bytes));
    return client;
  }
  async until(pattern: RegExp): Promise<string> {
    for (const deadline = Date.now() + 5000; ; ) {
      const match = pattern.exec(this.#text);
      if (match) {
        this.#text = this.#text.slice(match.index + match[0].length);
        return match[0];
      }
      if (Date.now() > deadline) throw new Error(`${pattern} did not come: ${this.#text.slice(0, 1000)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  /** Sends the bytes as one finished run of blocks that more can follow. */
  send(bytes: Buffer | string): void {
    this.#socket.write(deflateRawSync(bytes, { finishFlush: 2 }));
  }
  raw(bytes: Buffer): void {
    this.#socket.write(bytes);
  }
  async finished(): Promise<void> {
    for (const deadline = Date.now() + 5000; !this.closed; ) {
      assert.ok(Date.now() < deadline, "the connection is closed");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  end(): void {
    this.#socket.destroy();
  }
}

describe("COMPRESS", () => {
  testRows(ROWS, { store: () => new MemoryStore() });

  const store = new MemoryStore();
  let server: TestServer;
  before(async () => {
    server = await startTestServer(store);
  });
  after(() => server.close());

  it("commands, literals and a message of a megabyte pass both ways (RFC 4978 §3)", async () => {
    const client = await DeflatingClient.open(server.port);
    const bytes = Buffer.from(`Subject: x\r\n\r\n${"0123456789\r\n".repeat(90_000)}`);
    client.send(`c APPEND INBOX {${bytes.length}}\r\n`);
    await client.until(/^\+ /m);
    client.send(Buffer.concat([bytes, Buffer.from("\r\n")]));
    await client.until(/^c OK \[APPENDUID \d+ 1\]/m);
    client.send("d SELECT INBOX\r\ne FETCH 1 BODY.PEEK[]\r\n");
    const answer = await client.until(/^\* 1 FETCH [\s\S]*^e OK/m);
    assert.ok(answer.includes(bytes.toString("latin1")));
    client.send("f COMPRESS DEFLATE\r\ng CAPABILITY\r\n");
    await client.until(/^f NO \[COMPRESSIONACTIVE\]/m);
    assert.doesNotMatch(await client.until(/^\* CAPABILITY.*\r\n/m), /COMPRESS=/);
    client.send("h LOGOUT\r\n");
    await client.until(/^h OK/m);
    await client.finished();
  });

  it("IDLE tells through compression at once (RFC 2177, RFC 4978)", async () => {
    const client = await DeflatingClient.open(server.port);
    client.send("c SELECT INBOX\r\nd IDLE\r\n");
    await client.until(/^\+ /m);
    store
      .get(USER)
      .find("INBOX")
      .insert([{ bytes: Buffer.from("A: 1\r\n\r\n") }]);
    await client.until(/^\* \d+ EXISTS\r\n/m);
    client.end();
  });

  it("imapflow compresses by itself, and a large message comes back byte for byte", async () => {
    const commands: string[] = [];
    const log = (entry: { readonly msg?: string }) => void commands.push(entry.msg ?? "");
    const client = new ImapFlow({
      host: "127.0.0.1",
      port: server.port,
      secure: true,
      tls: { rejectUnauthorized: false },
      auth: { user: "flow@example.org", pass: PASSWORD },
      logger: { debug: log, info: log, warn: log, error: log },
    });
    await client.connect();
    try {
      assert.ok(
        commands.some((line) => /^[0-9A-F]+ OK Compressed/.test(line)),
        commands.join("\n"),
      );
      const bytes = Buffer.from(`Subject: x\r\n\r\n${randomBytes(1_500_000).toString("base64")}\r\n`);
      assert.ok(await client.append("INBOX", bytes));
      await client.mailboxOpen("INBOX");
      const fetched = await client.fetchOne("1", { source: true });
      assert.ok(fetched && Buffer.from(fetched.source ?? "").equals(bytes));
    } finally {
      await client.logout();
    }
  });

  it("a line that inflates without end is refused at the line's limit", async () => {
    const client = await DeflatingClient.open(server.port);
    client.send(Buffer.alloc(200 * 1024 * 1024, 0x78));
    await client.until(/^\* BYE The line is too long/m);
    await client.finished();
  });

  it("a literal that inflates without end is forgotten as it comes, within the limit of a message", async () => {
    const client = await DeflatingClient.open(server.port);
    client.send(
      Buffer.concat([Buffer.from("c APPEND INBOX {90000000+}\r\n"), Buffer.alloc(90_000_000, 0x78)]),
    );
    await client.until(/^\* BYE The literal is too large/m);
    await client.finished();
  });

  it("damaged compressed bytes end the connection with BYE", async () => {
    const client = await DeflatingClient.open(server.port);
    client.send("c NOOP\r\n");
    await client.until(/^c OK/m);
    client.raw(Buffer.alloc(100, 0xff));
    await client.until(/^\* BYE The compressed bytes are damaged/m);
    await client.finished();
  });

  it("a stream that the client finishes ends the connection", async () => {
    const client = await DeflatingClient.open(server.port);
    client.raw(deflateRawSync("c NOOP\r\n"));
    client.raw(Buffer.from("d NOOP\r\n"));
    await client.until(/^c OK/m);
    await client.finished();
  });

  it("compressed bytes with any damage leave no session behind", async () => {
    const deflated = deflateRawSync("c SELECT INBOX\r\nd FETCH 1:* (FLAGS)\r\ne NOOP\r\n".repeat(20));
    const login = Buffer.from(`a LOGIN ${USER} "${PASSWORD}"\r\nb COMPRESS DEFLATE\r\n`);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(deflated.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.nat(deflated.length),
        async (damage, end) => {
          const bytes = Buffer.from(deflated);
          for (const [at, value] of damage) bytes[at] = value;
          const failures: unknown[] = [];
          const log: Log = {
            ...silentLog,
            error: (fields) => void failures.push(fields),
            child: () => log,
          };
          const connection = new ScriptConnection(Buffer.concat([login, bytes.subarray(0, end)]));
          await serveImap(connection, {
            store: new MemoryStore(),
            authenticator: testAuthenticator,
            hostname: "x",
            log,
          });
          assert.ok(connection.closed);
          assert.deepEqual(failures, []);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("inflating stops where nobody reads", async () => {
    const bomb = deflateRawSync(Buffer.alloc(64 * 1024 * 1024, 0x0a));
    const carrier = new ScriptConnection(bomb);
    const connection = new CompressedConnection(carrier);
    await connection.readLine(100, 1000, { bareLf: true });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(
      connection.buffered() - carrier.buffered() < 64 * 1024,
      `${connection.buffered() - carrier.buffered()} bytes lie inflated`,
    );
    connection.destroy();
  });

  it("requests that inflate from nothing are not taken while their answers wait", async () => {
    class Unread extends ScriptConnection {
      override drained(): Promise<void> {
        return new Promise(() => {});
      }
    }
    const connection = new CompressedConnection(new Unread(deflateRawSync("a NOOP\r\n".repeat(1_000_000))));
    let answered = 0;
    const talking = (async () => {
      for (;;) {
        await connection.readLine(100, 1000);
        answered += 1;
        connection.write("a OK Nothing.\r\n");
      }
    })();
    await Promise.race([talking, new Promise((resolve) => setTimeout(resolve, 200))]);
    assert.ok(answered > 1000 && answered < 10_000, `${answered} answers were made`);
    connection.destroy();
  });

  it("what is written arrives whole, and ending sends it first", async () => {
    const carrier = new ScriptConnection(Buffer.alloc(0));
    const connection = new CompressedConnection(carrier);
    const pieces = Array.from({ length: 200 }, (_, index) => `line ${index} `.repeat(500));
    for (const piece of pieces) connection.write(piece);
    // Several may wait at once.
    await Promise.all([connection.drained(1000), connection.drained(1000), connection.drained(1000)]);
    connection.end();
    connection.write("too late");
    while (!carrier.closed) await new Promise((resolve) => setTimeout(resolve, 5));
    const inflate = createInflateRaw();
    inflate.end(carrier.output);
    const inflated = await inflate.toArray();
    assert.equal(Buffer.concat(inflated).toString(), pieces.join(""));
    await assert.rejects(connection.readLine(10, 100), ConnectionError);
  });
});
