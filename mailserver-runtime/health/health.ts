/**
 * How the server is, in one word. `unhealthy`: its own probe failed, a restart may help. `degraded`: it serves, and somebody
 * should look: a file with a mistake, a certificate that does not renew, a disk that fills. What is wrong outside never
 * makes it unhealthy, or a name server's bad day would restart every mail server that asks it.
 */
import type { Log } from "../net/log.ts";
import type { ProbeStep } from "./loopback-probe.ts";

export interface Health {
  readonly state: "healthy" | "degraded" | "unhealthy" | "not-probed";
  /** When it was probed, ISO 8601. */
  readonly at?: string;
  readonly steps: readonly ProbeStep[];
  /** A sentence each for what makes it less than healthy. */
  readonly reasons: readonly string[];
}

export interface HealthWatchOptions {
  readonly probe: () => Promise<readonly ProbeStep[]>;
  /** What an administrator should see to, a sentence each. */
  readonly problems: () => readonly string[];
  readonly log: Log;
  /** Between two probes; default five minutes. */
  readonly everyMs?: number;
}
export interface HealthWatch {
  /** The last result; that of the first probe is waited for. */
  health(): Promise<Health>;
  close(): void;
}

const EVERY_MS = 300_000;

/** Probes now and from time to time. */
export function watchHealth({ probe, problems, log, everyMs = EVERY_MS }: HealthWatchOptions): HealthWatch {
  let last: { readonly at: string; readonly steps: readonly ProbeStep[] } | undefined;
  let running: Promise<void> | undefined;
  async function look(): Promise<void> {
    const steps = await probe();
    const failed = steps.filter(({ result }) => result === "failed");
    const before = last?.steps.some(({ result }) => result === "failed") ?? false;
    last = { at: new Date().toISOString(), steps };
    for (const { name, detail } of failed) log.error({ event: "probe-failed", step: name, detail });
    if (before && failed.length === 0) log.info({ event: "probe-recovered" });
  }
  const start = () => {
    running ??= look().finally(() => {
      running = undefined;
    });
    return running;
  };
  void start();
  const timer = setInterval(() => void start(), everyMs).unref();
  return {
    async health() {
      if (last === undefined) await start();
      return judge(last?.at, last?.steps ?? [], problems());
    },
    close: () => clearInterval(timer),
  };
}

/** @param at when it was probed; undefined: it was not */
export function judge(
  at: string | undefined,
  steps: readonly ProbeStep[],
  problems: readonly string[],
): Health {
  const failed = steps.filter(({ result }) => result === "failed");
  const reasons = [
    ...failed.map(({ name, detail }) => `${name}: ${detail}`),
    ...steps
      .filter(({ result }) => result === "not-possible")
      .map(({ name, detail }) => `${name}: ${detail}`),
    ...problems,
  ];
  const state =
    failed.length > 0
      ? "unhealthy"
      : reasons.length > 0
        ? "degraded"
        : at === undefined
          ? "not-probed"
          : "healthy";
  return { state, ...(at !== undefined && { at }), steps, reasons };
}
