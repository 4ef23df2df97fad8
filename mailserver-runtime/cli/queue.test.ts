/** The command on the host, as a process, against a running queue behind the admin socket. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "../../test/support/tools.ts";
import { Metrics } from "../admin/metrics.ts";
import { startAdminServer } from "../admin/server.ts";
import { openConfiguration } from "../config/configuration.ts";
import { silentLog } from "../net/log.ts";
import { submission, testQueue } from "../queue/queue-for-tests.ts";
import { queueMetrics } from "../queue/queue-metrics.ts";
import { directoriesBelow } from "../settings/directories.ts";

const program = fileURLToPath(new URL("main.ts", import.meta.url));

test("the queue is listed, shown, held, released, bounced and deleted on the host, with counts and exit codes", async (context) => {
  const root = await mkdtemp(join(tmpdir(), "mailkeep-queue-cli-"));
  const directories = directoriesBelow(root);
  await mkdir(directories.config, { recursive: true });
  const env = { OVERRIDE_HOSTNAME: "mail.here.test" };
  const configuration = await openConfiguration(directories, { log: silentLog, env, watch: false });
  const { queue, clock, reports } = await testQueue(context, 9);
  const metrics = new Metrics();
  metrics.add(...queueMetrics(queue, Date.now));
  const admin = await startAdminServer({
    directories,
    version: "1",
    log: silentLog,
    live: {
      configuration,
      startedAt: new Date(),
      listeners: () => [],
      queue: queue.operator,
      metrics,
      stop() {},
    },
  });
  context.after(async () => {
    await admin.close();
    await configuration.close();
    await rm(root, { recursive: true, force: true });
  });
  const holdUntil = clock.now + 3_600_000;
  const put = async (to: string) => (await queue.enqueue(submission(to, { holdUntil }))).id;
  const [first, second] = [await put("bob@sink.test"), await put("eve@other.test")];
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(process.execPath, [program, "--root", root, ...args]);
    return { code, text: stdout + stderr };
  };

  const listed = await cli("queue");
  assert.equal(listed.code, 0);
  assert.match(listed.text, new RegExp(`^${first}  ann@here\\.test → bob@sink\\.test  \\d+ bytes`, "m"));
  assert.match(listed.text, new RegExp(`^${second}`, "m"));
  const shown = await cli("queue", "show", "sink.test");
  assert.match(shown.text, /^ {2}> Subject: hello$/m);
  assert.doesNotMatch(shown.text, /eve@other/);
  assert.deepEqual(await cli("queue", "hold", "other.test"), { code: 0, text: "1 message held\n" });
  assert.match((await cli("queue", "list", "eve@other.test")).text, /, held$/m);
  assert.match((await cli("metrics")).text, /^mailkeep_queue_messages\{state="held"\} 1$/m);
  assert.deepEqual(await cli("queue", "bounce", first), {
    code: 0,
    text: "1 message returned to their senders\n",
  });
  assert.equal(reports.length, 1);
  assert.deepEqual(await cli("queue", "delete", "--all"), { code: 0, text: "1 message deleted\n" });
  assert.deepEqual(await cli("queue"), { code: 0, text: "The queue is empty.\n" });
  assert.deepEqual(await cli("queue", "delete", "nowhere.test"), { code: 1, text: "no message deleted\n" });
  assert.equal((await cli("queue", "delete")).code, 2);
  assert.match((await cli("queue", "flush")).text, /there is no "queue flush"; there are: list, show, hold/);
});
