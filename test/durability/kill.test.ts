/**
 * What got a 250, an APPENDUID or an OK survives SIGKILL: the server under a mixed load, all of it or some of its processes
 * killed at random points (victims.ts), and where it died started again on the same directory. After each kill every
 * account is compared with what its clients and senders were told (ledger.ts, account-model.ts).
 *
 *     MAILKEEP_KILLS=250 npm test -- durability/kill    the long run; 6 by default
 *     MAILKEEP_MINUTES=<n>                              ends earlier, when so many are over
 *     MAILKEEP_SEED=<n>                                 the same choices again
 */
import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { leftovers } from "./leftovers.ts";
import { drained, MixedLoad } from "./mixed-load.ts";
import { Random, seedOf } from "./random.ts";
import { openSite, type RunningServer } from "./site.ts";
import { assertGone, killing, replaced } from "./victims.ts";

const KILLS = Number(process.env.MAILKEEP_KILLS ?? 6);
const MINUTES = Number(process.env.MAILKEEP_MINUTES ?? Number.POSITIVE_INFINITY);
/** A round takes a start, a look at every account and a second of load. */
const ROUND_MS = 30_000;
/** How many processes a server has at least; all but the first may die by themselves. */
const PROCESSES = [1, 3, 3] as const;

test(`nothing acknowledged is lost or changed by ${KILLS} kills under load`, {
  timeout: 60_000 + KILLS * ROUND_MS,
}, async (t) => {
  const seed = seedOf(process.env);
  t.diagnostic(`MAILKEEP_SEED=${seed}`);
  const random = new Random(seed);
  const root = await fs.mkdtemp(`${os.tmpdir()}/mailkeep-kill-`);
  const load = new MixedLoad(random.fork());
  const site = await openSite(root, load.known.ledger);
  let isKept = false;
  t.after(async () => {
    await site.close();
    if (!isKept) await fs.rm(root, { recursive: true, force: true, maxRetries: 3 });
  });
  const found = (problems: string[], when: string) => {
    if (problems.length === 0) return;
    isKept = true;
    assert.fail(`${when} (${root}, MAILKEEP_SEED=${seed}):\n${problems.slice(0, 40).join("\n")}`);
  };

  const kill = killing(random);
  const deaths = new Map<string, number>();
  const count = (victim: string) => deaths.set(victim, (deaths.get(victim) ?? 0) + 1);
  let running: RunningServer | undefined;
  let left: readonly number[] = [];
  const started = async (): Promise<RunningServer> => {
    if (running === undefined) await site.setProcesses(random.of(PROCESSES));
    running ??= await site.start();
    await assertGone(left);
    left = [];
    return running;
  };
  const until = Date.now() + MINUTES * 60_000;
  let kills = 0;
  for (let round = 1; round <= KILLS && Date.now() < until; round++) {
    kills = round;
    if (running === undefined && random.chance(0.15)) {
      // Dies while it finishes what the one before it left.
      const killAfter = 100 + random.below(700);
      const starting = site.start({ onSpawn: (kill) => setTimeout(() => void kill(), killAfter) });
      await starting.then(
        (server) => server.kill(),
        () => undefined,
      );
      count("while starting");
      continue;
    }
    const server = await started();
    found(await load.known.compare(server, "new messages"), `after kill ${round - 1}`);
    const workers = await server.workers();
    let isDead = false;
    let isSurvived = false;
    const death = async (acknowledgements: number, afterMs: number) => {
      // By what was done rather than by the clock: a slow machine gets as much work to lose as a fast one.
      const { exchanges } = load.known.ledger;
      const enough = exchanges.length + acknowledgements;
      for (const deadline = Date.now() + 10_000; exchanges.length < enough && Date.now() < deadline; )
        await sleep(2);
      await sleep(afterMs);
      const death = await kill(server);
      count(death.victim);
      // Who was not served by the dead worker goes on for a moment.
      isSurvived = death.isSurvived;
      if (isSurvived) await sleep(200);
      else running = undefined;
      left = death.left;
      isDead = true;
      // Clients of a suspended worker wait until the next server ends it.
      if (left.length > 0) await started();
    };
    await Promise.all([load.run(server, site, () => isDead), death(random.below(60), random.below(30))]);
    if (isSurvived) found(await replaced(server, workers.length), `after kill ${round}`);
  }

  const server = await started();
  found(await load.known.compare(server, "new messages"), `after the last kill`);
  site.setHolding(false);
  found(
    (await drained(site.directories, 60_000)) ? [] : ["the queue is not empty after a minute"],
    "at the end",
  );
  found(await load.known.compare(server, "every byte"), "at the end, every byte");
  found(load.known.ledger.remoteProblems(), "at the end, elsewhere");
  assert.equal(await server.stop(), 0);
  const { exchanges } = load.known.ledger;
  const answered = Object.groupBy(exchanges, ({ what }) => what);
  t.diagnostic(
    `${kills} kills (${[...deaths].map(([who, times]) => `${who} ${times}`).join(", ")}); acknowledged: ${Object.entries(
      answered,
    )
      .map(([what, all]) => `${what} ${all!.length}`)
      .join(", ")}`,
  );
  t.diagnostic(JSON.stringify(load.known.ledger.figures()));
  // What a worker left that died last goes with the next start.
  const last = await site.start();
  const swept = async () => (await leftovers(site.directories)).length === 0;
  for (const deadline = Date.now() + 10_000; !(await swept()) && Date.now() < deadline; ) await sleep(100);
  assert.equal(await last.stop(), 0);
  found(await leftovers(site.directories), "what is left on disk");
  assert.ok(exchanges.length > kills, "the load was one");
});
