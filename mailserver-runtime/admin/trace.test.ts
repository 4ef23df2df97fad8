import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { traceMessage, traceMessages } from "./trace.ts";
import { traceText } from "./trace-text.ts";

const lines = [
  { time: 1, event: "login", from: "ann@green.test" },
  { time: 2, id: "q1", from: "ann@green.test", message: "queued" },
  {
    time: 3,
    event: "submitted",
    id: "s1-1",
    queueId: "q1",
    messageId: "<one@green.test>",
    from: "ann@green.test",
    to: ["ben@blue.test"],
  },
  { time: 4, id: "q1", to: "ben@blue.test", message: "delivery attempt" },
  {
    time: 5,
    event: "accepted",
    id: "s2-1",
    messageId: "<one@green.test>",
    from: "ann@green.test",
    to: ["ben@blue.test"],
  },
  {
    time: 6,
    event: "accepted",
    id: "s3-1",
    messageId: "<two@far.test>",
    from: "cleo@far.test",
    to: ["ben@blue.test"],
  },
];
async function log(t: { after(run: () => Promise<void>): void }, text: string): Promise<string> {
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), "mailkeep-trace-"));
  t.after(() => fs.rm(directory, { recursive: true, force: true }));
  await fs.writeFile(path.join(directory, "mail.log"), text);
  return directory;
}
const whole = `${lines.map((line) => JSON.stringify(line)).join("\n")}\n{"time":7,"event":"cut`;

test("a Message-ID leads across the queue's id to every line of the message, on both sides of the relay", async (t) => {
  const directory = await log(t, whole);
  const events = await traceMessage(directory, "one@green.test");
  assert.deepEqual(
    events.map(({ at, event }) => [at, event]),
    [
      [2, "queued"],
      [3, "submitted"],
      [4, "delivery attempt"],
      [5, "accepted"],
    ],
  );
});

test("a queue id, a sender and a recipient lead there too, and logins do not", async (t) => {
  const directory = await log(t, whole);
  const times = async (about: string) => (await traceMessage(directory, about)).map(({ at }) => at);
  assert.deepEqual(await times("q1"), [2, 3, 4, 5]);
  assert.deepEqual(await times("ANN@green.test"), [2, 3, 4, 5]);
  assert.deepEqual(await times("ben@blue.test"), [2, 3, 4, 5, 6]);
  assert.deepEqual(await times("<two@far.test>"), [6]);
  assert.deepEqual(await times("nobody@far.test"), []);
});

test("a forward and a report about it belong to the message that caused them, over rotated and packed files", async (t) => {
  const old = [
    {
      time: 10,
      event: "accepted",
      id: "s1-1",
      client: "192.0.2.1",
      messageId: "<fwd@far.test>",
      from: "eve@far.test",
      to: ["away@green.test"],
      forwards: ["x@away.test"],
      queueId: "q1",
    },
    { time: 11, event: "queued", id: "q1", cause: "s1-1", from: "SRS0=x@green.test", recipients: 1 },
  ];
  const middle = [
    {
      time: 20,
      id: "q1",
      to: "x@away.test",
      outcome: "temporary",
      status: "4.4.1",
      reply: "no",
      message: "delivery attempt",
    },
  ];
  const now = [
    {
      time: 30,
      id: "q1",
      to: "x@away.test",
      outcome: "permanent",
      status: "5.1.1",
      reply: "gone",
      message: "delivery attempt",
    },
    { time: 31, event: "queued", id: "q2", cause: "q1", from: "", recipients: 1 },
    {
      time: 32,
      id: "q2",
      to: "eve@far.test",
      outcome: "delivered",
      status: "2.0.0",
      reply: "ok\u001b[2J",
      message: "delivery attempt",
    },
    { time: 33, event: "queued", id: "q9", cause: "s9-1", from: "other@far.test", recipients: 1 },
  ];
  const text = (lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  const directory = await log(t, text(now));
  await fs.writeFile(path.join(directory, "mail.log.1"), text(middle));
  await fs.writeFile(path.join(directory, "mail.log.2.gz"), gzipSync(text(old)));
  await fs.writeFile(path.join(directory, "mail.log.notes"), text(old));
  for (const [name, at] of [
    ["mail.log.1", 2000],
    ["mail.log.2.gz", 1000],
  ] as const)
    await fs.utimes(path.join(directory, name), at, at);
  for (const about of ["<fwd@far.test>", "q2", "eve@far.test", "x@away.test", "SRS0=x@green.test"]) {
    const messages = await traceMessages(directory, about);
    assert.equal(messages.length, 1, about);
    assert.deepEqual(
      messages[0]?.map(({ at }) => at),
      [10, 11, 20, 30, 31, 32],
      about,
    );
  }
  const lines = traceText(await traceMessages(directory, "q1"));
  assert.equal(lines[0], "eve@far.test → away@green.test  <fwd@far.test>");
  assert.match(lines.join("\n"), /received from 192\.0\.2\.1: forwarded to x@away\.test; queued as q1/);
  assert.match(lines.join("\n"), /deferred for x@away\.test: 4\.4\.1 no/);
  assert.match(lines.join("\n"), /queued, from <>, 1 recipient, because of q1/);
  assert.ok(!lines.join("").includes("\u001b"), "what a client said cannot speak to the terminal");
});

test("messages of one sender are told one after the other", async (t) => {
  const lines = [
    { time: 1, event: "accepted", id: "a", messageId: "<1@x>", from: "eve@far.test", to: ["ann@green.test"] },
    { time: 2, event: "accepted", id: "b", messageId: "<2@x>", from: "eve@far.test", to: ["bob@green.test"] },
    { time: 3, id: "a", event: "queued", from: "eve@far.test" },
  ];
  const directory = await log(t, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const messages = await traceMessages(directory, "EVE@far.test");
  assert.deepEqual(
    messages.map((events) => events.map(({ at }) => at)),
    [[1, 3], [2]],
  );
});

test("without a log there is nothing to tell", async () => {
  assert.deepEqual(await traceMessage("/nonexistent", "q1"), []);
});

test("what an operator did stands among what happened, in words", async (t) => {
  const events = ["queue-hold", "queue-release", "queue-retry", "queue-delete"];
  const lines = [
    { time: 1, event: "queued", id: "q1", from: "ann@green.test", recipients: 1 },
    ...events.map((event, index) => ({ time: 2 + index, event, id: "q1" })),
  ];
  const directory = await log(t, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const told = traceText([await traceMessage(directory, "q1")]);
  for (const words of [/held by/, /released by/, /to be tried now/, /removed from the queue/])
    assert.ok(
      told.some((line) => words.test(line) && line.includes("the administrator")),
      String(words),
    );
});
