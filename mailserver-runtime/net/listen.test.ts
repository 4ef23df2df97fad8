import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import type { Protocol } from "../settings/schema.ts";
import type { Connection, ConnectionError } from "./connection.ts";
import { ListenError, type Listening, type ListenOptions, listen } from "./listen.ts";
import { silentLog } from "./log.ts";
import { testTlsContexts } from "./test-certificate.ts";

const tls = testTlsContexts();
/** For what comes at once where the machine has time. */
const PATIENCE_MS = 30_000;

async function listening(
  t: TestContext,
  onConnection: (connection: Connection) => Promise<void>,
  options: Partial<ListenOptions> & { protocol?: Protocol; proxyProtocol?: string[] } = {},
): Promise<Listening> {
  const { protocol = "smtp", proxyProtocol = [], ...rest } = options;
  const server = await listen({
    listener: { protocol, address: "127.0.0.1", port: 0, proxyProtocol },
    tls,
    onConnection,
    log: silentLog,
    ...rest,
  });
  t.after(() => server.close(0));
  return server;
}
function client(t: TestContext, port: number): Socket {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  return socket;
}
/** Waits for something that must come; the runner's own time limit is the end of patience. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}
async function everything(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += chunk.toString("latin1");
  return text;
}
/** The same from a server that may hang up on bytes it has not read, which resets the connection (RFC 9293 §3.6). */
async function lastWords(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
  });
  await new Promise((resolve) => socket.once("close", resolve));
  return text;
}
async function echo(connection: Connection): Promise<void> {
  for (;;) {
    const line = await connection.readLine(100, PATIENCE_MS, { bareLf: true });
    if (line.toString() === "quit") return;
    connection.write(`${line.toString()}\r\n`);
  }
}

test("pipelined lines are answered in one packet, and what came before a half close is still answered", async (t) => {
  const server = await listening(t, echo);
  const socket = client(t, server.port);
  const packets: string[] = [];
  socket.on("data", (chunk) => packets.push(chunk.toString()));
  socket.end("a\r\nb\nc\r\n");
  await new Promise((resolve) => socket.once("close", resolve));
  assert.deepEqual(packets, ["a\r\nb\r\nc\r\n"]);
});

test("a slow line is a time-out, a long one is too long, and the connection can still speak", async (t) => {
  const server = await listening(t, async (connection) => {
    const codes: string[] = [];
    for (const step of [1, 2]) {
      try {
        await connection.readLine(5, step === 1 ? 50 : PATIENCE_MS);
      } catch (error) {
        codes.push((error as ConnectionError).code);
      }
    }
    connection.write(codes.join(" "));
  });
  const socket = client(t, server.port);
  const text = everything(socket);
  await sleep(120);
  socket.write("123456789\r\n");
  assert.equal(await text, "timeout line-too-long");
});

test("a time-out that is shorter than the one before it is kept", async (t) => {
  const server = await listening(t, async (connection) => {
    await connection.readLine(100, 60_000);
    const before = Date.now();
    await connection.readLine(100, 40).catch(() => {});
    connection.write(Date.now() - before < 30_000 ? "in time" : "late");
  });
  const socket = client(t, server.port);
  const text = everything(socket);
  socket.write("x\r\n");
  assert.equal(await text, "in time");
});

test("a sender that is not read is paused", async (t) => {
  let held = 0;
  const server = await listening(t, async (connection) => {
    await sleep(300);
    held = connection.buffered();
    let total = 0;
    try {
      for (;;) total += (await connection.readChunk(50_000, PATIENCE_MS)).length;
    } catch {
      connection.write(String(total));
    }
  });
  const socket = client(t, server.port);
  const text = everything(socket);
  socket.end(Buffer.alloc(3_000_000, 65));
  assert.equal(await text, "3000000");
  assert.ok(held > 0 && held <= 131_072, `${held} bytes were held unread`);
});

test("a client that never reads its answers is not read from and ends by time-out", async (t) => {
  let answered = 0;
  const ended = Promise.withResolvers<string>();
  const server = await listening(t, async (connection) => {
    try {
      for (;;) {
        await connection.readLine(100, 1500);
        connection.write(Buffer.alloc(1000, 66));
        answered++;
      }
    } catch (error) {
      ended.resolve((error as ConnectionError).code);
    }
  });
  const socket = client(t, server.port);
  socket.pause();
  socket.write("x\r\n".repeat(100_000));
  assert.equal(await ended.promise, "not-reading");
  assert.ok(answered < 20_000, `${answered} answers were made for nobody`);
});

test("drained streams an answer of any size no faster than its reader, in TLS too", async (t) => {
  for (const protocol of ["imap", "imaps"] as const) {
    let written = 0;
    const server = await listening(
      t,
      async (connection) => {
        while (written < 40_000_000) {
          connection.write(Buffer.alloc(50_000, 67));
          written += 50_000;
          await connection.drained(PATIENCE_MS);
        }
      },
      { protocol },
    );
    const plain = client(t, server.port);
    const socket = protocol === "imap" ? plain : tlsConnect({ socket: plain, rejectUnauthorized: false });
    if (protocol === "imaps") await new Promise((resolve) => socket.once("secureConnect", resolve));
    await sleep(300);
    // What the kernel's socket buffers and the client's own take is a few megabytes.
    assert.ok(
      written < 20_000_000,
      `${protocol}: ${written} bytes were written for a client that does not read`,
    );
    let length = 0;
    for await (const chunk of socket) length += chunk.length;
    assert.equal(length, 40_000_000, protocol);
  }
});

test("implicit TLS begins at once, chooses the certificate by SNI and binds the channel (RFC 8314, RFC 9266)", async (t) => {
  const server = await listening(
    t,
    async (connection) => {
      connection.write(`${connection.tls?.protocol} ${connection.tls?.servername} `);
      connection.write(connection.channelBinding("tls-exporter")!.toString("hex"));
      await connection.drained(PATIENCE_MS);
    },
    { protocol: "imaps" },
  );
  const socket = tlsConnect({
    port: server.port,
    host: "127.0.0.1",
    servername: "other.example",
    rejectUnauthorized: false,
  });
  t.after(() => socket.destroy());
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  assert.equal(socket.getPeerCertificate().subject.CN, "other.example");
  const expected = socket
    .exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0))
    .toString("hex");
  assert.equal(await everything(socket), `TLSv1.3 other.example ${expected}`);
});

async function startTls(connection: Connection): Promise<void> {
  await connection.readLine(100, PATIENCE_MS);
  connection.write("go\r\n");
  await connection.startTls();
  await echo(connection);
}

test("STARTTLS sends its reply in plain text and everything after it in TLS (RFC 3207)", async (t) => {
  const server = await listening(t, startTls);
  const plain = client(t, server.port);
  plain.write("STARTTLS\r\n");
  const reply = await new Promise<Buffer>((resolve) => plain.once("data", resolve));
  assert.equal(reply.toString(), "go\r\n");
  const secure: TLSSocket = tlsConnect({ socket: plain, rejectUnauthorized: false });
  t.after(() => secure.destroy());
  secure.write("hello\r\nquit\r\n");
  assert.equal(await everything(secure), "hello\r\n");
});

test("plain text behind STARTTLS in the same packet is never answered (RFC 3207 §4.2, CVE-2011-0411)", async (t) => {
  const server = await listening(t, startTls);
  const socket = client(t, server.port);
  socket.write("STARTTLS\r\ninjected\r\n");
  assert.doesNotMatch(await lastWords(socket), /injected/);
});

test("a client that speaks plain text to a TLS port, or hangs up in the handshake, harms nobody", async (t) => {
  const server = await listening(t, echo, { protocol: "imaps" });
  const talker = client(t, server.port);
  talker.write("a LOGIN x y\r\n");
  assert.doesNotMatch(await lastWords(talker), /LOGIN/);
  const quitter = client(t, server.port);
  await new Promise((resolve) => quitter.once("connect", resolve));
  quitter.destroy();
  await until(() => server.connections === 0);
});

test("a PROXY listener takes the client's address from the header, before TLS too (D9)", async (t) => {
  for (const protocol of ["smtp", "imaps"] as const) {
    const server = await listening(
      t,
      async (connection) => {
        const { remote, local } = connection;
        connection.write(`${remote.address} ${remote.port} ${local.address} ${local.port}\r\n`);
        await echo(connection);
      },
      { protocol, proxyProtocol: ["127.0.0.0/8"] },
    );
    const plain = client(t, server.port);
    plain.write("PROXY TCP6 2001:db8::7 2001:db8::1 4444 25\r\n");
    const socket = protocol === "smtp" ? plain : tlsConnect({ socket: plain, rejectUnauthorized: false });
    socket.on("error", () => {});
    socket.write("after\r\nquit\r\n");
    assert.equal(await everything(socket), "2001:db8::7 4444 2001:db8::1 25\r\nafter\r\n", protocol);
  }
});

test("a PROXY listener closes who sends no header, a wrong one, or none in time, and who is not declared (D9)", async (t) => {
  const seen: string[] = [];
  const handler = async (connection: Connection) => {
    seen.push(connection.id);
  };
  const server = await listening(t, handler, { proxyProtocol: ["127.0.0.1"], proxyTimeoutMs: 80 });
  for (const bytes of ["EHLO x\r\n", "PROXY TCP4 1.2.3 4 5 6\r\n", "PROXY TC", ""]) {
    const socket = client(t, server.port);
    socket.write(bytes);
    assert.equal(await lastWords(socket), "", JSON.stringify(bytes));
  }
  const other = await listening(t, handler, { proxyProtocol: ["192.0.2.1"] });
  const stranger = client(t, other.port);
  stranger.write("PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n");
  await lastWords(stranger);
  assert.deepEqual(seen, []);
});

test("connections over the limit of one address are told so and ended, and make room when they close", async (t) => {
  const told: string[] = [];
  const server = await listening(t, echo, {
    limits: { total: 10, perAddress: 2 },
    refusal: "421 too many\r\n",
    onTooMany: (address, protocol) => told.push(`${address} ${protocol}`),
  });
  const first = client(t, server.port);
  const second = client(t, server.port);
  first.write("a\r\n");
  second.write("b\r\n");
  await Promise.all([first, second].map((socket) => new Promise((resolve) => socket.once("data", resolve))));
  assert.equal(await everything(client(t, server.port)), "421 too many\r\n");
  assert.deepEqual(told, ["127.0.0.1 smtp"], "who counts offences hears of it");
  first.destroy();
  await until(() => server.connections === 1);
  const third = client(t, server.port);
  third.write("quit\r\n");
  assert.equal(await everything(third), "");
});

test("close wakes readers with shutdown, lets them say goodbye, and frees the port", async () => {
  const server = await listen({
    listener: { protocol: "imap", address: "127.0.0.1", port: 0, proxyProtocol: [] },
    tls: undefined,
    log: silentLog,
    onConnection: async (connection) => {
      try {
        await connection.readLine(100, 60_000);
      } catch (error) {
        connection.write(`* BYE ${(error as ConnectionError).code}\r\n`);
      }
    },
  });
  const socket = connect({ port: server.port, host: "127.0.0.1" });
  await new Promise((resolve) => socket.once("connect", resolve));
  await sleep(20);
  const text = everything(socket);
  await server.close(2000);
  assert.equal(await text, "* BYE shutdown\r\n");
});

test("a taken port is named with its holder", async (t) => {
  const server = await listening(t, echo);
  const again = listen({
    listener: { protocol: "imap", address: "127.0.0.1", port: server.port, proxyProtocol: [] },
    tls: undefined,
    onConnection: echo,
    log: silentLog,
  });
  await assert.rejects(again, (error: ListenError) => {
    assert.ok(error instanceof ListenError);
    assert.equal(error.code, "port-taken");
    assert.match(error.message, new RegExp(`port ${server.port} on 127\\.0\\.0\\.1`));
    if (process.platform === "linux") assert.match(error.message, new RegExp(`process ${process.pid}\\)`));
    return true;
  });
});

test("a handler that throws costs its own connection only", async (t) => {
  const server = await listening(t, async (connection) => {
    const line = await connection.readLine(100, PATIENCE_MS);
    if (line.toString() === "boom") throw new TypeError("a mistake");
    connection.write("fine");
  });
  const bad = client(t, server.port);
  bad.write("boom\r\n");
  assert.equal(await lastWords(bad), "");
  const good = client(t, server.port);
  good.write("ok\r\n");
  assert.equal(await everything(good), "fine");
});

test("what was written before the end arrives, though an older read's time runs out meanwhile", async (t) => {
  const server = await listening(t, async (connection) => {
    await connection.readLine(100, 1500);
    connection.write(Buffer.alloc(8_000_000, 68));
  });
  const socket = client(t, server.port);
  socket.pause();
  socket.write("x\r\n");
  await sleep(1700);
  assert.equal((await everything(socket)).length, 8_000_000);
});
