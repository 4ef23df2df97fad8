/**
 * When a server of one process becomes one of several, and one again (DESIGN D7). Pure: samples in, one step out.
 *
 * A worker is started when every process that serves has been busy through a whole sample and there is more than one
 * client whose work could be shared. It ends when it has had no connection for a while. Which process takes the next
 * connection is decided here too: the first process while it has time, so that workers run empty and can end.
 */
import type { ProcessNumber } from "./calls.ts";
import type { Load } from "./lifecycle.ts";

/** Between two samples, in milliseconds. */
export const SAMPLE_MS = 500;
/** A process whose event loop works this part of the time is busy. */
export const BUSY = 0.8;
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
}
export type Step =
  | { readonly kind: "start"; readonly reason: string }
  | { readonly kind: "end"; readonly process: ProcessNumber; readonly reason: string };

export function nextStep(state: PolicyState): Step | undefined {
  const { now, front, workers, most, least, idleMs, notBefore } = state;
  const count = workers.filter(({ stage }) => stage !== "ending").length + 1;
  const idle = workers.find(
    ({ stage, idleSince }) => stage === "serving" && idleSince !== undefined && now - idleSince >= idleMs,
  );
  if (idle !== undefined && count > least)
    return { kind: "end", process: idle.process, reason: `no connection for ${idleMs / 1000} s` };
  if (now < notBefore || workers.some(({ stage }) => stage === "starting")) return undefined;
  if (count < least) return { kind: "start", reason: `workers.least is ${least}` };
  if (count >= most) return undefined;
  const serving = [front, ...workers.filter(({ stage }) => stage === "serving")];
  const connections = serving.reduce((sum, one) => sum + one.connections, 0);
  if (connections < 2 || serving.some(({ utilisation }) => utilisation < BUSY)) return undefined;
  const percent = serving.map(({ utilisation }) => `${Math.round(utilisation * 100)} %`).join(", ");
  return {
    kind: "start",
    reason: `event loops at work ${percent} of ${SAMPLE_MS} ms, ${connections} connections`,
  };
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
