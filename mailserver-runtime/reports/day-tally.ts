/**
 * Counts of what happened, by day: the ground of reports about others that are sent daily (RFC 8460, RFC 9990).
 *
 * A *row* is a plain object that says what happened; equal rows are counted together. Counting costs a look into a map and
 * no file: once a minute, and at the end, the day's rows are written to a file of this process's own, whole. A process that
 * is killed loses the counts of its last minute. Rows are bounded; what comes above the bound is counted as dropped.
 *
 * A day is one of UTC (RFC 8460 §4.1), `2026-11-26`; its files are `<day>.<process>.jsonl`, each line a count and a row.
 */
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfPresent, removeDurably, UNFINISHED, writeDurably } from "../config/durable-file.ts";
import type { Log } from "../net/log.ts";

export interface DayTallyOptions {
  readonly directory: string;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  /** Different rows of one day in one process. */
  readonly maxRows?: number;
}
export interface Counted<Row> {
  readonly row: Row;
  readonly count: number;
}

const FLUSH_MS = 60_000;
const MAX_ROWS = 20_000;
/** Rows of one day over all processes that are read. */
const MAX_ROWS_READ = 200_000;
const DAY_MS = 86_400_000;
const FILE = /^(\d{4}-\d\d-\d\d)\.[0-9a-f]+\.jsonl$/;

interface Day {
  readonly counts: Map<string, number>;
  dropped: number;
  dirty: boolean;
}

export class DayTally<Row extends object> {
  readonly #options: DayTallyOptions;
  readonly #clock: () => number;
  readonly #process = randomBytes(6).toString("hex");
  readonly #days = new Map<string, Day>();
  readonly #timer: NodeJS.Timeout;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: DayTallyOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS);
    this.#timer.unref();
  }

  /** Counts a row in the day of now. Rows are equal when their JSON is: build them with their keys in one order. */
  add(row: Row): void {
    const name = dayOf(this.#clock());
    let day = this.#days.get(name);
    if (day === undefined) {
      day = { counts: new Map(), dropped: 0, dirty: false };
      this.#days.set(name, day);
    }
    const key = JSON.stringify(row);
    const before = day.counts.get(key);
    if (before === undefined && day.counts.size >= (this.#options.maxRows ?? MAX_ROWS)) {
      if (day.dropped === 0)
        this.#options.log.warn({ event: "tally-full", directory: this.#options.directory, day: name });
      day.dropped += 1;
      return;
    }
    day.counts.set(key, (before ?? 0) + 1);
    day.dirty = true;
  }

  /** Writes what has changed; on disk when it resolves. A disk that fails is named in the log, and tried again. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  async #write(): Promise<void> {
    const today = dayOf(this.#clock());
    for (const [name, day] of this.#days) {
      try {
        if (day.dirty) {
          day.dirty = false;
          const lines = [...day.counts].map(([row, count]) => `[${count},${row}]\n`);
          const file = `${name}.${this.#process}.jsonl`;
          await writeDurably(join(this.#options.directory, file), lines.join(""));
        }
        if (name !== today) this.#days.delete(name);
      } catch (error) {
        day.dirty = true;
        this.#options.log.error({
          event: "tally-unwritten",
          directory: this.#options.directory,
          error: String(error),
        });
      }
    }
  }
}

export const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);
/** Milliseconds since the epoch: the day's first moment, and the first after it. */
export const dayBounds = (day: string): { readonly begin: number; readonly end: number } => {
  const begin = Date.parse(`${day}T00:00:00Z`);
  return { begin, end: begin + DAY_MS };
};

/** The days that have files, oldest first. */
export async function talliedDays(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch(absent);
  return [...new Set(names.flatMap((name) => FILE.exec(name)?.[1] ?? []))].sort();
}

/** The rows of a day, over all processes; `parse` gives undefined for what is no row. */
export async function readDay<Row extends object>(
  directory: string,
  day: string,
  parse: (value: unknown) => Row | undefined,
): Promise<readonly Counted<Row>[]> {
  const counts = new Map<string, { row: Row; count: number }>();
  for (const name of await readdir(directory).catch(absent)) {
    if (name.startsWith(UNFINISHED) || FILE.exec(name)?.[1] !== day) continue;
    for (const line of ((await readIfPresent(join(directory, name))) ?? "").split("\n")) {
      const found = countedRow(line, parse);
      if (found === undefined) continue;
      const key = JSON.stringify(found.row);
      const sum = counts.get(key);
      if (sum !== undefined) sum.count += found.count;
      else if (counts.size < MAX_ROWS_READ) counts.set(key, { ...found });
    }
  }
  return [...counts.values()];
}

/** Removes a day's files. */
export async function forgetDay(directory: string, day: string): Promise<void> {
  for (const name of await readdir(directory).catch(absent))
    if (name.startsWith(`${day}.`)) await removeDurably(join(directory, name));
}

function countedRow<Row>(line: string, parse: (value: unknown) => Row | undefined): Counted<Row> | undefined {
  if (line === "") return undefined;
  try {
    const value: unknown = JSON.parse(line);
    if (!Array.isArray(value) || typeof value[0] !== "number") return undefined;
    const row = parse(value[1]);
    return row === undefined ? undefined : { row, count: value[0] };
  } catch {
    return undefined;
  }
}

function absent(error: unknown): string[] {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
  throw error;
}
