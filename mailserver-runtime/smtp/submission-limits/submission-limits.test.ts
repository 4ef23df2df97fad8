/** Limits of what an account sends: the arithmetic, what survives a restart, and a user who goes beyond. */
import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { silentLog } from "../../net/log.ts";
import type { QueueSubmission } from "../../queue/queue.ts";
import { settingsSchema } from "../../settings/schema.ts";
import { letter, submission, submit } from "../submission-for-tests.ts";
import { MAX_KNOWN } from "./account-record.ts";
import { openSubmissionLimiter } from "./limiter.ts";
import { SlidingWindow } from "./sliding-window.ts";
import { limitsOf, type SubmissionLimits } from "./submission-limits.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const none: SubmissionLimits = {
  messagesPerHour: 0,
  messagesPerDay: 0,
  recipientsPerHour: 0,
  recipientsPerDay: 0,
  newRecipientsPerDay: 0,
  messageBytes: 0,
};
async function limiter(t: TestContext, options: { readonly path?: string } = {}) {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-limits-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const path = options.path ?? join(directory, "limits");
  const clock = { now: Date.parse("2026-05-01T12:00:00Z") };
  const open = () => openSubmissionLimiter({ path, log: silentLog, clock: () => clock.now });
  const opened = await open();
  const send = (recipients: readonly string[], limits: Partial<SubmissionLimits>, by = opened) =>
    by.admit({ account: "ann@example.org", recipients, at: clock.now, limits: { ...none, ...limits } });
  return { path, clock, open, opened, send };
}

test("no period ever has more than the limit in it, whatever is counted and when (property)", () => {
  const step = fc.record({ wait: fc.nat(HOUR), amount: fc.integer({ min: 1, max: 5 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 5, max: 20 }), (steps, limit) => {
      const window = new SlidingWindow(HOUR);
      const sent: { at: number; amount: number }[] = [];
      let now = 1_000_000 * HOUR;
      for (const { wait, amount } of steps) {
        now += wait;
        window.forgetBefore(now);
        const at = window.earliest(now, amount, limit, now + 100 * HOUR)!;
        assert.ok(at >= now);
        window.add(at, amount);
        sent.push({ at, amount });
      }
      for (const { at: end } of sent) {
        const within = sent.filter(({ at }) => at <= end && at > end - HOUR);
        assert.ok(within.reduce((sum, { amount }) => sum + amount, 0) <= limit);
      }
    }),
    { numRuns: 300 },
  );
});

test("an empty period takes its limit at once, and a burst is spread over the periods that follow", () => {
  const window = new SlidingWindow(HOUR);
  const begin = 1_000_000 * HOUR;
  const times = Array.from({ length: 25 }, () => {
    const at = window.earliest(begin, 1, 10, begin + DAY)!;
    window.add(at, 1);
    return (at - begin) / HOUR;
  });
  assert.deepEqual(times.slice(0, 10), Array(10).fill(0));
  assert.ok(times.slice(10, 20).every((hours) => hours >= 1 && hours < 1.1));
  assert.ok(times.slice(20).every((hours) => hours >= 2 && hours < 2.2));
  assert.equal(window.earliest(begin, 11, 10, begin + DAY), undefined);
});

test("each limit holds by itself, names itself, and alerts once a period", async (t) => {
  const { clock, send } = await limiter(t);
  const limits = { messagesPerHour: 2, recipientsPerDay: 100 };
  assert.equal((await send(["a@y.test"], limits)).kind, "free");
  assert.equal((await send(["a@y.test"], limits)).kind, "free");
  const third = await send(["a@y.test"], limits);
  assert.ok(third.kind === "held" && third.until !== undefined && third.alert);
  assert.ok(third.until >= clock.now + HOUR && third.until <= clock.now + 1.1 * HOUR);
  assert.equal(third.because, "more than 2 messages an hour for ann@example.org");
  const fourth = await send(["a@y.test"], limits);
  assert.ok(fourth.kind === "held" && !fourth.alert);
  clock.now += 2.2 * HOUR;
  assert.equal((await send(["a@y.test"], limits)).kind, "free");
  const many = await send(
    Array.from({ length: 96 }, () => "a@y.test"),
    limits,
  );
  assert.ok(many.kind === "held" && !many.alert);
  assert.match(many.because, /100 recipients a day/);
});

test("what fits into no period waits for an operator; what two days have no room for is refused", async (t) => {
  const { send } = await limiter(t);
  const three = ["a@y.test", "b@y.test", "c@y.test"];
  assert.deepEqual(await send(three, { recipientsPerHour: 2 }), {
    kind: "held",
    until: undefined,
    because: "more than 2 recipients an hour for ann@example.org",
    alert: true,
  });
  const limits = { messagesPerDay: 1 };
  assert.equal((await send(["a@y.test"], limits)).kind, "free");
  for (const kind of ["held", "held", "refused", "refused"])
    assert.equal((await send(["a@y.test"], limits)).kind, kind);
});

test("only recipients met for the first time count as new, and are known from then on", async (t) => {
  const { clock, send } = await limiter(t);
  const limits = { newRecipientsPerDay: 2 };
  assert.equal((await send(["a@y.test", "A@y.test", "b@y.test"], limits)).kind, "free");
  assert.equal((await send(["b@y.test", "a@y.test"], limits)).kind, "free");
  assert.equal((await send(["c@y.test"], limits)).kind, "held");
  clock.now += 1.1 * DAY;
  assert.equal((await send(["a@y.test"], limits)).kind, "free");
});

test("counts, known recipients and the alert survive a restart, and a torn line is passed over", async (t) => {
  const { path, clock, open, opened, send } = await limiter(t);
  const limits = { messagesPerHour: 2, newRecipientsPerDay: 2 };
  await send(["a@y.test", "b@y.test"], limits);
  await send(["a@y.test"], limits);
  assert.equal((await send(["a@y.test"], limits)).kind, "held");
  await opened.close();
  await appendFile(path, '{"account":"ann@exam');
  assert.doesNotMatch(await readFile(path, "utf8"), /y\.test/, "nobody's correspondents are in the file");
  for (let restart = 0; restart < 2; restart++) {
    const again = await open();
    const next = await send(["b@y.test"], limits, again);
    assert.ok(next.kind === "held" && !next.alert);
    await again.close();
  }
  clock.now += 4 * HOUR;
  const later = await open();
  assert.equal((await send(["a@y.test", "b@y.test"], limits, later)).kind, "free");
  await later.close();
});

test("a count that is given back is as if it had not been, after a restart as well", async (t) => {
  const { open, opened, send } = await limiter(t);
  const limits = { messagesPerHour: 2, newRecipientsPerDay: 2 };
  const kept = await send(["a@y.test"], limits);
  const lost = await send(["b@y.test"], limits);
  assert.ok(kept.kind === "free" && lost.kind === "free" && lost.counted !== undefined);
  assert.equal((await send(["c@y.test"], limits)).kind, "held");
  await opened.giveBack(lost.counted);
  assert.equal((await send(["b@y.test"], limits)).kind, "free", "b is new again, and there is room for it");
  await opened.close();
  const again = await open();
  assert.equal((await send(["a@y.test"], limits, again)).kind, "held");
  await again.close();
});

test("a message that could not be kept does not count: the client may come with it again", async (t) => {
  const { opened } = await limiter(t);
  const { server, dialogue } = await submission(t, {
    user: "ann@example.org",
    limiter: opened,
    settings: { submission: { limits: { messagesPerHour: 1 } } },
  });
  for (let attempt = 0; attempt < 3; attempt++) {
    server.failures.set("queue", new Error("no room"));
    assert.match(await submit(dialogue, ["x@y.test"], letter), /^451 /);
  }
  server.failures.delete("queue");
  assert.doesNotMatch(await submit(dialogue, ["x@y.test"], letter), /held/);
  assert.match(await submit(dialogue, ["x@y.test"], letter), /, held: /);
});

test("the file and what is known of an account stay bounded", async (t) => {
  const { path, open, opened, send } = await limiter(t);
  for (let round = 0; round < 30; round++)
    await send(
      Array.from({ length: 1000 }, (_, index) => `r${round}-${index}@y.test`),
      {},
    );
  await opened.close();
  await (await open()).close();
  const { size } = await stat(path);
  assert.ok(size < MAX_KNOWN * 20, `${size} bytes`);
});

test("an account's own limits go before everybody's", () => {
  const settings = settingsSchema.parse({
    hostname: "mail.example.org",
    submission: {
      limits: { messagesPerHour: 10 },
      accountLimits: { "news@example.org": { messagesPerHour: 0, messageBytes: 5 } },
    },
  });
  const { messagesPerHour, messagesPerDay, messageBytes } = limitsOf(settings, "news@example.org");
  assert.deepEqual([messagesPerHour, messagesPerDay, messageBytes], [0, 5000, 5]);
  assert.equal(limitsOf(settings, "ann@example.org").messagesPerHour, 10);
});

test("a user's burst is taken and held for all its recipients, logged, and postmaster is told once", async (t) => {
  const { opened } = await limiter(t);
  const alerts: QueueSubmission[] = [];
  const { server, dialogue } = await submission(t, {
    user: "ann@example.org",
    limiter: opened,
    reenter: async (alert) => alerts.push(alert),
    settings: { submission: { limits: { messagesPerHour: 2 } } },
  });
  const answers: string[] = [];
  for (let count = 0; count < 4; count++)
    answers.push(await submit(dialogue, ["bob@example.org", "x@y.test"], letter));
  assert.ok(answers.every((answer) => answer.startsWith("250 2.0.0 Ok: queued as Q")));
  assert.match(answers[2]!, /, held: more than 2 messages an hour for ann@example\.org$/);
  assert.equal(server.stored.length, 2, "local recipients of what is held wait as well");
  const held = server.queued.slice(2).map((one) => one.submission);
  assert.ok(held.every(({ holdUntil, heldBecause }) => holdUntil !== undefined && heldBecause !== undefined));
  assert.deepEqual(
    held[0]?.envelope.recipients.map(({ address }) => address),
    ["bob@example.org", "x@y.test"],
  );
  assert.equal(server.logged.filter(({ event }) => event === "submission-limit").length, 2);
  assert.equal(alerts.length, 1);
  assert.deepEqual(alerts[0]?.envelope.recipients, [{ address: "postmaster", notify: ["NEVER"] }]);
  assert.match(
    alerts[0]!.content.buffer!.toString(),
    /ann@example\.org wants to send more than 2 messages an hour\./,
  );
});

test("an account's own size limit is in EHLO, at MAIL and at the message's end (RFC 1870)", async (t) => {
  const { dialogue } = await submission(t, {
    user: "ann@example.org",
    settings: { submission: { accountLimits: { "ann@example.org": { messageBytes: 2000 } } } },
  });
  assert.match(await dialogue.say("EHLO laptop.local"), /\n250-SIZE 2000\n/);
  assert.match(await dialogue.say("MAIL FROM:<ann@example.org> SIZE=2001"), /^552 5\.3\.4/);
  assert.match(
    await submit(dialogue, ["x@y.test"], `${letter}${"x".repeat(70)}\r\n`.repeat(40)),
    /^552 5\.3\.4/,
  );
});
