import assert from "node:assert/strict";
import { test } from "node:test";
import {
  allBusy,
  backoff,
  chooseProcess,
  nextStep,
  type PolicyState,
  type WorkerState,
} from "./load-policy.ts";

const atRest: PolicyState = {
  now: 100_000,
  front: { utilisation: 0.02, connections: 3 },
  workers: [],
  most: 2,
  least: 1,
  idleMs: 60_000,
  notBefore: 0,
  busySince: undefined,
  openings: 40,
  spareCores: 2,
};
const busy = { utilisation: 0.95, connections: 12 };
const worker = (state: Partial<WorkerState> = {}): WorkerState => ({
  process: 1,
  stage: "serving",
  utilisation: 0,
  connections: 0,
  idleSince: undefined,
  ...state,
});

const loaded: PolicyState = { ...atRest, front: busy, busySince: 96_000 };

test("a process is busy that works through a sample for more than one client", () => {
  assert.equal(allBusy(atRest), false);
  assert.equal(allBusy({ front: { utilisation: 1, connections: 1 }, workers: [] }), false);
  assert.equal(allBusy({ front: busy, workers: [] }), true);
  assert.equal(allBusy({ front: busy, workers: [worker({ utilisation: 0.3 })] }), false);
  assert.equal(allBusy({ front: busy, workers: [worker({ stage: "ending" })] }), true);
});

test("one process serves everything until it has been busy for a while and a core is to spare", () => {
  assert.equal(nextStep(atRest), undefined);
  assert.equal(nextStep({ ...loaded, busySince: 97_001 }), undefined, "a short burst");
  assert.equal(nextStep({ ...loaded, spareCores: 0.4 }), undefined, "its own threads use the other core");
  assert.equal(nextStep({ ...loaded, openings: 0 }), undefined, "what has begun cannot be shared");
  const step = nextStep(loaded);
  assert.equal(step?.kind, "start");
  assert.match(step.reason, /95 % of 500 ms, busy for 4 s, 12 connections, 2\.0 cores to spare/);
});

test("no further worker starts beyond the cores, while one starts, or soon after a crash", () => {
  assert.equal(nextStep({ ...loaded, workers: [worker(busy)] }), undefined);
  assert.equal(nextStep({ ...loaded, most: 1 }), undefined);
  assert.equal(nextStep({ ...loaded, most: 4, workers: [worker({ stage: "starting" })] }), undefined);
  assert.equal(nextStep({ ...loaded, notBefore: 100_001 }), undefined);
  assert.equal(nextStep({ ...loaded, most: 4, workers: [worker(busy)] })?.kind, "start");
});

test("a worker ends when it has had no connection for a while, unless it is to stay", () => {
  const idle = { ...atRest, workers: [worker({ idleSince: 40_000 })] };
  assert.deepEqual(nextStep(idle), { kind: "end", process: 1, reason: "no connection for 60 s" });
  assert.equal(nextStep({ ...idle, least: 2 }), undefined);
  assert.equal(nextStep({ ...idle, now: 99_999 }), undefined);
});

test("workers that are always to be there are started at any load", () => {
  assert.deepEqual(nextStep({ ...atRest, least: 2 }), { kind: "start", reason: "workers.least is 2" });
});

test("connections go to whoever has the fewest, and to the first process while it has time", () => {
  const candidate = { process: 1, underWay: 0, utilisation: 0.9, connections: 5 };
  assert.equal(chooseProcess({ utilisation: 0.2, connections: 50 }, [candidate], false), undefined);
  assert.equal(chooseProcess({ utilisation: 0.2, connections: 50 }, [candidate], true), 1);
  assert.equal(chooseProcess(busy, [candidate], false), 1);
  assert.equal(chooseProcess(busy, [{ ...candidate, connections: 20 }], false), undefined);
  assert.equal(
    chooseProcess(busy, [{ ...candidate, underWay: 4 }], false),
    undefined,
    "it takes no more now",
  );
});

test("pauses after crashes double up to a minute", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 20].map((crashes) => backoff(crashes, 0)),
    [0, 1000, 2000, 4000, 60_000],
  );
});
