import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { submission, testQueue, until } from "./queue-for-tests.ts";
import { scriptedServer } from "./scripted-server.ts";
import { Spool } from "./spool.ts";

test("a message that has left is on the list at once, its files go soon after, and then the list does", async (context) => {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-departures-"));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const spool = await Spool.open(directory);
  const { id } = await spool.write(submission("bob@sink.test"), 1_000_000_000_000);
  spool.append(id, [{ type: "warned" }]);
  spool.leave(id);
  spool.leave(id);
  assert.equal(await readFile(join(directory, "departed"), "utf8"), `${id}\n`);
  assert.equal(await spool.state(id), undefined, "it is not read any more");
  assert.deepEqual(await spool.ids(), []);
  await until(async () => (await readdir(directory)).length === 0, "an empty directory");
  await spool.close();
});

test("what a dead process had delivered and not removed yet is not sent again, and nobody else's file is touched", async (context) => {
  const sink = await scriptedServer({ extensions: ["PIPELINING"] });
  context.after(() => sink.close());
  const first = await testQueue(context, sink.port);
  const holdUntil = first.clock.now + 3_600_000;
  const { id } = await first.queue.enqueue(submission("bob@sink.test", { holdUntil }));
  const other = await first.queue.enqueue(submission("eve@sink.test", { holdUntil }));
  await first.queue.close(0);
  const { directory } = first;
  await writeFile(join(directory, "README"), "a person's file");
  // The last line was cut off by the end of the process, and counts for nothing.
  await writeFile(join(directory, "departed"), `${id}\nREADME\n../../etc/passwd\n${other.id}`);

  const { queue } = await testQueue(context, sink.port, { directory });
  assert.equal(queue.counts().messages, 1);
  await queue.operator.retry();
  await until(() => queue.counts().messages === 0, "delivery");
  assert.deepEqual(sink.messages[0]?.recipients, ["RCPT TO:<eve@sink.test>"]);
  await until(async () => (await readdir(directory)).join() === "README", "only that file");
});
