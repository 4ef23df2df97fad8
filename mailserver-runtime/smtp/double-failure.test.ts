/** D8's last line: where a store fails and not even the queue takes that copy, nothing of the message is sent. */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { OutboundQueue } from "../queue/queue.ts";
import { testQueue, until } from "../queue/queue-for-tests.ts";
import { scriptedServer } from "../queue/scripted-server.ts";
import { QueueError } from "../queue/spool.ts";
import type { Route } from "../routing/route.ts";
import { type DeliveryOutcome, StoreError } from "../store/mail-store.ts";
import { Dialogue, smtpServer } from "./testing.ts";

const routes: Readonly<Record<string, readonly Route[]>> = {
  "ann@example.org": [{ kind: "local", account: "ann@example.org", via: [] }],
  "bob@example.org": [{ kind: "local", account: "bob@example.org", via: [] }],
  "away@example.org": [{ kind: "remote", address: "away@sink.test", forwarded: true, via: [] }],
  "both@example.org": [
    { kind: "local", account: "ann@example.org", via: [] },
    { kind: "remote", address: "both@sink.test", forwarded: true, via: [] },
  ],
};

/** A server whose real queue has time to send before the store answers; ann's store fails, and her queueing where told. */
async function host(
  t: TestContext,
  mode: "mx" | "lmtp",
  fails: { requeueing: boolean; withdrawal?: boolean },
) {
  const sink = await scriptedServer({ extensions: ["PIPELINING"] });
  t.after(() => sink.close());
  const { queue, directory } = await testQueue(t, sink.port);
  const failing: Pick<OutboundQueue, "enqueue" | "prepare"> = {
    enqueue: (submission) => queue.enqueue(submission),
    async prepare(submission) {
      const isAnns = submission.envelope.recipients.some(({ address }) => address === "ann@example.org");
      if (isAnns && fails.requeueing) throw new QueueError("storage", "injected");
      const prepared = await queue.prepare(submission);
      if (!fails.withdrawal) return prepared;
      return {
        ...prepared,
        withdraw: () => prepared.withdraw().then(() => Promise.reject(new Error("injected"))),
      };
    },
  };
  const server = await smtpServer(t, {
    mode,
    queue: failing,
    routeRecipient: (_, address) => routes[address]!,
    store: {
      async deliver({ recipients }) {
        await sleep(200);
        return recipients.map(
          ({ account }): DeliveryOutcome =>
            account === "ann@example.org"
              ? { account, stored: false, error: new StoreError("unavailable", "injected") }
              : { account, stored: true },
        );
      },
      usage: async () => ({ bytes: 0, messages: 0 }),
    },
  });
  const deliver = async (...to: string[]) => {
    const client = await Dialogue.open(t, server.port);
    await client.hear();
    await client.all(mode === "lmtp" ? "LHLO client.test" : "EHLO client.test", "MAIL FROM:<eve@far.test>");
    await client.all(...to.map((one) => `RCPT TO:<${one}>`), "DATA");
    client.send("Subject: x\r\n\r\nhello\r\n.\r\n");
    const answers: string[] = [];
    for (let left = mode === "lmtp" ? to.length : 1; left > 0; left--)
      answers.push((await client.hear()).slice(0, 3));
    return answers;
  };
  const duplicates = () => server.logged.filter(({ event }) => event === "duplicate-possible");
  return { sink, queue, directory, deliver, duplicates };
}

test("nothing that was queued for others has left, or leaves later, and a stored copy is named", async (t) => {
  const { deliver, sink, queue, directory, duplicates } = await host(t, "mx", { requeueing: true });
  assert.deepEqual(await deliver("away@example.org", "bob@example.org", "ann@example.org"), ["451"]);
  await sleep(100);
  assert.deepEqual([sink.messages.length, queue.counts().messages], [0, 0]);
  assert.deepEqual(await readdir(directory), [], "not even the next start finds anything");
  assert.deepEqual(
    duplicates().map(({ account }) => account),
    ["bob@example.org"],
  );
});

test("a copy that can be queued leaves with the others after the store has answered", async (t) => {
  const { deliver, sink, queue } = await host(t, "mx", { requeueing: false });
  assert.deepEqual(await deliver("away@example.org", "ann@example.org"), ["250"]);
  await until(() => sink.messages.length >= 1, "what was queued is sent");
  assert.equal(queue.counts().enqueued, 2, "hers is one of its own");
});

test("a queued message that the disk may bring back is named", async (t) => {
  const { deliver, duplicates } = await host(t, "mx", { requeueing: true, withdrawal: true });
  assert.deepEqual(await deliver("away@example.org", "ann@example.org"), ["451"]);
  assert.match(String(duplicates()[0]?.queueId), /^[0-9a-z-]+$/);
});

test("by LMTP an alias whose copy can neither be stored nor queued takes nobody's mail with it, unless some was to leave (RFC 2033 §4.2)", async (t) => {
  const { deliver, sink, queue, directory, duplicates } = await host(t, "lmtp", { requeueing: true });
  assert.deepEqual(await deliver("both@example.org", "bob@example.org"), ["451", "451"]);
  await sleep(100);
  assert.deepEqual([sink.messages.length, queue.counts().messages], [0, 0]);
  assert.deepEqual(await readdir(directory), []);
  assert.deepEqual(
    duplicates().map(({ account }) => account),
    ["bob@example.org"],
  );
  assert.deepEqual(await deliver("ann@example.org", "bob@example.org", "away@example.org"), [
    "451",
    "250",
    "250",
  ]);
  await until(() => sink.messages.length === 1, "whose mail is acknowledged gets it");
});
