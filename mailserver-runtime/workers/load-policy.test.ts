import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff, chooseProcess, nextStep, type PolicyState, type WorkerState } from "./load-policy.ts";

const atRest: PolicyState = {
  now: 100_000,
  front: { utilisation: 0.02, connections: 3 },
  workers: [],
  most: 2,
  least: 1,
  idleMs: 60_000,
  notBefore: 0,
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

test("one process serves everything until it is busy with more than one client", () => {
  assert.equal(nextStep(atRest), undefined);
  assert.equal(nextStep({ ...atRest, front: { utilisation: 1, connections: 1 } }), undefined);
  const step = nextStep({ ...atRest, front: busy });
  assert.equal(step?.kind, "start");
  assert.match(step.reason, /95 % of 500 ms, 12 connections/);
});

test("no further worker starts beyond the cores, while one starts, while one has time, or soon after a crash", () => {
  const loaded = { ...atRest, front: busy };
  assert.equal(nextStep({ ...loaded, workers: [worker(busy)] }), undefined);
  assert.equal(nextStep({ ...loaded, most: 1 }), undefined);
  assert.equal(nextStep({ ...loaded, most: 4, workers: [worker({ stage: "starting" })] }), undefined);
  assert.equal(nextStep({ ...loaded, most: 4, workers: [worker({ utilisation: 0.3 })] }), undefined);
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
