/**
 * What got a 250, an APPENDUID or an OK survives a power loss.
 *
 * The server runs under strace with a mixed load. From the system calls a model knows at every moment what a disk must
 * have kept (disk-model.ts). Then
 *   1. for each acknowledgement: when its bytes went to the socket, what it promises stood on the worst possible disk;
 *   2. at some moments the load's clients and senders are copied with all they know; disks as a power loss at that
 *      moment could leave them are laid out, the server is started on each, and has to stand by what was told.
 *
 *     MAILKEEP_POWER_LOSSES=30 npm test -- durability/power-loss    moments of the second kind; 1 by default
 *     MAILKEEP_PROCESSES=3                                          of the server; 1 or 3 by default, as the seed wants it
 *     MAILKEEP_SEED=<n>
 */
import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { directoriesBelow } from "../../mailserver-runtime/settings/directories.ts";
import { needs } from "../support/tools.ts";
import { best, DiskModel, type Fate, NOT_FOLLOWED, worst } from "./disk-model.ts";
import { type Exchange, now } from "./ledger.ts";
import { drained, type Knowledge, MixedLoad } from "./mixed-load.ts";
import { brokenPromises, LetterReader } from "./promises.ts";
import { Random, seedOf } from "./random.ts";
import { openSite, type Site } from "./site.ts";
import { type Moment, peerPort, readMoments, strace } from "./system-calls.ts";

const LOSSES = Number(process.env.MAILKEEP_POWER_LOSSES ?? 1);
const PROCESSES = [1, 3] as const;
const PARTS = ["config", "mail", "state"];
/** Acknowledgements between two moments of the second kind. */
const BETWEEN = 60;

interface Loss {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly known: Knowledge;
}

test(`every acknowledgement waits for its fsyncs, and ${LOSSES} power losses lose nothing`, {
  timeout: 120_000 + LOSSES * 120_000,
}, async (t) => {
  if (!needs(t, "strace")) return;
  const seed = seedOf(process.env);
  const random = new Random(seed);
  const processes = Number(process.env.MAILKEEP_PROCESSES ?? random.of(PROCESSES));
  t.diagnostic(`MAILKEEP_SEED=${seed}, ${processes} processes`);
  const place = await fs.mkdtemp(`${os.tmpdir()}/mailkeep-power-`);
  const root = `${place}/traced`;
  const load = new MixedLoad(random.fork());
  const site = await openSite(root, load.known.ledger);
  let isKept = false;
  t.after(async () => {
    await site.close();
    if (!isKept) await fs.rm(place, { recursive: true, force: true, maxRetries: 3 });
  });
  const found = (problems: readonly string[], when: string) => {
    if (problems.length === 0) return;
    isKept = true;
    assert.fail(`${when} (${place}, MAILKEEP_SEED=${seed}):\n${problems.slice(0, 40).join("\n")}`);
  };

  await site.setProcesses(processes);
  const model = new DiskModel(root, PARTS);
  const losses = await record(site, load, `${place}/trace`);
  const moments = await readMoments(`${place}/trace`);
  const strange = new Set(
    moments.flatMap(({ call }) => (touches(call, root) && NOT_FOLLOWED.test(call.name) ? [call.name] : [])),
  );
  assert.deepEqual([...strange], [], "calls that the model does not follow");

  const checked = checkPromises(moments, model, load, losses, `${place}/lost`, random);
  found(checked.broken, "acknowledged before it was durable");
  t.diagnostic(`acknowledgements checked against the worst disk: ${checked.counts}`);
  assert.ok(checked.lost.length > 0 && checked.atRisk > 0, "something was at risk at some moment");
  for (const { known, disk, how } of checked.lost)
    found(await standBy(site, disk, known), `power loss, ${how}`);
  t.diagnostic(
    `${checked.lost.length} disks after ${losses.length} power losses: nothing lost; ${checked.summary}`,
  );
});

/** Runs the load under strace; resolves with the moments at which the power is going to have failed. */
async function record(site: Site, load: MixedLoad, trace: string): Promise<Loss[]> {
  const losses: Loss[] = [];
  const server = await site.start({ under: strace(trace) });
  assert.deepEqual(await load.known.compare(server, "new messages"), []);
  const { exchanges } = load.known.ledger;
  const isOver = () => losses.length === LOSSES;
  const watch = async () => {
    for (let next = BETWEEN; !isOver(); await sleep(3)) {
      if (exchanges.length < next) continue;
      losses.push({ at: now(), known: load.known.copy() });
      next = exchanges.length + BETWEEN;
    }
  };
  await Promise.all([load.run(server, site, isOver), watch()]);
  await server.kill();
  return losses;
}

interface Lost {
  readonly known: Knowledge;
  readonly disk: string;
  readonly how: string;
}

/** Goes through the trace once, looking at each acknowledgement on the wire and laying out the disks of each loss. */
function checkPromises(
  moments: readonly Moment[],
  model: DiskModel,
  load: MixedLoad,
  losses: readonly Loss[],
  place: string,
  random: Random,
) {
  const broken: string[] = [];
  const counts = new Map<string, number>();
  const letters = new LetterReader();
  const lost: Lost[] = [];
  const waiting = replies(moments, load.known.ledger.exchanges);
  const due = [...losses];
  let atRisk = 0;
  for (const [index, moment] of moments.entries()) {
    for (const exchange of waiting.get(index) ?? []) {
      counts.set(exchange.what, (counts.get(exchange.what) ?? 0) + 1);
      const disks = { worst: model.disk(worst), seen: model.disk(best) };
      for (const problem of brokenPromises(exchange, load.known.ledger, disks, letters))
        broken.push(`${exchange.what} ${exchange.token}: ${problem}`);
    }
    for (; due[0] !== undefined && moment.at > due[0].at; due.shift()) {
      atRisk += model.atRisk.steps + model.atRisk.files;
      for (const [how, fate] of fates(model, random)) {
        const disk = `${place}-${lost.length}`;
        model.lay(disk, fate);
        lost.push({
          known: due[0].known.copy(),
          disk,
          how: `${how}, ${JSON.stringify(model.atRisk)} at risk`,
        });
      }
    }
    model.feed(moment);
  }
  const of = (what: string) => `${what} ${counts.get(what)}`;
  return {
    broken,
    lost,
    atRisk,
    counts: [...counts.keys()].map(of).join(", "),
    summary: `${atRisk} steps and files were at risk`,
  };
}

/** Disks a power loss may leave: nothing kept that need not be; names in the order they were made but no bytes; anything. */
function fates(model: DiskModel, random: Random): (readonly [string, Fate])[] {
  const until = random.below(model.stepCount + 1);
  const chosen = new Set(
    Array.from({ length: model.stepCount }, (_, index) => index).filter(() => random.chance(0.5)),
  );
  return [
    ["all unsynced gone", worst],
    ["names kept up to some moment, bytes gone", { ...worst, keeps: (_, index) => index < until }],
    [
      "some names kept, bytes torn",
      {
        keeps: (_, index) => chosen.has(index),
        contentOf(file) {
          const whole = file.content(file.writes.length);
          const safe = file.content(file.synced);
          if (whole.length <= safe.length || random.chance(0.3)) return safe;
          // As long as it was to be, and nothing written there; or cut off somewhere.
          if (random.chance(0.5)) return Buffer.concat([safe, Buffer.alloc(whole.length - safe.length)]);
          return whole.subarray(0, safe.length + random.below(whole.length - safe.length));
        },
      },
    ],
  ];
}

/** For each acknowledgement the write that carried it: the last on its connection before the client had the answer. */
function replies(moments: readonly Moment[], exchanges: readonly Exchange[]): Map<number, Exchange[]> {
  const writes = new Map<number, number[]>();
  for (const [index, { kind, call }] of moments.entries()) {
    const port =
      kind === "begin" && /^(write|writev|sendto|sendmsg)$/.test(call.name) ? peerPort(call.text) : undefined;
    if (port !== undefined) writes.set(port, [...(writes.get(port) ?? []), index]);
  }
  const waiting = new Map<number, Exchange[]>();
  const before = (indexes: readonly number[], at: number) =>
    indexes.findLast((index) => moments[index]!.at <= at);
  for (const exchange of exchanges) {
    const { port, askedAt, answeredAt } = exchange;
    // An operator's answer goes over a local socket: whatever came before the answer counts.
    const index =
      port === 0
        ? moments.findLastIndex(({ at }) => at <= answeredAt)
        : before(writes.get(port) ?? [], answeredAt);
    assert.ok(
      index !== undefined && index >= 0 && moments[index]!.at >= askedAt,
      `the reply to ${exchange.token} is in the trace`,
    );
    waiting.set(index, [...(waiting.get(index) ?? []), exchange]);
  }
  return waiting;
}
const touches = (call: { readonly text: string }, root: string): boolean =>
  call.text.includes(
    [...Buffer.from(`${root}/`)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(""),
  );

/** Starts the server on a disk that lost what it may, and compares. */
async function standBy(site: Site, disk: string, known: Knowledge): Promise<string[]> {
  site.writeInto(known.ledger);
  site.setHolding(true);
  const server = await site.start({ root: disk });
  const problems = await known.compare(server, "every byte");
  site.setHolding(false);
  if (!(await drained(directoriesBelow(disk), 60_000)))
    problems.push("the queue is not empty after a minute");
  problems.push(...(await known.compare(server, "every byte")), ...known.ledger.remoteProblems());
  if ((await server.stop()) !== 0) problems.push("the server did not stop well");
  return problems;
}
