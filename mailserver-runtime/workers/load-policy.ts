/**
 * When a server of one process becomes one of several, and one again (DESIGN D7). Pure: samples in, one step out.
 *
 * A worker costs about a second of a core until it serves, and a question to the owner for each delivery to an account
 * that is elsewhere. So one is started where that pays: every process that serves has been busy for a while, there is
 * more than one client whose work could be shared, connections or messages begin (what has begun stays where it is, so
 * twenty big messages would gain nothing), and the machine has a core to spare (threads of the pool, and others'
 * programs, may use them all). It ends when it has had no connection for a while. Which process takes the next
 * connection is decided here too: the first process while it has time, so that workers run empty and can end.
 */
import type { ProcessNumber } from "./calls.ts";
import type { Load } from "./lifecycle.ts";

/** Between two samples, in milliseconds. */
export const SAMPLE_MS = 500;
/** A process whose event loop works this part of the time is busy. */
export const BUSY = 0.8;
/** Load that is over sooner is served sooner without a new process. */
export const SUSTAINED_MS = 3000;
/** Cores without work, on average of a sample, that make a further process worth its start. */
export const SPARE_CORES = 0.6;
/** Connections and messages that begin in a sample while there is something to share. */
export const FEWEST_OPENINGS = 5;
/** Below this the first process takes every connection itself. */
export const AT_EASE = 0.5;
/** After a crash a worker waits so long, twice as long after each further one. */
const BACKOFF_MS = 1000;
const LONGEST_BACKOFF_MS = 60_000;

export interface WorkerState extends Load {
  readonly process: ProcessNumber;
  readonly stage: "starting" | "serving" | "ending";
  /** Since when it has had no connection. */
  readonly idleSince: number | undefined;
}
export interface PolicyState {
  readonly now: number;
  readonly front: Load;
  readonly workers: readonly WorkerState[];
  /** Processes at most, the first among them. */
  readonly most: number;
  /** Processes at least; these stay, whatever the load. */
  readonly least: number;
  readonly idleMs: number;
  /** No worker is started before this time. */
  readonly notBefore: number;
  /** Since when `allBusy` has held without a break. */
  readonly busySince: number | undefined;
  /** Connections and messages that began in the last sample and could have been given to another process. */
  readonly openings: number;
  /** Cores of the machine that had nothing to do in the last sample, on average. */
  readonly spareCores: number;
}
export type Step =
  | { readonly kind: "start"; readonly reason: string }
  | { readonly kind: "end"; readonly process: ProcessNumber; readonly reason: string };

export function nextStep(state: PolicyState): Step | undefined {
  const { now, workers, most, least, idleMs, notBefore, busySince, openings, spareCores } = state;
  const count = workers.filter(({ stage }) => stage !== "ending").length + 1;
  const idle = workers.find(
    ({ stage, idleSince }) => stage === "serving" && idleSince !== undefined && now - idleSince >= idleMs,
  );
  if (idle !== undefined && count > least)
    return { kind: "end", process: idle.process, reason: `no connection for ${idleMs / 1000} s` };
  if (now < notBefore || workers.some(({ stage }) => stage === "starting")) return undefined;
  if (count < least) return { kind: "start", reason: `workers.least is ${least}` };
  if (count >= most) return undefined;
  if (busySince === undefined || now - busySince < SUSTAINED_MS) return undefined;
  if (openings < FEWEST_OPENINGS || spareCores < SPARE_CORES) return undefined;
  const serving = servingOf(state);
  const percent = serving.map(({ utilisation }) => `${Math.round(utilisation * 100)} %`).join(", ");
  return {
    kind: "start",
    reason:
      `event loops at work ${percent} of ${SAMPLE_MS} ms, busy for ${Math.round((now - busySince) / 1000)} s, ` +
      `${connectionsOf(serving)} connections, ${spareCores.toFixed(1)} cores to spare`,
  };
}

/** Whether every process that serves is busy, with more than one client between them. */
export function allBusy(state: Pick<PolicyState, "front" | "workers">): boolean {
  const serving = servingOf(state);
  return connectionsOf(serving) >= 2 && serving.every(({ utilisation }) => utilisation >= BUSY);
}
function servingOf({ front, workers }: Pick<PolicyState, "front" | "workers">): readonly Load[] {
  return [front, ...workers.filter(({ stage }) => stage === "serving")];
}
function connectionsOf(serving: readonly Load[]): number {
  return serving.reduce((sum, one) => sum + one.connections, 0);
}

/** When a worker may be started after so many crashes in a row, the last one at `at`. */
export function backoff(crashes: number, at: number): number {
  return crashes === 0 ? 0 : at + Math.min(LONGEST_BACKOFF_MS, BACKOFF_MS * 2 ** (crashes - 1));
}

/** A process that could take a connection, and how many sockets are on their way to it. */
export interface Candidate extends Load {
  readonly process: ProcessNumber;
  readonly underWay: number;
}
/** A socket reaches a busy process at its next turn: more than these on their way wait longer than the first process takes. */
const MOST_UNDER_WAY = 4;

/** Who takes the next connection; undefined: the first process. Workers that stay anyway are used at any load. */
export function chooseProcess(
  front: Load,
  workers: readonly Candidate[],
  stay: boolean,
): ProcessNumber | undefined {
  if (front.utilisation < AT_EASE && !stay) return undefined;
  let best: Candidate | undefined;
  for (const worker of workers) {
    if (worker.underWay >= MOST_UNDER_WAY) continue;
    if (best === undefined || share(worker) < share(best)) best = worker;
  }
  return best !== undefined && share(best) < share(front) ? best.process : undefined;
}
/** Connections say more about the next second than the last second's work does; the work decides between equals. */
function share({ connections, utilisation }: Load): number {
  return connections + utilisation;
}
