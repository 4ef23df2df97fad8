import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLog } from "../net/log.ts";
import { settingsSchema } from "../settings/schema.ts";
import { Pace } from "./pace.ts";
import { ceilingsFor, receiverOf } from "./receivers.ts";
import { ceilingAt, MAX_RECEIVERS, WarmUp } from "./warm-up.ts";

const none = { connections: 20, messagesPerHour: 0 };
const MINUTE = 60_000;
const DAY = 86_400_000;

test("how many connections a receiver bears is found by trying, within its ceiling", () => {
  const pace = new Pace("x.test");
  assert.equal(pace.room(none), 5);
  for (let times = 0; times < 40; times += 1) pace.succeeded(0, 20);
  assert.equal(pace.room(none), 20);
  assert.equal(pace.room({ ...none, connections: 3 }), 3);
  pace.slowed();
  assert.equal(pace.room(none), 10);
  pace.connections = 9;
  assert.equal(pace.room(none), 1);
  pace.crowded(0);
  pace.succeeded(10 * MINUTE - 1, 20);
  assert.equal(pace.room(none), 0, "nine were one too many, and that is known for a while");
  pace.connections = 0;
  assert.equal(pace.room(none), 8);
  pace.succeeded(10 * MINUTE, 20);
  assert.equal(pace.room(none), 9);
});

test("who asks for less mail rests longer each time, and is then fed one message at a time", () => {
  const pace = new Pace("x.test");
  assert.equal(pace.limited(0, undefined, "421 too many"), MINUTE);
  assert.equal(pace.limited(10, undefined, "421 too many"), MINUTE - 10, "one rest for many answers");
  assert.deepEqual(pace.admission(MINUTE - 1, none), {
    kind: "wait",
    until: MINUTE,
    why: "x.test asked for less mail: 421 too many",
  });
  assert.equal(pace.admission(MINUTE, none).kind, "go");
  pace.begin(MINUTE);
  assert.equal(pace.admission(MINUTE, none).kind, "wait", "a pause after each message");
  assert.equal(pace.admission(MINUTE + 1000, none).kind, "go");
  assert.equal(pace.limited(MINUTE, undefined, "again"), 2 * MINUTE);
  assert.equal(pace.limited(10 * MINUTE, 5 * MINUTE, "wait 5 min"), 5 * MINUTE, "as long as it says");
  for (let times = 0; times < 30; times += 1) pace.succeeded(0, 20);
  pace.begin(20 * MINUTE);
  assert.equal(pace.admission(20 * MINUTE, none).kind, "go", "what goes well ends the pauses");
});

test("a ceiling of messages an hour holds for any hour, and counts what is under way", () => {
  const pace = new Pace("x.test");
  const two = { connections: 20, messagesPerHour: 2 };
  pace.begin(0);
  pace.begin(0);
  assert.deepEqual(pace.admission(0, two), {
    kind: "wait",
    until: 2000,
    why: "x.test has got its 2 messages of this hour",
  });
  pace.ended(0, false);
  assert.equal(pace.admission(0, two).kind, "go", "what did not arrive does not count");
  pace.begin(30 * MINUTE);
  pace.ended(30 * MINUTE, true);
  pace.ended(30 * MINUTE, true);
  const full = pace.admission(59 * MINUTE, two);
  assert.deepEqual([full.kind, full.kind === "wait" && full.until], ["wait", 90 * MINUTE]);
  assert.equal(pace.admission(90 * MINUTE, two).kind, "go");
});

test("the receiver is the organisation behind an MX host", () => {
  assert.equal(receiverOf("aspmx.l.google.com"), "google.com");
  assert.equal(receiverOf("Example-com.mail.protection.outlook.com."), "outlook.com");
  assert.equal(receiverOf("mx.example.co.uk"), "example.co.uk");
  assert.equal(receiverOf("192.0.2.1"), "192.0.2.1");
  assert.equal(receiverOf("2001:db8::1"), "2001:db8::1");
});

test("ceilings are declared in general and by name, in any case of letters", () => {
  const { delivery } = settingsSchema.parse({
    hostname: "mail.here.test",
    delivery: { messagesPerHour: 100, destinations: { "Google.com": { connections: 2 } } },
  });
  assert.deepEqual(ceilingsFor("google.com", delivery), { connections: 2, messagesPerHour: 100 });
  assert.deepEqual(ceilingsFor("constructor", delivery), { connections: 20, messagesPerHour: 100 });
});

const warmUp = { messagesPerDay: 10, growth: 2, days: 5 };
test("the ceiling of a day rises with age until it is lifted", () => {
  assert.deepEqual(
    [0, 1, 4, 5].map((age) => ceilingAt(age, warmUp)),
    [10, 20, 160, undefined],
  );
  assert.equal(ceilingAt(0, { ...warmUp, messagesPerDay: 0 }), undefined);
});

test("what receivers have had outlives the process, and a receiver forgets after a month", async (context) => {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-warm-up-"));
  context.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "warm-up");
  const first = await WarmUp.open(path, silentLog);
  const today = 20_000 * DAY;
  const send = (to: WarmUp, now: number): boolean => {
    if (to.admission("x.test", now, warmUp).kind === "wait") return false;
    to.begin("x.test");
    to.ended("x.test", now, true);
    return true;
  };
  const sent = (to: WarmUp, now: number): number => {
    let count = 0;
    while (count < 1000 && send(to, now)) count += 1;
    return count;
  };
  assert.equal(sent(first, today), 10);
  assert.deepEqual(first.admission("x.test", today + 1, warmUp), {
    kind: "wait",
    until: today + DAY,
    why: "x.test has got its 10 messages of today (delivery.warmUp)",
  });
  assert.equal(first.admission("y.test", today, warmUp).kind, "go", "others have their own");
  await first.close();
  assert.equal(await readFile(path, "utf8"), "x.test 20000 20000 10\n");
  await writeFile(path, `a line of nobody\n${await readFile(path, "utf8")}`);
  const second = await WarmUp.open(path, silentLog);
  assert.equal(sent(second, today), 0);
  assert.equal(sent(second, today + 2 * DAY), 40);
  assert.equal(sent(second, today + 33 * DAY), 10, "begun again");
  await second.close();
});

test("the record is bounded, and the longest unused leave first", async () => {
  const record = await WarmUp.open(undefined, silentLog);
  for (let number = 0; number <= MAX_RECEIVERS; number += 1) {
    record.begin(`r${number}.test`);
    record.ended(`r${number}.test`, 0, true);
  }
  const one = { ...warmUp, messagesPerDay: 1 };
  assert.equal(record.admission("r0.test", 0, one).kind, "go");
  assert.equal(record.admission("r1.test", 0, one).kind, "wait");
});
