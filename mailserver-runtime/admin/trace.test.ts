import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { traceMessage } from "./trace.ts";

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

test("without a log there is nothing to tell", async () => {
  assert.deepEqual(await traceMessage("/nonexistent", "q1"), []);
});
