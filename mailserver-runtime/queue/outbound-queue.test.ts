import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { memoryContent } from "../message/content.ts";
import type { IsOurself } from "./client/targets.ts";
import type { QueueSubmission } from "./queue.ts";
import { envelope, submission, testQueue, until } from "./queue-for-tests.ts";
import { type Script, scriptedServer } from "./scripted-server.ts";

const all = ["PIPELINING", "SIZE 100000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"];
async function server(context: TestContext, script: Script = {}) {
  const made = await scriptedServer({ extensions: all, ...script });
  context.after(() => made.close());
  return made;
}
const text = (bytes: Buffer | undefined): string => bytes?.toString("utf8") ?? "";

test("a message arrives byte for byte, dots doubled and undone (RFC 5321 §4.5.2), and leaves the spool", async (context) => {
  const sink = await server(context);
  const { queue, directory } = await testQueue(context, sink.port);
  await queue.enqueue(submission("bob@sink.test"));
  await until(() => queue.counts().messages === 0, "delivery");
  const [message] = sink.messages;
  assert.equal(
    text(message?.data),
    "Received: from a by b\r\nSubject: hello\r\n\r\nfirst\r\n.second begins with a dot\r\n",
  );
  assert.match(message?.from ?? "", /^MAIL FROM:<ann@here\.test> SIZE=\d+$/);
  await until(async () => (await readdir(directory)).length === 0, "an empty directory");
});

test("a server without EHLO and without pipelining gets the message step by step (RFC 5321 §4.1.1.1)", async (context) => {
  const sink = await server(context, {
    answer: (line) => (line.startsWith("EHLO") ? "502 5.5.1 no" : undefined),
  });
  const { queue } = await testQueue(context, sink.port);
  await queue.enqueue(submission(["bob@sink.test", "eve@sink.test"]));
  await until(() => queue.counts().messages === 0, "delivery");
  assert.equal(sink.messages[0]?.recipients.length, 2);
  assert.ok(sink.commands.includes("HELO mail.here.test"));
});

test("what waits for a destination goes over one connection (RFC 5321 §4.5.4.1)", async (context) => {
  const sink = await server(context);
  const { queue, clock } = await testQueue(context, sink.port);
  const holdUntil = clock.now + 3_600_000;
  for (let index = 0; index < 30; index += 1) await queue.enqueue(submission("bob@sink.test", { holdUntil }));
  assert.equal(sink.messages.length, 0, "nothing goes before its time (RFC 4865)");
  assert.equal(await queue.operator.retry(), 30);
  await until(() => queue.counts().messages === 0, "delivery");
  assert.equal(sink.messages.length, 30);
  assert.ok(sink.connections() <= 20, `${sink.connections()} connections`);
});

test("4xx waits and is tried again by the schedule, 5xx comes back as a report (RFC 5321 §4.2.1)", async (context) => {
  let greylisted = true;
  const sink = await server(context, {
    answer: (line) => {
      if (line.startsWith("RCPT TO:<late@") && greylisted) return "451 4.7.1 come back later";
      if (line.startsWith("RCPT TO:<no@")) return "550 5.1.1 nobody here";
      return undefined;
    },
  });
  const { queue, reports, clock } = await testQueue(context, sink.port, {
    delivery: { retrySeconds: [300, 900] },
  });
  const { id } = await queue.enqueue(submission(["late@sink.test", "no@sink.test", "yes@sink.test"]));
  await until(async () => {
    const shown = await queue.operator.show(id);
    // The round counts a moment before its connections are done with the message.
    return shown?.attempts === 1 && shown.recipients.every(({ status }) => status !== "delivering");
  }, "the first round");
  const entry = await queue.operator.show(id);
  assert.deepEqual(
    entry?.recipients.map(({ status, lastReply }) => [status, lastReply]),
    [
      ["waiting", "451 4.7.1 come back later"],
      ["failed", "550 5.1.1 nobody here"],
      ["delivered", "250 2.0.0 taken"],
    ],
  );
  assert.equal(entry?.nextAttemptAt, clock.now + 300_000);
  assert.equal(entry?.transcript.length, 3);
  assert.match(
    entry?.transcript[1] ?? "",
    /<no@sink\.test> mx\.test\[127\.0\.0\.1\]:\d+ permanent 5\.1\.1: 550/,
  );
  assert.equal(reports.length, 1, "one report, for the one that failed");
  assert.match(text(reports[0]?.content.buffer), /Final-Recipient: rfc822; no@sink\.test\r\nAction: failed/);
  assert.doesNotMatch(text(reports[0]?.content.buffer), /late@/);
  greylisted = false;
  await until(async () => (await queue.operator.retry({ ids: [id] })) === 1, "a retry");
  await until(() => queue.counts().messages === 0, "the second round");
  assert.deepEqual(
    sink.messages.map(({ recipients }) => recipients.length),
    [1, 1],
    "who has it does not get it again",
  );
  assert.equal(reports.length, 1);
});

test("a report has the structure of RFC 3462 and 3464, goes out from <> and quotes the sender's envelope", async (context) => {
  const sink = await server(context, {
    answer: (line) => (line.startsWith("RCPT") ? "550-5.7.1 no\r\n550 5.7.1 thanks" : undefined),
  });
  const { queue, reports } = await testQueue(context, sink.port);
  const recipients = [{ address: "bob@sink.test", orcpt: "rfc822;bob+2Bx@origin.test" }];
  await queue.enqueue(
    submission([], { envelope: envelope("", { recipients, envid: "QQ314", ret: "FULL" }), hops: 2 }),
  );
  await until(() => reports.length === 1, "the report");
  const [report] = reports;
  assert.deepEqual(report?.envelope.from, "");
  assert.deepEqual(report?.envelope.recipients, [{ address: "ann@here.test", notify: ["NEVER"] }]);
  assert.equal(report?.hops, 3);
  const bytes = text(report?.content.buffer);
  const boundary = /boundary="([^"]+)"/.exec(bytes)?.[1] ?? assert.fail("no boundary");
  const parts = bytes.split(`--${boundary}`);
  assert.equal(parts.length, 5, "three parts");
  assert.match(parts[0] ?? "", /^Content-Type: multipart\/report; report-type=delivery-status;/m);
  assert.match(parts[0] ?? "", /^Auto-Submitted: auto-replied\r$/m);
  assert.match(
    parts[1] ?? "",
    /text\/plain[\s\S]*<bob@sink\.test>[\s\S]*mx\.test said: 550 5\.7\.1 no thanks/,
  );
  assert.match(
    parts[2] ?? "",
    /^\r\nContent-Type: message\/delivery-status\r\n\r\nOriginal-Envelope-Id: QQ314\r\n/,
  );
  for (const field of [
    "Reporting-MTA: dns; mail.here.test",
    "Original-Recipient: rfc822; bob+x@origin.test",
    "Final-Recipient: rfc822; bob@sink.test",
    "Action: failed",
    "Status: 5.7.1",
    "Remote-MTA: dns; mx.test",
    "Diagnostic-Code: smtp; 550 5.7.1 no thanks",
  ])
    assert.ok(parts[2]?.includes(`\r\n${field}\r\n`), field);
  assert.match(parts[3] ?? "", /^\r\nContent-Type: message\/rfc822\r\n\r\nReceived:[\s\S]*\.second begins/);
  assert.equal(/[^\r]\n|\r[^\n]/.test(bytes), false, "CRLF only");
});

test("NOTIFY decides what a sender hears (RFC 3461 §4.1), and nobody hears of a bounce (RFC 5321 §4.5.5)", async (context) => {
  const plain = ["PIPELINING"];
  const sink = await server(context, {
    extensions: plain,
    answer: (line) => (line.startsWith("RCPT TO:<no") ? "550 5.1.1 no" : undefined),
  });
  const { queue, reports } = await testQueue(context, sink.port);
  const send = (
    to: string,
    notify: ("NEVER" | "SUCCESS" | "FAILURE")[] | undefined,
    from = "ann@here.test",
  ) => queue.enqueue(submission([], { envelope: { from, recipients: [{ address: to, notify }] } }));
  await send("no1@sink.test", ["NEVER"]);
  await send("no2@sink.test", ["SUCCESS"]);
  await send("yes1@sink.test", undefined);
  await send("no3@sink.test", undefined, "");
  await send("yes2@sink.test", ["SUCCESS", "FAILURE"]);
  await send("no4@sink.test", ["FAILURE"]);
  await until(() => queue.counts().messages === 0, "the end");
  const told = reports.map(({ content }) =>
    /Final-Recipient: rfc822; (\w+)@[\s\S]*?Action: (\w+)/.exec(text(content.buffer)),
  );
  assert.deepEqual(told.map((match) => match?.slice(1).join(" ")).sort(), ["no4 failed", "yes2 relayed"]);
});

test("a next hop with DSN is handed NOTIFY, ORCPT, RET and ENVID, and reports successes itself (RFC 3461 §5.2.2)", async (context) => {
  const sink = await server(context);
  const { queue, reports } = await testQueue(context, sink.port);
  const recipients = [{ address: "bob@sink.test", notify: ["SUCCESS" as const], orcpt: "rfc822;b@o.test" }];
  await queue.enqueue(submission([], { envelope: envelope("", { recipients, envid: "E1", ret: "HDRS" }) }));
  await until(() => queue.counts().messages === 0, "delivery");
  assert.match(sink.messages[0]?.from ?? "", / RET=HDRS ENVID=E1$/);
  assert.match(sink.messages[0]?.recipients[0] ?? "", /> NOTIFY=SUCCESS ORCPT=rfc822;b@o\.test$/);
  assert.equal(reports.length, 0);
});

test("a delay is told once, and after its lifetime a message goes back with 4.4.7 (RFC 5321 §4.5.4.1)", async (context) => {
  const sink = await server(context, {
    answer: (line) => (line.startsWith("RCPT") ? "450 4.2.1 busy" : undefined),
  });
  const { queue, reports, clock } = await testQueue(context, sink.port, {
    delivery: { retrySeconds: [60], warnAfterSeconds: 3600, lifetimeSeconds: 7200 },
  });
  const { id } = await queue.enqueue(submission("bob@sink.test"));
  const round = async (attempts: number): Promise<void> => {
    await until(async () => attempts === 1 || (await queue.operator.retry({ ids: [id] })) === 1, "a retry");
    await until(
      async () => ((await queue.operator.show(id))?.attempts ?? 99) >= attempts,
      `round ${attempts}`,
    );
  };
  await round(1);
  assert.equal(reports.length, 0);
  clock.now += 3_600_000;
  await round(2);
  await round(3);
  assert.equal(reports.length, 1);
  assert.match(
    text(reports[0]?.content.buffer),
    /Action: delayed\r\nStatus: 4\.2\.1[\s\S]*Will-Retry-Until: /,
  );
  clock.now += 3_600_000;
  await until(async () => (await queue.operator.retry({ ids: [id] })) === 1, "a retry");
  await until(() => queue.counts().messages === 0, "the end");
  assert.equal(reports.length, 2);
  assert.match(text(reports[1]?.content.buffer), /Action: failed\r\nStatus: 4\.4\.7[\s\S]*450 4\.2\.1 busy/);
});

test("hosts are tried in their order until one answers (RFC 5321 §5.1)", async (context) => {
  const bad = await scriptedServer({
    answer: (line) => (line === "(connected)" ? "554 no service" : undefined),
  });
  context.after(() => bad.close());
  const sink = await server(context);
  const resolver = zoneResolver({
    "MX sink.test": ["20 second.test", "10 first.test", "5 gone.test"],
    "A first.test": ["127.0.0.2"],
    "A second.test": ["127.0.0.1"],
    "A gone.test": "nxdomain",
  });
  const { queue } = await testQueue(context, sink.port, { resolver });
  await queue.enqueue(submission("bob@sink.test"));
  await until(() => queue.counts().messages === 0, "delivery by the second host");
  assert.equal(sink.messages.length, 1);
});

const unroutable: readonly (readonly [
  zone: Parameters<typeof zoneResolver>[0],
  outcome: string,
  why: string,
])[] = [
  [{}, "failed 5.1.2", "the domain does not exist"],
  [{ "MX sink.test": ["0 ."] }, "failed 5.1.10", "null MX (RFC 7505)"],
  [{ "MX sink.test": ["10 mx.test"], "TXT mx.test": [] }, "failed 5.4.4", "no host has an address"],
  [{ "MX sink.test": "tempfail" }, "waiting 4.4.3", "DNS does not answer"],
  [{ "MX sink.test": ["10 mx.test"], "A mx.test": "tempfail" }, "waiting 4.4.3", "nor for the host"],
  [{ "MX sink.test": ["10 mx.test"], "A mx.test": ["127.0.0.9"] }, "failed 5.4.6", "the host is ourself"],
];
for (const [zone, outcome, why] of unroutable)
  test(`mail that has nowhere to go is ${outcome}: ${why}`, async (context) => {
    const resolver = zoneResolver(zone);
    const isOurself: IsOurself = (_domain, _host, at) => at?.address === "127.0.0.9";
    const { queue, reports } = await testQueue(context, 9, { resolver, isOurself });
    const { id } = await queue.enqueue(submission("bob@sink.test"));
    const [status, code] = outcome.split(" ");
    if (status === "failed") {
      await until(() => reports.length === 1, "the report");
      assert.match(text(reports[0]?.content.buffer), new RegExp(`\r\nStatus: ${code}\r\n`));
    } else {
      await until(async () => (await queue.operator.show(id))?.attempts === 1, "the round");
      assert.match((await queue.operator.show(id))?.transcript[0] ?? "", new RegExp(`temporary ${code}`));
    }
  });

test("a backup server leaves out itself and what is not preferred to it (RFC 5321 §5.1)", async (context) => {
  const sink = await server(context);
  const resolver = zoneResolver({
    "MX sink.test": ["10 first.test", "20 us.test", "30 third.test"],
    "A first.test": ["127.0.0.1"],
    "A us.test": ["127.0.0.9"],
    "A third.test": ["127.0.0.3"],
  });
  const { queue } = await testQueue(context, sink.port, {
    resolver,
    isOurself: (_domain, _host, at) => at?.address === "127.0.0.9",
  });
  await queue.enqueue(submission("bob@sink.test"));
  await until(() => queue.counts().messages === 0, "delivery by the first");
});

test("an address literal needs no name (RFC 5321 §4.1.3)", async (context) => {
  const sink = await server(context);
  const { queue } = await testQueue(context, sink.port, { resolver: zoneResolver({}) });
  await queue.enqueue(submission("bob@[127.0.0.1]"));
  await until(() => queue.counts().messages === 0, "delivery");
  assert.equal(sink.messages[0]?.recipients[0], "RCPT TO:<bob@[127.0.0.1]>");
});

test("a message a host cannot take as it is comes back and is never converted", async (context) => {
  const sink = await server(context, { extensions: ["SIZE 1000"] });
  const { queue, reports } = await testQueue(context, sink.port);
  const content = (bytes: string) => memoryContent(Buffer.from(`Subject: x\r\n\r\n${bytes}\r\n`));
  await queue.enqueue(submission("a@sink.test", { content: content("grüße") }));
  await queue.enqueue(submission("jürgen@sink.test"));
  await queue.enqueue(submission("c@sink.test", { content: content("x".repeat(2000)) }));
  await until(() => reports.length === 3, "three reports");
  const statuses = reports.map(({ content: { buffer } }) => /^Status: (.*)\r$/m.exec(text(buffer))?.[1]);
  assert.deepEqual(statuses.sort(), ["5.3.4", "5.6.3", "5.6.7"]);
  const global = reports.find(({ content: { buffer } }) => text(buffer).includes("5.6.7"));
  assert.match(
    text(global?.content.buffer),
    /Content-Type: message\/global-delivery-status[\s\S]*utf-8; jürgen@/,
  );
  assert.equal(global?.envelope.smtpUtf8, true);
  assert.equal(sink.messages.length, 0);
});

test("UTF-8 and 8-bit are announced where the host takes them (RFC 6152, RFC 6531)", async (context) => {
  const sink = await server(context);
  const { queue } = await testQueue(context, sink.port);
  const content = memoryContent(Buffer.from("Subject: x\r\n\r\ngrüße\r\n"));
  await queue.enqueue(submission("jürgen@sink.test", { content }));
  await until(() => queue.counts().messages === 0, "delivery");
  assert.match(sink.messages[0]?.from ?? "", / BODY=8BITMIME SMTPUTF8$/);
});

test("a bare CR or LF is refused at the door, in memory and in a file (RFC 5321 §2.3.8)", async (context) => {
  const { queue, directory } = await testQueue(context, 9);
  for (const bad of ["a\nb\r\n", "a\rb\r\n", "\n", "a\r\n\r", "a\r\n.\n"]) {
    const whole = memoryContent(Buffer.from(bad));
    const spooled = {
      ...whole,
      buffer: undefined,
      async *chunks() {
        for (const byte of Buffer.from(bad)) yield Buffer.from([byte]);
      },
    };
    for (const content of [whole, spooled])
      await assert.rejects(queue.enqueue(submission("bob@sink.test", { content })), {
        problem: "stray line end",
      });
  }
  assert.deepEqual(await readdir(directory), []);
});

test("a message larger than memory's share is streamed from the spool", async (context) => {
  const sink = await server(context, { extensions: ["PIPELINING"] });
  const { queue } = await testQueue(context, sink.port);
  const body = Buffer.from(`Subject: big\r\n\r\n${".line of a large message\r\n".repeat(80_000)}`);
  const content = { ...memoryContent(body), buffer: undefined };
  await queue.enqueue(submission("bob@sink.test", { content, prefix: Buffer.alloc(0) }));
  await until(() => queue.counts().messages === 0, "delivery");
  assert.ok(sink.messages[0]?.data.equals(body));
});

test("hold, release, list and remove do as they say, also after a restart", async (context) => {
  const sink = await server(context);
  const first = await testQueue(context, sink.port);
  const holdUntil = first.clock.now + 3_600_000;
  const { id } = await first.queue.enqueue(submission("bob@sink.test", { holdUntil }));
  const other = await first.queue.enqueue(submission("eve@sink.test", { holdUntil }));
  assert.equal(await first.queue.operator.hold({ ids: [id] }), 1);
  assert.equal(await first.queue.operator.hold({ ids: ["nothing"] }), 0);
  assert.equal(first.queue.counts().held, 1);
  await first.queue.close(0);

  const { queue } = await testQueue(context, sink.port, { directory: first.directory });
  assert.deepEqual(
    (await queue.operator.list()).entries.map((entry) => [entry.id, entry.held]).sort(),
    [
      [id, true],
      [other.id, false],
    ].sort(),
  );
  assert.equal(await queue.operator.retry({ ids: [id] }), 0, "what is held is not tried");
  assert.equal(await queue.operator.remove({ ids: [other.id] }), 1);
  assert.equal(await queue.operator.release({ ids: [id] }), 1);
  await until(() => queue.counts().messages === 0, "delivery");
  assert.equal(sink.messages.length, 1);
});

test("what came with a reason to hold it waits for its time or for an operator, also after a restart", async (context) => {
  const sink = await server(context);
  const first = await testQueue(context, sink.port);
  const holdUntil = first.clock.now + 3_600_000;
  const timed = await first.queue.enqueue(
    submission("bob@sink.test", { holdUntil, heldBecause: "too many an hour" }),
  );
  const forGood = await first.queue.enqueue(
    submission("eve@sink.test", { heldBecause: "too many strangers" }),
  );
  const entry = await first.queue.operator.show(timed.id);
  assert.deepEqual(
    [entry?.held, entry?.heldBecause, entry?.nextAttemptAt],
    [false, "too many an hour", holdUntil],
  );
  assert.equal(await first.queue.operator.retry(), 0, "a retry of everything leaves them alone");
  await first.queue.close(0);

  const { queue, clock } = await testQueue(context, sink.port, { directory: first.directory });
  await queue.loaded;
  assert.equal((await queue.operator.show(forGood.id))?.held, true);
  assert.equal(await queue.operator.release({ ids: [timed.id] }), 1);
  await until(() => queue.counts().messages === 1, "delivery of the released one");
  clock.now += 5 * 86_400_000 - 1000;
  assert.equal(await queue.operator.release({ ids: [forGood.id] }), 1);
  await until(() => queue.counts().messages === 0, "delivery");
  assert.equal(sink.messages.length, 2);
});

test("a message's lifetime begins with its release (RFC 4865 §4)", async (context) => {
  const sink = await server(context, {
    answer: (line) => (line.startsWith("RCPT") ? "451 4.7.1 later" : undefined),
  });
  const { queue, reports, clock } = await testQueue(context, sink.port, {
    delivery: { retrySeconds: [600], lifetimeSeconds: 3600 },
  });
  const { id } = await queue.enqueue(submission("bob@sink.test", { holdUntil: clock.now + 7_200_000 }));
  clock.now += 7_200_000;
  await queue.operator.retry({ ids: [id] });
  await until(async () => (await queue.operator.show(id))?.attempts === 1, "the first attempt");
  assert.deepEqual(reports, []);
  clock.now += 3_600_000;
  await queue.operator.retry({ ids: [id] });
  await until(() => reports.length === 1, "the report");
});

test("what a crash left half done is put right at the next start", async (context) => {
  const sink = await server(context);
  const first = await testQueue(context, sink.port);
  const holdUntil = first.clock.now + 3_600_000;
  const { id } = await first.queue.enqueue(submission(["bob@sink.test", "eve@sink.test"], { holdUntil }));
  await first.queue.close(0);
  const file = (name: string): string => join(first.directory, name);
  const done = { outcome: "delivered", status: "2.0.0", text: "250 ok", replied: true };
  const record = JSON.stringify({ type: "attempt", at: 1, results: { 0: done } });
  await writeFile(file(`${id}.journal`), `\n${record}\n\n{"type":"attempt","at":2,"resul`);
  await writeFile(file("0mb000000-0123456789.new"), "half a mess");
  await writeFile(file("0mb000000-0123456788.journal"), "{}");
  await writeFile(file("0mb000000-0123456787"), "no header of ours");
  await writeFile(file("README"), "a person's file");

  const { queue } = await testQueue(context, sink.port, { directory: first.directory });
  assert.equal(queue.counts().messages, 1);
  await queue.operator.retry();
  await until(() => queue.counts().messages === 0, "delivery");
  assert.deepEqual(
    sink.messages.map(({ recipients }) => recipients),
    [["RCPT TO:<eve@sink.test>"]],
  );
  const left = ["0mb000000-0123456787", "README"];
  await until(async () => (await readdir(first.directory)).sort().join() === left.join(), "only those left");
});

test("a destination that cannot be reached is asked once, and its other mail shares the answer", async (context) => {
  const sink = await server(context);
  await sink.close();
  const { queue } = await testQueue(context, sink.port);
  const ids = await Promise.all(Array.from({ length: 20 }, () => queue.enqueue(submission("bob@sink.test"))));
  await until(
    async () => (await queue.operator.list()).entries.every(({ attempts }) => attempts === 1),
    "one round each",
  );
  assert.equal(queue.counts().deferred, 20);
  assert.match(
    (await queue.operator.show(ids[19]!.id))?.transcript[0] ?? "",
    /temporary 4\.4\.1: mx\.test\[127/,
  );
});

test("a report that cannot be handed over is tried again and the message kept", async (context) => {
  const sink = await server(context, {
    answer: (line) => (line.startsWith("RCPT") ? "550 5.1.1 no" : undefined),
  });
  let broken = true;
  let told = 0;
  const report = async (): Promise<void> => {
    if (broken) throw new Error("the store is full");
    told += 1;
  };
  const { queue, clock } = await testQueue(context, sink.port, { report });
  const { id } = await queue.enqueue(submission("bob@sink.test"));
  await until(async () => ((await queue.operator.show(id))?.nextAttemptAt ?? 0) > clock.now, "the round");
  broken = false;
  await until(async () => (await queue.operator.retry({ ids: [id] })) === 1, "a retry");
  await until(() => queue.counts().messages === 0, "the end");
  assert.equal(told, 1);
  assert.equal(
    sink.commands.filter((line) => line.startsWith("RCPT")).length,
    1,
    "the host was not asked again",
  );
});

test("what a store could not take is delivered here later, and comes back when its mailbox is gone (D8)", async (context) => {
  const sink = await server(context);
  let answer: (() => Promise<{ status: string; text: string } | undefined>) | undefined;
  const stored: string[] = [];
  const local = {
    hosts: (domain: string): boolean => domain === "here.test",
    deliver: async ({ envelope: { recipients }, content }: QueueSubmission) => {
      const refusal = await answer?.();
      if (refusal === undefined)
        stored.push(`${recipients[0]?.address} ${text(await content.read(0, 1000)).length}`);
      return refusal;
    },
  };
  const { queue, reports } = await testQueue(context, sink.port, { local });
  answer = async () => {
    throw new Error("disk full");
  };
  const { id } = await queue.enqueue(submission(["bob@here.test", "eve@sink.test"]));
  await until(async () => (await queue.operator.show(id))?.attempts === 1, "the first round");
  assert.equal(sink.messages.length, 1, "others are not kept waiting");
  assert.match((await queue.operator.show(id))?.recipients[0]?.lastReply ?? "", /disk full/);
  answer = undefined;
  await until(async () => (await queue.operator.retry({ ids: [id] })) === 1, "a retry");
  await until(() => queue.counts().messages === 0, "delivery");
  assert.deepEqual(stored, ["bob@here.test 75"]);
  assert.equal(sink.messages.length, 1);

  answer = async () => ({ status: "5.2.1", text: "Mailbox disabled" });
  await queue.enqueue(submission("gone@here.test"));
  await until(() => reports.length === 1, "the report");
  assert.match(
    text(reports[0]?.content.buffer),
    /Status: 5\.2\.1\r\nDiagnostic-Code: x-mailkeep; Mailbox disabled/,
  );
});

test("a relay takes what its rule says, by its own port, and others are not touched by it", async (context) => {
  const sink = await server(context);
  const smarthost = await server(context);
  const relay = { host: "127.0.0.1", port: smarthost.port, tls: "opportunistic" } as const;
  const { queue } = await testQueue(context, sink.port, {
    relayFor: (_, recipient) => (recipient.endsWith("@far.test") ? relay : undefined),
  });
  await queue.enqueue(submission(["bob@far.test", "eve@sink.test"]));
  await until(() => queue.counts().messages === 0, "delivery");
  assert.deepEqual(smarthost.messages[0]?.recipients, ["RCPT TO:<bob@far.test>"]);
  assert.deepEqual(sink.messages[0]?.recipients, ["RCPT TO:<eve@sink.test>"]);
});
