/**
 * Who dies: the server has a first process and, under load, workers (DESIGN D7), and SIGKILL may take any of them.
 *
 * Where the first process dies, the next server may be started before its workers know: one of them may have been at
 * something long, or suspended. It must not go on beside its successor, which has the same accounts.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { startTime } from "../../mailserver-runtime/config/lock.ts";
import type { Random } from "./random.ts";
import type { RunningServer } from "./site.ts";

export interface Death {
  /** Whether the server goes on, and another worker takes the place of the one that died. */
  readonly isSurvived: boolean;
  /** Processes that may be left, until the next server is up. */
  readonly left: readonly number[];
}
type Kill = (server: RunningServer, workers: readonly number[], random: Random) => Promise<Death>;

const everything: Kill = async (server) => {
  await server.kill();
  return { isSurvived: false, left: [] };
};
const first: Kill = async (server, left) => {
  await server.killFirst();
  return { isSurvived: false, left };
};
const withWorkers = {
  everything,
  "a worker": async (_server, workers, random) => {
    process.kill(random.of(workers), "SIGKILL");
    return { isSurvived: true, left: [] };
  },
  "the first process": first,
  "the first process while a worker is suspended": (server, workers, random) => {
    process.kill(random.of(workers), "SIGSTOP");
    return first(server, workers, random);
  },
  "the first process and a worker": (server, workers, random) => {
    process.kill(random.of(workers), "SIGKILL");
    return first(server, workers, random);
  },
} satisfies Record<string, Kill>;
type Victim = keyof typeof withWorkers;
const VICTIMS = Object.keys(withWorkers) as readonly Victim[];

/** Gives what kills: each victim once in an order left to chance, then again. It resolves with who died and what is left. */
export function killing(
  random: Random,
): (server: RunningServer) => Promise<Death & { readonly victim: Victim }> {
  let next: Victim[] = [];
  return async (server) => {
    const workers = await server.workers();
    if (next.length === 0) next = random.some(VICTIMS, VICTIMS.length);
    const victim = workers.length === 0 ? "everything" : next.pop()!;
    return { ...(await withWorkers[victim](server, workers, random)), victim };
  };
}

/** Nobody of a dead server may be at work when its successor is up. */
export async function assertGone(left: readonly number[]): Promise<void> {
  const alive: number[] = [];
  for (const pid of left) if ((await startTime(pid)) !== undefined) alive.push(pid);
  for (const pid of alive) process.kill(pid, "SIGKILL");
  assert.deepEqual(alive, [], "workers of the dead server are at work beside the next one");
}

/** Waits for the successor of a worker that died; what is wrong, where it does not come. */
export async function replaced(server: RunningServer, count: number): Promise<string[]> {
  for (const deadline = Date.now() + 60_000; (await server.workers()).length < count; await sleep(50))
    if (Date.now() > deadline) return [`${(await server.workers()).length} workers instead of ${count}`];
  return [];
}
