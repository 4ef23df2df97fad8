import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Metrics } from "../admin/metrics.ts";
import { envelope, submission, testQueue, until } from "./queue-for-tests.ts";
import { queueMetrics } from "./queue-metrics.ts";
import { type Script, scriptedServer } from "./scripted-server.ts";

async function server(context: TestContext, script: Script = {}) {
  const made = await scriptedServer({ extensions: ["PIPELINING"], ...script });
  context.after(() => made.close());
  return made;
}

/** A queue with three messages that wait. */
async function waiting(context: TestContext) {
  const sink = await server(context);
  const made = await testQueue(context, sink.port);
  const holdUntil = made.clock.now + 3_600_000;
  const put = async (to: string | string[], from = "ann@here.test") => {
    const recipients = [to].flat().map((address) => ({ address }));
    return (await made.queue.enqueue(submission([], { envelope: { from, recipients }, holdUntil }))).id;
  };
  const ids = [
    await put(["bob@sink.test", "eve@other.test"]),
    await put("Bob@sink.test", "Cleo@here.test"),
    await put("dan@other.test", ""),
  ];
  return { ...made, sink, ids };
}

test("messages are named by identifier, sender, recipient and recipient domain, without regard to case", async (context) => {
  const { queue, ids } = await waiting(context);
  const found = async (selection: Parameters<typeof queue.operator.list>[0]) =>
    (await queue.operator.list(selection)).entries.map(({ id }) => ids.indexOf(id)).sort();
  assert.deepEqual(await found({ all: true }), [0, 1, 2]);
  assert.deepEqual(await found({}), []);
  assert.deepEqual(await found({ ids: [ids[1]!, "nothing"] }), [1]);
  assert.deepEqual(await found({ senders: ["cleo@HERE.test"] }), [1]);
  assert.deepEqual(await found({ senders: [""] }), [2], "the null reverse-path");
  assert.deepEqual(await found({ recipients: ["bob@sink.test"] }), [0, 1]);
  assert.deepEqual(await found({ recipientDomains: ["other.test"] }), [0, 2]);
  assert.deepEqual(await found({ ids: [ids[2]!], senders: ["cleo@here.test"] }), [1, 2], "any of them");
  const { entries, total } = await queue.operator.list({ all: true }, 1);
  assert.deepEqual([entries.length, total], [1, 3]);
});

test("every action answers with the number of messages it changed, and changes no others", async (context) => {
  const { queue, sink, ids } = await waiting(context);
  const { operator } = queue;
  assert.equal(await operator.hold({ recipientDomains: ["other.test"] }), 2);
  assert.equal(await operator.hold({ all: true }), 1, "the third; two are held already");
  assert.equal(await operator.retry({ all: true }), 0, "what is held is not tried");
  assert.equal(await operator.release({ senders: ["cleo@here.test"] }), 1);
  await until(() => sink.messages.length === 1, "the released one");
  assert.equal(await operator.remove({ ids: [ids[2]!] }), 1);
  assert.equal(await operator.remove({ ids: [ids[2]!] }), 0);
  assert.deepEqual(
    (await operator.list()).entries.map(({ id, held }) => [id, held]),
    [[ids[0], true]],
  );
});

test("a bounce tells the sender of who has not got the message, and nobody of a report (RFC 3464)", async (context) => {
  const { queue, reports, ids } = await waiting(context);
  await queue.operator.hold({ ids: [ids[0]!] });
  assert.equal(await queue.operator.bounce({ all: true }), 3);
  await until(() => queue.counts().messages === 0, "an empty queue");
  const texts = reports.map(({ content }) => content.buffer?.toString() ?? "");
  assert.equal(reports.length, 2);
  assert.match(texts[0] ?? "", /^To: <ann@here\.test>\r$/m);
  for (const address of ["bob@sink.test", "eve@other.test"])
    assert.match(
      texts[0] ?? "",
      new RegExp(`Final-Recipient: rfc822; ${address}\r\nAction: failed\r\nStatus: 5\\.0\\.0`),
    );
  assert.match(texts[0] ?? "", /returned to its sender by the administrator/);
  assert.equal(queue.counts().doubleBounces, 1);
  assert.equal(queue.counts().bounces, 2);
});

test("a message is shown with its headers and the line of every attempt", async (context) => {
  const sink = await server(context, {
    answer: (line) => (line.startsWith("RCPT") ? "451 4.3.0 later" : undefined),
  });
  const { queue } = await testQueue(context, sink.port);
  const { id } = await queue.enqueue(submission("bob@sink.test", { account: "ann@here.test" }));
  await until(async () => (await queue.operator.show(id))?.attempts === 1, "an attempt");
  const shown = await queue.operator.show(id);
  assert.equal(shown?.headers.toString(), "Received: from a by b\r\nSubject: hello\r\n");
  assert.equal(shown?.account, "ann@here.test");
  assert.equal(shown?.transcript.length, 1);
  assert.match(shown?.transcript[0] ?? "", /<bob@sink\.test> mx\.test\[127\.0\.0\.1\]:\d+ temporary 4\.3\.0/);
  assert.equal(await queue.operator.show("0mb000000-0123456789"), undefined);
  assert.equal(await queue.operator.show("../../etc/passwd"), undefined);
});

test("the queue's figures are there for Prometheus, by state, destination and outcome", async (context) => {
  const { queue, sink, clock, ids } = await waiting(context);
  await queue.operator.hold({ ids: [ids[0]!] });
  const metrics = new Metrics();
  metrics.add(...queueMetrics(queue, () => clock.now));
  const rows = () => metrics.text().split("\n");
  const expected = [
    "# TYPE mailkeep_queue_messages gauge",
    'mailkeep_queue_messages{state="held"} 1',
    'mailkeep_queue_messages{state="deferred"} 2',
    'mailkeep_queue_deferred{destination="sink.test"} 1',
    'mailkeep_queue_deferred{destination="other.test"} 1',
    'mailkeep_queue_deliveries_total{outcome="delivered"} 0',
    "mailkeep_queue_enqueued_total 3",
  ];
  for (const row of expected) assert.ok(rows().includes(row), `${row} in\n${metrics.text()}`);
  await queue.operator.retry();
  await until(() => sink.messages.length === 2, "delivery");
  await until(() => rows().includes('mailkeep_queue_deliveries_total{outcome="delivered"} 2'), "the count");
});

test("envelopes with UTF-8 are found, in any case of letters", async (context) => {
  const { queue, clock } = await waiting(context);
  const holdUntil = clock.now + 1;
  await queue.enqueue(
    submission([], { envelope: envelope("jürgen@bücher.test"), holdUntil: holdUntil + 1e6 }),
  );
  assert.equal(await queue.operator.hold({ recipientDomains: ["BÜCHER.test"] }), 1);
});
