/** A worker that outlives its first process must not go on beside the next server (DESIGN D7: one writer an account). */
import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import { test } from "node:test";
import { Ledger } from "./ledger.ts";
import { openSite } from "./site.ts";
import { assertGone } from "./victims.ts";

test("a suspended worker of a server that was killed is ended before the next one opens an account", async (t) => {
  const root = await fs.mkdtemp(`${os.tmpdir()}/mailkeep-left-behind-`);
  const site = await openSite(root, new Ledger());
  t.after(async () => {
    await site.close();
    await fs.rm(root, { recursive: true, force: true, maxRetries: 3 });
  });
  await site.setProcesses(2);
  const server = await site.start();
  const workers = await server.workers();
  assert.equal(workers.length, 1);
  process.kill(workers[0]!, "SIGSTOP");
  await server.killFirst();
  const next = await site.start();
  await assertGone(workers);
  const log = await fs.readFile(`${site.directories.log}/mail.log`, "utf8");
  assert.match(log, /"event":"worker-left-behind"/);
  assert.equal(await next.stop(), 0);
  assert.deepEqual(await fs.readdir(`${site.directories.state}/workers`), [], "who ended is forgotten");
});
