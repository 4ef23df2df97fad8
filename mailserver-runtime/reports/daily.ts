/**
 * When daily reports go out, and to whom each has gone already.
 *
 * A day is reported after its end, at a moment of chance within the next hours, so that not all the world's senders knock
 * at one receiver's door at midnight (RFC 8460 §4.1). Receivers whose DNS does not answer are tried again for some days.
 * What has gone to whom is on disk before anything else follows: after a crash at most one report goes twice.
 */
import { join } from "node:path";
import { readIfPresent, writeDurably } from "../config/durable-file.ts";
import type { Log } from "../net/log.ts";
import { dayBounds, forgetDay, talliedDays } from "./day-tally.ts";

export interface DailyOptions {
  /** Where the tally's files are. */
  readonly directory: string;
  /** Domains that have something to be told of a day. */
  readonly domains: (day: string) => Promise<readonly string[]>;
  /** Reports one domain's day. `later`: it could not be found out whether and where. Never rejects. */
  readonly report: (domain: string, day: string) => Promise<"sent" | "unwanted" | "later">;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
}
export interface Daily {
  /** Reports every day that is over and due; the server calls it by itself. */
  run(): Promise<void>;
  close(): Promise<void>;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** After a day's end: other processes have written their counts by then. */
const EARLIEST_MS = 10 * MINUTE;
const LATEST_MS = 4 * HOUR;
const EVERY_MS = 30 * MINUTE;
/** After so long nobody wants a day's report any more. */
const GIVE_UP_MS = 3 * 24 * HOUR;

export function startDaily(options: DailyOptions): Daily {
  const { directory, log } = options;
  const clock = options.clock ?? Date.now;
  const delay = EARLIEST_MS + (options.random ?? Math.random)() * (LATEST_MS - EARLIEST_MS);
  let closed = false;
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => void run(), EVERY_MS);
  timer.unref();
  return {
    run,
    async close() {
      closed = true;
      clearInterval(timer);
      await running;
    },
  };

  function run(): Promise<void> {
    running = running.then(reportDays).catch((error: unknown) => {
      log.error({ event: "reports-failed", directory, error: String(error) });
    });
    return running;
  }

  async function reportDays(): Promise<void> {
    for (const day of await talliedDays(directory)) {
      const { end } = dayBounds(day);
      if (closed || clock() < end + delay) return;
      const complete = await reportDay(day);
      if (complete || clock() > end + GIVE_UP_MS) await forgetDay(directory, day);
    }
  }

  /** Whether nobody is left to be told. */
  async function reportDay(day: string): Promise<boolean> {
    const file = join(directory, `${day}.sent.json`);
    const sent = new Set(sentDomains(await readIfPresent(file)));
    let complete = true;
    for (const domain of await options.domains(day)) {
      if (closed) return false;
      if (sent.has(domain)) continue;
      const result = await options.report(domain, day);
      if (result === "later") complete = false;
      if (result !== "sent") continue;
      sent.add(domain);
      await writeDurably(file, JSON.stringify([...sent]));
    }
    return complete;
  }
}

function sentDomains(text: string | undefined): readonly string[] {
  try {
    const value: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
  } catch {
    return [];
  }
}
