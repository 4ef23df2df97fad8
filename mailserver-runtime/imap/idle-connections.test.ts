/**
 * Many clients that log in over TLS, select INBOX and wait in IDLE, as mail programs do all day: they are held, told of new
 * mail, and cost little memory.
 *
 *     MAILKEEP_IDLE_CONNECTIONS=10000    how many; a few hundred without it. Both sides need as many open files (ulimit -n).
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { Client } from "./test/client.ts";
import { PASSWORD } from "./test/server.ts";

const CONNECTIONS = Number(process.env.MAILKEEP_IDLE_CONNECTIONS ?? 300);
const AT_ONCE = 20;
const ACCOUNTS = 10;
/** One address may have 1,000 (net/listen.ts). */
const FROM_ONE_ADDRESS = 500;
const PATIENCE_MS = 120_000;
/** Of one connection, above the server at rest; asked of a thousand or more, beside which noise is small. */
const mostBytes = () => (CONNECTIONS > 1000 ? 64 * 1024 : (45 * 2 ** 20) / 1000);

const account = (index: number) => `a${index % ACCOUNTS}@example.org`;

test(`${CONNECTIONS} connections are held in IDLE over TLS, and each is told of new mail (RFC 2177)`, async (t) => {
  const script = fileURLToPath(new URL("test/idle-server.ts", import.meta.url));
  const server = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
  const sockets: TLSSocket[] = [];
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.stdin.end();
    await once(server, "exit");
  });
  const [line] = (await once(createInterface({ input: server.stdout }), "line")) as [string];
  const port = Number(line);
  for (let index = 0; index < ACCOUNTS; index++) {
    const client = await Client.open(port, true, PATIENCE_MS);
    await client.logIn(account(index));
    await client.command("a SELECT INBOX");
    client.end();
  }
  await sleep(2000);
  const before = residentBytes(server.pid!);
  const waiting = Array.from({ length: CONNECTIONS }, (_, index) => index).values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const index of waiting) sockets[index] = await idling(port, index);
    }),
  );
  await sleep(2000);
  const bytes = (residentBytes(server.pid!) - before) / CONNECTIONS;
  t.diagnostic(
    `${Math.round(bytes / 1024)} KiB for each, ${Math.round((bytes * CONNECTIONS) / 2 ** 20)} MiB in all`,
  );
  assert.equal(sockets.filter((socket) => socket.destroyed).length, 0, "none was closed");
  const told = sockets.map((socket) => within(PATIENCE_MS, until(socket, /\* 1 EXISTS\r\n/)));
  for (let index = 0; index < ACCOUNTS; index++) {
    const writer = await Client.open(port, true, PATIENCE_MS);
    await writer.logIn(account(index));
    assert.match(await writer.command("a APPEND INBOX {14+}\r\nSubject: x\r\n\r\n"), /^a OK/m);
    writer.end();
  }
  await Promise.all(told);
  if (CONNECTIONS >= 1000) assert.ok(bytes <= mostBytes(), `${bytes} bytes for each`);
});

/** A connection that is logged in, has INBOX selected and waits. */
async function idling(port: number, index: number): Promise<TLSSocket> {
  const localAddress = `127.0.2.${1 + Math.floor(index / FROM_ONE_ADDRESS)}`;
  const carrier = connectTcp({ port, host: "127.0.0.1", localAddress });
  const socket = connect({ socket: carrier, rejectUnauthorized: false });
  // Who waits for something hears of it.
  socket.on("error", () => {});
  const step = (send: string, pattern: RegExp): Promise<void> => {
    const done = within(PATIENCE_MS, until(socket, pattern));
    socket.write(send);
    return done;
  };
  await within(PATIENCE_MS, until(socket, /^\* OK/));
  await step(`a LOGIN ${account(index)} "${PASSWORD}"\r\n`, /^a OK/m);
  await step("b SELECT INBOX\r\n", /^b OK/m);
  await step("c IDLE\r\n", /^\+ /m);
  return socket;
}

function until(socket: TLSSocket, pattern: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const onData = (bytes: Buffer): void => {
      text += bytes.toString("latin1");
      if (!pattern.test(text)) return;
      socket.off("data", onData);
      resolve();
    };
    socket.on("data", onData);
    const failed = (error?: Error): void =>
      reject(new Error(`closed before ${pattern}: ${text}`, { cause: error }));
    socket.once("error", failed).once("close", () => failed());
  });
}
async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const late = AbortSignal.timeout(milliseconds);
  return Promise.race([work, once(late, "abort").then((): never => assert.fail("that took too long"))]);
}

/** Of a process, with its share of what it shares. */
function residentBytes(pid: number): number {
  const found = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"));
  return Number(found![1]) * 1024;
}
