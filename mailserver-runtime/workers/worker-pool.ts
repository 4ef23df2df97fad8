/**
 * The workers of a server, as its first process keeps them: started under load, ended when idle, started again after a
 * crash with growing pauses; which of them takes a connection. What decides is load-policy.ts.
 */

import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import type { Accepted } from "../net/listen.ts";
import type { Log } from "../net/log.ts";
import { stopReading } from "../net/pass-socket.ts";
import type { SessionState } from "../smtp/moving.ts";
import type { ProcessNumber } from "./calls.ts";
import { AT_EASE, allBusy, backoff, chooseProcess, nextStep, SAMPLE_MS } from "./load-policy.ts";
import { SpareCores } from "./spare-cores.ts";
import { type WorkerOptions, WorkerProcess } from "./worker-process.ts";

export interface PoolOptions {
  readonly worker: Omit<WorkerOptions, "number" | "onExit">;
  /** Processes at most, the first among them; asked at every decision. */
  readonly most: () => number;
  /** Processes at least. */
  readonly least: () => number;
  /** How long a worker without a connection stays. */
  readonly idleMs: () => number;
  /** Connections that the first process serves itself. */
  readonly connections: () => number;
  /** The worker is up: what changed while it started is made known to it. */
  readonly beforeServing: (process: ProcessNumber) => Promise<void>;
  /** The worker takes no account any more; what it has is free when `gone` resolves. */
  readonly onEnding: (process: ProcessNumber, gone: Promise<void>) => void;
  /** It has ended: its accounts are nobody's. */
  readonly onGone: (process: ProcessNumber) => void;
  readonly log: Log;
}

/** A worker that came through this time has not failed because of how it was started. */
const PROVEN_MS = 60_000;
/** For a worker to put its accounts on disk and end. */
const EXIT_MS = 1000;

export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #workers = new Map<ProcessNumber, WorkerProcess>();
  readonly #timer: NodeJS.Timeout;
  #before = performance.eventLoopUtilization();
  #utilisation = 0;
  readonly #spareCores = new SpareCores();
  #busySince: number | undefined;
  /** Connections and messages that began since the last sample. */
  #openings = 0;
  #lastNumber = 0;
  #lastConnection = 0;
  #crashes = 0;
  #notBefore = 0;
  #stopping = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS).unref();
  }

  /** Those that are there now. */
  list(): readonly WorkerProcess[] {
    return [...this.#workers.values()];
  }
  get(process: ProcessNumber): WorkerProcess | undefined {
    return this.#workers.get(process);
  }

  /** Hands a just accepted socket to a worker where one should take it; false: serve it here. */
  handOver(socket: Socket, accepted: Accepted): boolean {
    this.#openings++;
    // A socket file is for programs of this host: they are few.
    const worker = accepted.listener.path === undefined ? this.#chosen() : undefined;
    if (worker === undefined || !stopReading(socket)) return false;
    worker.take(socket, accepted, ++this.#lastConnection);
    return true;
  }
  /** Gives a session between two transactions to a worker that has less to do; false: it stays. */
  move(
    take: () => { readonly socket: Socket; readonly accepted: Accepted } | undefined,
    state: SessionState,
  ): boolean {
    this.#openings++;
    const worker = this.#chosen();
    const taken = worker === undefined ? undefined : take();
    if (worker === undefined || taken === undefined) return false;
    worker.take(taken.socket, taken.accepted, ++this.#lastConnection, state);
    return true;
  }

  /** Starts those that stay whatever the load; resolves when they serve. */
  async startLeast(): Promise<void> {
    const least = this.#options.least();
    const missing = Array.from({ length: Math.max(0, least - 1 - this.#workers.size) });
    await Promise.all(missing.map(() => this.start(`workers.least is ${least}`)));
  }
  /** Starts a worker now; resolves with it when it serves. */
  async start(reason: string): Promise<WorkerProcess> {
    const number = ++this.#lastNumber;
    const began = performance.now();
    const worker = new WorkerProcess(
      { ...this.#options.worker, number, onExit: (one, how) => this.#exited(one, how) },
      reason,
    );
    this.#workers.set(number, worker);
    this.#options.log.info({ event: "worker-starting", worker: number, workerPid: worker.pid, reason });
    await worker.ready;
    await this.#options.beforeServing(number);
    worker.serves();
    const ms = Math.round(performance.now() - began);
    this.#options.log.info({ event: "worker-serving", worker: number, workerPid: worker.pid, ms });
    return worker;
  }

  /** Lets the connections of all workers end within the time. */
  async drain(graceMs: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#timer);
    await Promise.all(this.list().map((worker) => worker.drain(graceMs)));
  }
  /** Ends all workers, their accounts on disk. */
  async close(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#timer);
    await Promise.all(this.list().map((worker) => worker.exit(EXIT_MS)));
  }

  #chosen(): WorkerProcess | undefined {
    if (this.#workers.size === 0) return undefined;
    const serving = this.list().filter(({ stage }) => stage === "serving");
    const chosen = chooseProcess(
      { utilisation: this.#now(), connections: this.#options.connections() },
      serving.map((worker) => ({
        process: worker.number,
        underWay: worker.underWay,
        utilisation: worker.load.utilisation,
        connections: worker.connections,
      })),
      serving.length < this.#options.least(),
    );
    return chosen === undefined ? undefined : this.#workers.get(chosen);
  }
  /** The last sample's utilisation, or that of the sample under way where it is higher: load comes without a warning. */
  #now(): number {
    if (this.#utilisation >= AT_EASE) return this.#utilisation;
    return Math.max(this.#utilisation, performance.eventLoopUtilization(this.#before).utilization);
  }

  #sample(): void {
    const after = performance.eventLoopUtilization();
    this.#utilisation = performance.eventLoopUtilization(after, this.#before).utilization;
    this.#before = after;
    const now = Date.now();
    const loads = {
      front: { utilisation: this.#utilisation, connections: this.#options.connections() },
      workers: this.list().map(({ number, stage, load, idleSince, connections }) => ({
        process: number,
        stage,
        idleSince,
        utilisation: load.utilisation,
        connections,
      })),
    };
    const step = nextStep({
      now,
      ...loads,
      ...this.#pressure(allBusy(loads), now),
      openings: this.#openings,
      most: this.#options.most(),
      least: this.#options.least(),
      idleMs: this.#options.idleMs(),
      notBefore: this.#notBefore,
    });
    this.#openings = 0;
    if (step?.kind === "start") this.start(step.reason).catch(() => undefined);
    else if (step?.kind === "end") void this.#end(this.#workers.get(step.process)!, step.reason);
  }

  /** Asked at each sample; a server at rest asks the kernel nothing. */
  #pressure(isBusy: boolean, now: number): { busySince: number | undefined; spareCores: number } {
    if (isBusy) {
      this.#busySince ??= now;
      return { busySince: this.#busySince, spareCores: this.#spareCores.ask() };
    }
    this.#busySince = undefined;
    this.#spareCores.forget();
    return { busySince: undefined, spareCores: 0 };
  }

  /** Ends an idle worker. */
  async #end(worker: WorkerProcess, reason: string): Promise<void> {
    this.#options.log.info({ event: "worker-ending", worker: worker.number, reason });
    this.#options.onEnding(worker.number, worker.gone);
    await worker.drain(0);
    await worker.exit(EXIT_MS);
  }

  #exited(worker: WorkerProcess, how: string): void {
    this.#workers.delete(worker.number);
    this.#options.onGone(worker.number);
    const { log } = this.#options;
    if (worker.wasAsked) {
      log.info({ event: "worker-ended", worker: worker.number, how });
      return;
    }
    const lived = Date.now() - worker.startedAt;
    this.#crashes = lived > PROVEN_MS ? 1 : this.#crashes + 1;
    this.#notBefore = backoff(this.#crashes, Date.now());
    log.error(
      {
        event: "worker-failed",
        worker: worker.number,
        how,
        lived,
        pauseMs: this.#notBefore - Date.now(),
        stopping: this.#stopping,
      },
      "a worker ended unasked; its accounts go to the others",
    );
  }
}
