/**
 * A worker is killed under a mixed load, again and again, and the server goes on (DESIGN D7): nothing acknowledged is
 * lost, nothing is stored twice that its sender was not left in doubt about, and clients of the other processes do not
 * notice.
 *
 *     MAILKEEP_KILLS=200 npm test -- durability/worker-kill    the long run; 3 by default
 */
import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { drained, MixedLoad } from "./mixed-load.ts";
import { Random, seedOf } from "./random.ts";
import { openSite, type RunningServer } from "./site.ts";

const KILLS = Number(process.env.MAILKEEP_KILLS ?? 3);

test(`nothing acknowledged is lost by ${KILLS} kills of a worker while the server runs`, {
  timeout: 120_000 + KILLS * 30_000,
}, async (t) => {
  const seed = seedOf(process.env);
  t.diagnostic(`MAILKEEP_SEED=${seed}`);
  const random = new Random(seed);
  const root = await fs.mkdtemp(`${os.tmpdir()}/mailkeep-worker-kill-`);
  const load = new MixedLoad(random.fork());
  const site = await openSite(root, load.known.ledger, { workers: { least: 3 } });
  t.after(async () => {
    await site.close();
    await fs.rm(root, { recursive: true, force: true, maxRetries: 3 });
  });
  const server = await site.start();
  for (let round = 1; round <= KILLS; round++) {
    const found = await load.known.compare(server, "new messages");
    assert.deepEqual(found, [], `after kill ${round - 1}, seed ${seed}`);
    let isOver = false;
    const death = async () => {
      const { exchanges } = load.known.ledger;
      const enough = exchanges.length + 10 + random.below(60);
      for (const deadline = Date.now() + 10_000; exchanges.length < enough && Date.now() < deadline; )
        await sleep(2);
      process.kill(random.of(await workers(server)), "SIGKILL");
      await sleep(300);
      isOver = true;
    };
    await Promise.all([load.run(server, site, () => isOver), death()]);
    assert.deepEqual(
      await load.known.compare(server, "new messages"),
      [],
      `after kill ${round}, seed ${seed}`,
    );
    for (const deadline = Date.now() + 30_000; (await workers(server)).length < 2; await sleep(50))
      assert.ok(Date.now() < deadline, "a killed worker is replaced");
  }
  site.setHolding(false);
  assert.ok(
    await drained(site.directories, 60_000),
    `the queue is empty at the end: ${await fs.readdir(`${site.directories.state}/queue`)}`,
  );
  assert.deepEqual(await load.known.compare(server, "every byte"), []);
  assert.deepEqual(load.known.ledger.remoteProblems(), []);
  assert.equal(await server.stop(), 0);
  t.diagnostic(`${load.known.ledger.exchanges.length} acknowledgements`);
  t.diagnostic(JSON.stringify(load.known.ledger.figures()));
  assert.ok(load.known.ledger.exchanges.length > 10 * KILLS, "the load was one");
});

/** The server's workers by their process ids. */
async function workers({ pid }: RunningServer): Promise<number[]> {
  const children = await fs.readFile(`/proc/${pid}/task/${pid}/children`, "latin1");
  const found: number[] = [];
  for (const child of children.trim().split(" ").filter(Boolean)) {
    const command = await fs.readFile(`/proc/${child}/cmdline`, "latin1").catch(() => "");
    if (command.includes("workers/main")) found.push(Number(child));
  }
  return found;
}
