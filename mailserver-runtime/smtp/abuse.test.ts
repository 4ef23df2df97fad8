/** Every abuse of the protocol has its reply, ends where it must, and is a line that bans are counted from. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { OffenceKind } from "../ban/offence.ts";
import { Dialogue, type FixtureOptions, greeted, smtpServer } from "./testing.ts";

const into = ["MAIL FROM:<x@y.test>", "RCPT TO:<ann@example.org>", "DATA"];
const rows: readonly {
  readonly name: string;
  readonly kind: OffenceKind;
  readonly code: number;
  readonly options?: FixtureOptions;
  readonly first?: readonly string[];
  readonly bytes: string;
  readonly hear: RegExp;
}[] = [
  { name: "a bare LF after a command", kind: "bare-lf", code: 521, bytes: "NOOP\n", hear: /^521 5\.5\.2/ },
  {
    name: "LF dot LF in a message",
    kind: "smuggling",
    code: 554,
    first: into,
    bytes: "a: b\r\n\r\nx\n.\nMAIL FROM:<e@y.test>\r\n",
    hear: /^554 5\.6\.0/,
  },
  {
    name: "LF dot CRLF in a message",
    kind: "smuggling",
    code: 554,
    first: into,
    bytes: "a: b\r\n\r\nx\n.\r\nMAIL FROM:<e@y.test>\r\n",
    hear: /^554 5\.6\.0/,
  },
  {
    name: "CRLF dot LF in a message",
    kind: "smuggling",
    code: 554,
    first: into,
    bytes: "a: b\r\n\r\nx\r\n.\nMAIL FROM:<e@y.test>\r\n",
    hear: /^554 5\.6\.0/,
  },
  {
    name: "a dot hidden behind a NUL",
    kind: "smuggling",
    code: 554,
    first: into,
    bytes: "a: b\r\n\r\nx\r\n\0.\r\nMAIL FROM:<e@y.test>\r\n.\r\nQUIT\r\n",
    hear: /^554 5\.6\.0/,
  },
  {
    name: "a command behind STARTTLS",
    kind: "pipelining",
    code: 503,
    bytes: "STARTTLS\r\nMAIL FROM:<x@y.test>\r\n",
    hear: /^503 5\.5\.0/,
  },
  {
    name: "a message behind DATA",
    kind: "pipelining",
    code: 503,
    first: into.slice(0, 2),
    bytes: "DATA\r\na: b\r\n\r\nx\r\n.\r\n",
    hear: /^503 5\.5\.0/,
  },
  { name: "HTTP", kind: "foreign-protocol", code: 500, bytes: "GET / HTTP/1.1\r\n", hear: /^500/ },
  {
    name: "a line without end",
    kind: "line-too-long",
    code: 500,
    bytes: "x".repeat(5000),
    hear: /^500 5\.5\.2/,
  },
];
for (const { name, kind, code, options, first = [], bytes, hear } of rows)
  test(`${name}: ${code}, the connection ends, "${kind}" is counted`, async (t) => {
    const offences: string[] = [];
    const server = await smtpServer(t, { offend: (offence) => offences.push(offence.kind), ...options });
    const dialogue = await greeted(t, server.port);
    for (const line of first) await dialogue.say(line);
    dialogue.send(bytes);
    assert.match(await dialogue.hear(), hear);
    if (!bytes.endsWith("QUIT\r\n")) assert.equal(await dialogue.hear(), "closed");
    assert.deepEqual(offences, [kind]);
    const line = server.logged.find(({ event }) => event === "smtp-offence");
    assert.deepEqual([line?.offence, line?.code, line?.client], [kind, code, "127.0.0.1"]);
    assert.deepEqual(server.stored, []);
  });

test("a message that drips in is cut off and counted (RFC 5321 §4.5.3.2)", async (t) => {
  const offences: string[] = [];
  const limits = { messageMs: 100, slowestBytesPerSecond: 1_000_000 };
  const server = await smtpServer(t, { limits, offend: ({ kind }) => offences.push(kind) });
  const dialogue = await greeted(t, server.port);
  for (const line of into) await dialogue.say(line);
  const drip = setInterval(() => dialogue.send("x"), 20);
  assert.match(await dialogue.hear(), /^421 4\.4\.2/);
  clearInterval(drip);
  assert.deepEqual(offences, ["slow"]);
});

test("a client that never reads its replies grows nothing and is cut off", async (t) => {
  const offences: string[] = [];
  const limits = { commandMs: 400, idleCommands: 1_000_000, errors: 1_000_000 };
  const server = await smtpServer(t, { limits, offend: ({ kind }) => offences.push(kind) });
  const { socket } = await greeted(t, server.port);
  socket.pause();
  const before = process.memoryUsage().rss;
  const flood = Buffer.from("HELP\r\n".repeat(10_000));
  // As much as the kernel takes, again and again: a paused client's own buffers must not be what grows.
  const more = setInterval(() => {
    if (socket.writableLength < flood.length) socket.write(flood);
  }, 5);
  while (offences.length === 0) await sleep(20);
  clearInterval(more);
  assert.ok((process.memoryUsage().rss - before) / 1e6 < 80);
  assert.deepEqual(offences, ["slow"]);
  socket.destroy();
});

test("too many connections of one address are told so, and the log has whose (RFC 5321 §3.8)", async (t) => {
  const server = await smtpServer(t, { listening: { limits: { total: 100, perAddress: 2 } } });
  await greeted(t, server.port);
  await greeted(t, server.port);
  const third = await Dialogue.open(t, server.port);
  assert.match(await third.hear(), /^421 4\.7\.0 Too many connections/);
  assert.equal(await third.hear(), "closed");
  assert.ok(
    server.logged.some(
      ({ event, client, limit }) =>
        event === "connection-limit" && client === "127.0.0.1" && limit === "perAddress",
    ),
  );
});

test("one message from the null reverse-path may have many recipients (RFC 5321 §4.5.5 forbids nothing)", async (t) => {
  const server = await smtpServer(t);
  const dialogue = await greeted(t, server.port);
  const answers = await dialogue.all(
    "MAIL FROM:<>",
    "RCPT TO:<ann@example.org>",
    "RCPT TO:<bob@example.org>",
    "DATA",
  );
  assert.deepEqual(
    answers.map((answer) => answer.slice(0, 3)),
    ["250", "250", "250", "354"],
  );
  assert.match(await dialogue.say("a: b\r\n\r\n."), /^250/);
});

test("SIZE is a promise, not a licence: what came is what counts (RFC 1870 §6)", async (t) => {
  const server = await smtpServer(t, { settings: { message: { sizeLimit: 2000 } } });
  const send = async (context: TestContext, declared: number, length: number) => {
    const dialogue = await greeted(context, server.port);
    await dialogue.all(`MAIL FROM:<x@y.test> SIZE=${declared}`, "RCPT TO:<ann@example.org>", "DATA");
    return dialogue.say(`a: b\r\n\r\n${`${"y".repeat(68)}\r\n`.repeat(length / 70)}.`);
  };
  assert.match(await send(t, 10, 1400), /^250/, "more than declared, within the limit");
  assert.match(await send(t, 10, 2800), /^552 5\.3\.4/);
  assert.match(await send(t, 2000, 140), /^250/);
});
