import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog } from "../net/log.ts";
import type { OutboundQueue } from "./queue.ts";
import { submission, type TestQueue, testQueue, until } from "./queue-for-tests.ts";
import { type ScriptedServer, scriptedServer } from "./scripted-server.ts";
import { openSpoolWriter } from "./spool-writer.ts";

interface Host extends TestQueue {
  readonly sink: ScriptedServer;
  /** The queue itself, or as a worker has it. */
  readonly writer: Pick<OutboundQueue, "prepare">;
}
const writers = {
  "the queue": ({ queue }: TestQueue) => queue,
  "a worker": ({ queue, directory }: TestQueue) =>
    openSpoolWriter(
      directory,
      { announced: async () => {}, queued: (id) => queue.take(id), failed: async () => {} },
      silentLog,
    ),
};
async function host(t: TestContext, as: keyof typeof writers): Promise<Host> {
  const sink = await scriptedServer({ extensions: ["PIPELINING"] });
  t.after(() => sink.close());
  const made = await testQueue(t, sink.port);
  const writer = await writers[as](made);
  t.after(() => writer.close(0));
  return { ...made, sink, writer };
}

for (const as of ["the queue", "a worker"] as const) {
  test(`what ${as} has prepared is on disk, and not tried before its commit`, async (t) => {
    const { writer, queue, sink, directory, clock } = await host(t, as);
    const prepared = await writer.prepare(submission("bob@sink.test"));
    assert.ok((await readdir(directory)).includes(prepared.id));
    await queue.operator.retry();
    await sleep(50);
    assert.deepEqual([sink.messages.length, queue.counts().messages], [0, 0]);
    clock.now += 60_000;
    prepared.commit();
    await until(() => sink.messages.length === 1 && queue.counts().messages === 0, "its delivery");
  });

  test(`what ${as} has prepared and taken back is nowhere, and is never sent`, async (t) => {
    const { writer, sink, directory } = await host(t, as);
    const prepared = await writer.prepare(submission("bob@sink.test"));
    await prepared.withdraw();
    assert.deepEqual(await readdir(directory), []);
    const { queue } = await testQueue(t, sink.port, { directory });
    assert.equal(queue.counts().messages, 0);
  });
}

test("a message whose process ended before it had word is sent: its sender had no answer (RFC 5321 §6.1)", async (t) => {
  const { writer, queue, sink, directory } = await host(t, "the queue");
  await writer.prepare(submission("bob@sink.test"));
  await queue.close(0);
  const next = await testQueue(t, sink.port, { directory });
  await until(() => sink.messages.length === 1 && next.queue.counts().messages === 0, "its delivery");
});

test("a worker's message that cannot be written is told to the first process, which forgets it", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-prepared-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const told: string[] = [];
  const tell = (stage: string) => async () => void told.push(stage);
  const writer = await openSpoolWriter(
    directory,
    { announced: tell("announced"), queued: tell("queued"), failed: tell("failed") },
    silentLog,
  );
  t.after(() => writer.close());
  await assert.rejects(writer.prepare(submission([])), /without recipients/);
  assert.deepEqual(told, ["announced", "failed"]);
});

test("what a worker wrote while the first process died is refused, and the next server does not find it", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-prepared-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const gone = () => Promise.reject(new Error("the first process is gone"));
  const writer = await openSpoolWriter(directory, { announced: gone, queued: gone, failed: gone }, silentLog);
  t.after(() => writer.close());
  await assert.rejects(writer.prepare(submission("bob@sink.test")), /is gone/);
  assert.deepEqual(await readdir(directory), []);
});
