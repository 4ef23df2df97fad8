/** How the queue treats receivers that bear only so much, and one receiver behind many domains. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { submission, testQueue, until } from "./queue-for-tests.ts";
import { type Script, scriptedServer } from "./scripted-server.ts";

const all = ["PIPELINING", "SIZE 100000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"];
async function server(context: TestContext, script: Script = {}) {
  const made = await scriptedServer({ extensions: all, ...script });
  context.after(() => made.close());
  return made;
}
const domains = Array.from({ length: 12 }, (_, number) => `d${number}.test`);
/** Twelve domains with their mail at one provider, and one that has its own. */
const resolver = zoneResolver({
  ...Object.fromEntries(domains.map((domain, number) => [`MX ${domain}`, [`10 mx${number % 3}.big.test`]])),
  "A mx0.big.test": ["127.0.0.1"],
  "A mx1.big.test": ["127.0.0.1"],
  "A mx2.big.test": ["127.0.0.1"],
  "MX small.test": ["10 mail.small.test"],
  "A mail.small.test": ["127.0.0.1"],
});
const everyDomain = (queue: Awaited<ReturnType<typeof testQueue>>["queue"]) =>
  Promise.all(domains.map((domain) => queue.enqueue(submission(`bob@${domain}`))));

test("many domains at one provider share its connections, and all get their mail", async (context) => {
  // Connections with a transaction under way: when a QUIT is read says nothing of when it was sent.
  const open = new Set<number>();
  let most = 0;
  const sink = await server(context, {
    answer: (line, connection) => {
      if (line.startsWith("MAIL")) most = Math.max(most, open.add(connection).size);
      if (line === ".") open.delete(connection);
      return undefined;
    },
  });
  const { queue } = await testQueue(context, sink.port, {
    resolver,
    delivery: { destinations: { "big.test": { connections: 2 } } },
  });
  for (let times = 0; times < 5; times += 1) await everyDomain(queue);
  await until(() => queue.counts().messages === 0, "delivery");
  assert.equal(sink.messages.length, 60);
  assert.ok(most <= 2, `${most} connections at once`);
});

test("a ceiling of messages an hour holds for the provider, and what is above it waits without an attempt", async (context) => {
  const sink = await server(context);
  const { queue, clock } = await testQueue(context, sink.port, {
    resolver,
    delivery: { destinations: { "big.test": { messagesPerHour: 5 } } },
  });
  await everyDomain(queue);
  const other = await queue.enqueue(submission("eve@small.test"));
  await until(async () => (await queue.operator.show(other.id)) === undefined, "the other destination");
  await until(
    async () => (await queue.operator.list()).entries.every(({ waitsFor }) => waitsFor !== undefined),
    "the rest waits",
  );
  assert.equal(sink.messages.length, 6);
  const [entry] = (await queue.operator.list()).entries;
  assert.equal(entry?.attempts, 0);
  assert.equal(entry?.waitsFor, "big.test has got its 5 messages of this hour");
  assert.ok((entry?.nextAttemptAt ?? 0) > clock.now + 58 * 60_000);
  clock.now += 61 * 60_000;
  const retried = async (holds: () => boolean): Promise<boolean> => {
    await queue.operator.retry();
    return holds();
  };
  await until(() => retried(() => sink.messages.length === 11), "five more");
  clock.now += 61 * 60_000;
  await until(() => retried(() => queue.counts().messages === 0), "the last ones");
});

test("a receiver that says 'too fast' is left alone for the time it says, with all its domains and no others", async (context) => {
  let refusing = true;
  const sink = await server(context, {
    answer: (line) => {
      const limited = refusing && line.startsWith("RCPT") && !line.includes("small.test");
      return limited ? "450 4.7.1 rate limit exceeded, try again in 10 minutes" : undefined;
    },
  });
  const { queue, clock } = await testQueue(context, sink.port, { resolver });
  const { id } = await queue.enqueue(submission("ann@d0.test"));
  await until(async () => (await queue.operator.show(id))?.attempts === 1, "the refusal");
  assert.equal((await queue.operator.show(id))?.nextAttemptAt, clock.now + 600_000);
  await everyDomain(queue);
  await queue.enqueue(submission("eve@small.test"));
  await until(() => sink.messages.length === 1, "the other destination");
  await until(
    async () =>
      (await queue.operator.list()).entries.every((each) => each.id === id || each.waitsFor !== undefined),
    "the rest waits",
  );
  const waitsFor = (await queue.operator.list()).entries.map((each) => each.waitsFor ?? "");
  assert.ok(
    waitsFor.some((why) => /^big\.test asked for less mail: 450 4\.7\.1 rate/.test(why)),
    `${waitsFor}`,
  );
  assert.equal(sink.commands.filter((line) => line.startsWith("RCPT")).length, 2, "nobody else asked");
  refusing = false;
  clock.now += 601_000;
  await queue.operator.retry();
  // One message at a time from here on: the clock that stands still is moved on.
  const hands = setInterval(() => {
    clock.now += 2000;
  }, 20);
  context.after(() => clearInterval(hands));
  await until(() => queue.counts().messages === 0, "all of it");
  const arrived = sink.messages.filter(({ recipients }) => recipients.length > 0);
  assert.equal(arrived.length, 14);
});

test("a connection that is one too many costs a connection and no attempt", async (context) => {
  let open = 0;
  let refused = 0;
  const sink = await server(context, {
    answer: (line) => {
      if (line === "(connected)") {
        if (open === 2) {
          refused += 1;
          return "421 4.7.0 too many connections from you";
        }
        open += 1;
      }
      if (line.startsWith("QUIT")) open -= 1;
      return undefined;
    },
  });
  const { queue } = await testQueue(context, sink.port, { resolver, timeouts: undefined });
  const content = submission("x@small.test").content;
  const ids = await Promise.all(
    Array.from({ length: 40 }, () => queue.enqueue(submission("eve@small.test", { content }))),
  );
  await until(() => queue.counts().messages === 0, "delivery");
  assert.equal(sink.messages.length, ids.length);
  // A connection counts until its QUIT is read, however late that is; one that learns nothing is refused for each message.
  assert.ok(refused > 0 && refused <= ids.length / 2, `${refused} connections were refused`);
  assert.equal(queue.counts().deferred, 0);
});

test("a server new to a receiver sends what the day allows; the rest waits, or goes by the declared relay", async (context) => {
  const sink = await server(context);
  const smarthost = await server(context);
  const delivery = { warmUp: { messagesPerDay: 4, growth: 2, days: 10 } };
  const first = await testQueue(context, sink.port, { resolver, delivery });
  await everyDomain(first.queue);
  await until(
    async () =>
      (await first.queue.operator.list()).entries.filter(({ waitsFor }) => waitsFor !== undefined).length ===
      8,
    "eight wait",
  );
  await until(() => sink.messages.length === 4, "four");
  assert.equal(
    (await first.queue.operator.list()).entries[0]?.waitsFor,
    "big.test has got its 4 messages of today (delivery.warmUp)",
  );
  first.clock.now += 86_400_000;
  await first.queue.operator.retry();
  await until(() => first.queue.counts().messages === 0, "twice as many on the next day");
  assert.equal(smarthost.messages.length, 0);

  const relay = { host: "127.0.0.1", port: smarthost.port, tls: "opportunistic" } as const;
  const second = await testQueue(context, sink.port, { resolver, delivery, overflowRelay: () => relay });
  const both = await second.queue.enqueue(submission(domains.map((domain) => `all@${domain}`)));
  await until(async () => (await second.queue.operator.show(both.id)) === undefined, "one message to all");
  assert.equal(sink.messages.length, 12 + 4);
  const relayed = smarthost.messages.flatMap(({ recipients }) => recipients);
  assert.equal(new Set(relayed).size, 8);
  assert.equal(relayed.length, 8, "nobody gets it twice");
});

test("what waits for a receiver still comes back at the end of its lifetime, with the reason (RFC 5321 §4.5.4.1)", async (context) => {
  const sink = await server(context);
  const { queue, clock, reports } = await testQueue(context, sink.port, {
    resolver,
    delivery: {
      warmUp: { messagesPerDay: 1, growth: 1 },
      warnAfterSeconds: 3600,
      lifetimeSeconds: 7200,
    },
  });
  await queue.enqueue(submission("a@d0.test"));
  await until(() => queue.counts().messages === 0, "the first");
  const { id } = await queue.enqueue(submission("b@d1.test"));
  await until(async () => (await queue.operator.show(id))?.waitsFor !== undefined, "the second waits");
  clock.now += 3_600_000;
  await queue.operator.retry();
  await until(() => reports.length === 1, "the warning");
  assert.match(reports[0]?.content.buffer?.toString() ?? "", /Action: delayed[\s\S]*its 1 messages of today/);
  clock.now += 3_600_000;
  await until(async () => {
    await queue.operator.retry();
    return reports.length === 2;
  }, "the end");
  assert.match(reports[1]?.content.buffer?.toString() ?? "", /Status: 4\.4\.7/);
});

test("what was deferred is tried again at its time, whatever part of a second chance has added to it", async (context) => {
  let asked = 0;
  const sink = await server(context, {
    answer: (line) => (line.startsWith("RCPT") && ++asked === 1 ? "451 4.7.1 come again" : undefined),
  });
  const { queue, clock } = await testQueue(context, sink.port, {
    resolver,
    random: () => 1 / 3,
    delivery: { retrySeconds: [1] },
  });
  const { id } = await queue.enqueue(submission("eve@small.test"));
  await until(async () => (await queue.operator.show(id))?.attempts === 1, "the refusal");
  const hands = setInterval(() => {
    clock.now += 500;
  }, 10);
  context.after(() => clearInterval(hands));
  await until(() => sink.messages.length === 1, "the second attempt");
});
