import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { settingsSchema } from "../settings/schema.ts";
import { DirectorySync } from "./directory-sync.ts";
import { DueHeap } from "./due-heap.ts";
import { Lane } from "./lane.ts";
import {
  applyRecord,
  isSettled,
  type JournalRecord,
  parseHeader,
  parseJournal,
  type Result,
  replay,
  type StoredHeader,
} from "./message-state.ts";
import { type Relay, relayChooser, relayKey } from "./relay.ts";
import { expiresAt, isLate, nextAttempt } from "./schedule.ts";

const { delivery } = settingsSchema.parse({
  hostname: "mail.here.test",
  delivery: { retrySeconds: [10, 20], lifetimeSeconds: 100, warnAfterSeconds: 50 },
});

test("waits follow the table, its last entry repeats, and none passes the lifetime (RFC 5321 §4.5.4.1)", () => {
  assert.equal(nextAttempt(delivery, 0, 1, 1000, 0), 11_000);
  assert.equal(nextAttempt(delivery, 0, 2, 1000, 0), 21_000);
  assert.equal(nextAttempt(delivery, 0, 9, 1000, 0), 21_000);
  assert.equal(nextAttempt(delivery, 0, 1, 1000, 1), 12_000, "spread by a tenth");
  assert.equal(nextAttempt(delivery, 0, 2, 95_000, 0), expiresAt(delivery, 0));
  assert.equal(isLate(delivery, 0, 49_999), false);
  assert.equal(isLate(delivery, 0, 50_000), true);
  assert.equal(isLate({ ...delivery, warnAfterSeconds: 0 }, 0, 1e9), false);
});

test("the heap gives what is due, earliest first", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100)), fc.nat(100), (times, now) => {
      const heap = new DueHeap<number>();
      for (const at of times) heap.add(at, at);
      const taken: number[] = [];
      for (let due = heap.take(now); due !== undefined; due = heap.take(now)) taken.push(due.value);
      assert.deepEqual(
        taken,
        times.filter((at) => at <= now).sort((a, b) => a - b),
      );
      assert.equal(heap.first, times.filter((at) => at > now).sort((a, b) => a - b)[0]);
    }),
  );
});

const header: StoredHeader = {
  version: 1,
  id: "0mb000000-0123456789",
  queuedAt: 5,
  envelope: { from: "a@here.test", recipients: [{ address: "b@x.test" }, { address: "c@x.test" }] },
  prefixSize: 0,
  contentSize: 1,
  eightBit: false,
  eightBitHeaders: false,
};
const result = (outcome: Result["outcome"]): Result => ({
  outcome,
  status: "2.0.0",
  text: "t",
  replied: true,
});

test("a message's state is what its records make of its header, in memory as from the file", () => {
  const record: fc.Arbitrary<JournalRecord> = fc.oneof(
    fc.record({
      type: fc.constant("attempt" as const),
      at: fc.nat(),
      results: fc.dictionary(
        fc.constantFrom("0", "1", "7"),
        fc.constantFrom(result("delivered"), result("temporary"), result("permanent")),
      ),
    }),
    fc.record({ type: fc.constant("next" as const), at: fc.nat() }),
    fc.record({ type: fc.constant("held" as const), held: fc.boolean() }),
    fc.record({ type: fc.constant("reported" as const), recipients: fc.array(fc.nat(2)) }),
    fc.constant({ type: "warned" as const }),
  );
  fc.assert(
    fc.property(fc.array(record), fc.nat(40), (records, cut) => {
      const text = records.map((each) => `\n${JSON.stringify(each)}\n`).join("");
      assert.deepEqual(replay(header, parseJournal(text)), records.reduce(applyRecord, replay(header, [])));
      // A crash within the last line loses that line and no other, also when more is written behind it.
      const torn = `${text}\n${JSON.stringify({ type: "held", held: true }).slice(0, -1 - (cut % 20))}`;
      assert.deepEqual(parseJournal(torn), parseJournal(text));
      assert.equal(parseJournal(`${torn}\n{"type":"warned"}\n`).length, records.length + 1);
    }),
  );
});

test("a state is settled when no recipient waits", () => {
  const attempt = (results: Record<string, Result>): JournalRecord => ({ type: "attempt", at: 1, results });
  const one = applyRecord(replay(header, []), attempt({ 0: result("delivered"), 1: result("temporary") }));
  assert.equal(isSettled(one), false);
  assert.equal(isSettled(applyRecord(one, attempt({ 1: result("permanent") }))), true);
});

test("no header line and no journal, however damaged, makes the readers throw", () => {
  assert.deepEqual(parseHeader(JSON.stringify(header)), header);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      parseHeader(text);
      parseJournal(text);
    }),
  );
  for (const bad of [
    "null",
    "{}",
    '{"version":2}',
    '{"version":1,"id":"x","envelope":{"from":"","recipients":[null]}}',
  ])
    assert.equal(parseHeader(bad), undefined);
});

test("the most specific relay rule wins, and direct leaves the rest (DMS relaymap)", () => {
  const relay = (host: string): Relay => ({ host, port: 587, tls: "starttls" });
  const choose = relayChooser([
    { match: {}, relay: relay("rest") },
    { match: { senderDomain: "Here.test" }, relay: relay("domain") },
    { match: { senderDomain: "direct.test" }, relay: "direct" },
    { match: { sender: "Ann@here.test" }, relay: relay("ann") },
    { match: { recipientDomain: "partner.test" }, relay: relay("partner") },
  ]);
  const host = (from: string, to: string) => choose(from, to).relay?.host;
  assert.equal(host("ann@here.test", "x@PARTNER.test"), "partner");
  assert.equal(host("ANN@here.test", "x@y.test"), "ann");
  assert.equal(host("bob@here.test", "x@y.test"), "domain");
  assert.equal(host("bob@direct.test", "x@y.test"), undefined);
  assert.equal(host("", "x@y.test"), "rest");
  assert.equal(relayChooser([])("a@b.test", "c@d.test").relay, undefined);
});

test("two logins at one relay do not share connections", () => {
  const relay: Relay = { host: "r.test", port: 587, tls: "starttls" };
  const withLogin = { ...relay, credentials: { username: "ann", password: "x" } };
  assert.notEqual(relayKey(relay), relayKey(withLogin));
  assert.doesNotMatch(relayKey(withLogin), /x@/);
});

test("a destination that is down rests longer each time", () => {
  const lane = new Lane<number>("k", { kind: "mx", domain: "x.test" }, "x.test");
  const why = { status: "4.4.1", text: "down" };
  lane.failed(0, why);
  assert.equal(lane.unreachable(29_999), why);
  assert.equal(lane.unreachable(30_000), undefined);
  lane.failed(30_000, why);
  assert.equal(lane.unreachable(89_999), why);
  lane.wake();
  assert.equal(lane.unreachable(30_000), undefined);
});

test("a connection that waits in a lane is given the next message, or goes home", async () => {
  const lane = new Lane<number>("k", { kind: "mx", domain: "x.test" }, "x.test");
  assert.equal(await lane.take(0), undefined);
  const waiting = lane.take(10_000);
  lane.add(7);
  assert.equal(await waiting, 7);
  assert.equal(await lane.take(5), undefined);
  const dismissed = lane.take(10_000);
  lane.dismiss();
  assert.equal(await dismissed, undefined);
  for (let item = 0; item < 3000; item += 1) lane.add(item);
  for (let item = 0; item < 3000; item += 1)
    assert.equal(await lane.take(0), item, "first come, first served");
  lane.add(1);
  lane.putBack(0);
  assert.deepEqual([await lane.take(0), await lane.take(0)], [0, 1], "what was put back comes first");
});

test("a hundred who wait for the directory share few syncs, and each sync began after they asked", async (context) => {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-sync-"));
  context.after(() => rm(directory, { recursive: true }));
  const sync = await DirectorySync.open(directory);
  await Promise.all(Array.from({ length: 100 }, () => sync.sync()));
  await sync.sync();
  await sync.close();
  await assert.rejects(sync.sync(), "a failed sync is told to who waits for it");
});
