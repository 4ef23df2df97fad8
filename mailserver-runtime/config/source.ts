/**
 * One input of the configuration: a file or a folder, read again only when it changed, whose last good
 * content stays when what is there now cannot be understood.
 */
import { readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { LineParser, LineProblem, Parsed } from "./dms/lines.ts";
import { UNFINISHED } from "./durable-file.ts";
import { paced } from "./pace.ts";
import { firstProblems } from "./problems.ts";
import type { ConfigurationProblem } from "./snapshot.ts";

/** Gives what a file holds now; `read` is called again and again. */
export interface Source<T> {
  readonly value: T;
  readonly problems: readonly ConfigurationProblem[];
  /** Looks at the file system; whether value or problems changed. */
  refresh(): Promise<boolean>;
}

/** Larger files are not configuration: reading one would fill memory. */
const LARGEST_FILE = 256 * 1024 * 1024;
/** Smaller ones are read at once: the way through the thread pool takes longer. */
const SMALL_FILE = 64 * 1024;
/** More of one source are counted, not told. */
const MOST_PROBLEMS = 50;
/** So many files are looked at before the event loop gets a turn. */
const FILES_PER_TURN = 250;

const nothing: Parsed<never> = { entries: [], problems: [] };

/** A DMS file with one entry a line. A missing file has no entries. */
export function lineSource<Entry>(
  config: string,
  file: string,
  parse: LineParser<Entry>,
): Source<readonly Entry[]> {
  let signature = "never read";
  let good = false;
  let current: Parsed<Entry> = nothing;
  let problems: readonly ConfigurationProblem[] = [];
  return {
    get value() {
      return current.entries;
    },
    get problems() {
      return problems;
    },
    async refresh() {
      const now = look(join(config, file));
      if (now.signature === signature) return false;
      const read = now.stats === undefined ? nothing : await parseFile(join(config, file), now.stats, parse);
      signature = now.signature;
      problems = firstProblems(read.problems, MOST_PROBLEMS).map(({ line, reason }) => ({
        file,
        line,
        reason,
      }));
      // Until a version was good there is nothing better than the lines that can be understood.
      if (read.problems.length === 0 || !good) current = read;
      // A missing file is no version: what comes after it is judged as the first one is.
      if (now.stats === undefined) good = false;
      else good ||= read.problems.length === 0;
      return true;
    },
  };
}

/** A file that says nothing to this server but what each of its lines would need instead. */
export function problemSource(
  config: string,
  file: string,
  judge: (text: string) => readonly LineProblem[],
): Source<undefined> {
  return wholeFile(config, file, undefined, (text) => ({ value: undefined, problems: judge(text) }));
}

/** A file with a single value, and what counts where there is none. */
export function fileSource<T>(
  config: string,
  file: string,
  parse: (text: string) => T,
  missing: T,
): Source<T> {
  return wholeFile(config, file, missing, (text) => ({ value: parse(text), problems: [] }));
}

/** A file that is read in one piece. Where `read` throws, the value that was read before stays. */
function wholeFile<T>(
  config: string,
  file: string,
  missing: T,
  read: (text: string) => { readonly value: T; readonly problems: readonly LineProblem[] },
): Source<T> {
  let signature = "never read";
  let value = missing;
  let problems: readonly ConfigurationProblem[] = [];
  return {
    get value() {
      return value;
    },
    get problems() {
      return problems;
    },
    async refresh() {
      const now = look(join(config, file));
      if (now.signature === signature) return false;
      signature = now.signature;
      try {
        const found =
          now.stats === undefined
            ? { value: missing, problems: [] }
            : read(readText(join(config, file), now.stats));
        value = found.value;
        problems = firstProblems(found.problems, MOST_PROBLEMS).map((one) => ({ file, ...one }));
      } catch (error) {
        problems = [{ file, line: 0, reason: reasonOf(error) }];
      }
      return true;
    },
  };
}

/** The objects of a folder, one a file, by file name. */
export function folderSource<T>(
  config: string,
  folder: string,
  suffix: string,
  parse: (text: string, file: string) => T,
): Source<ReadonlyMap<string, T>> {
  interface Known {
    readonly signature: string;
    readonly value: T | undefined;
    readonly problem: ConfigurationProblem | undefined;
  }
  let known = new Map<string, Known>();
  let value: ReadonlyMap<string, T> = new Map();
  let problems: readonly ConfigurationProblem[] = [];

  function readOne(name: string): Known {
    const file = `${folder}/${name}`;
    const before = known.get(name);
    const now = look(join(config, file));
    if (before?.signature === now.signature) return before;
    if (now.stats === undefined) return { signature: now.signature, value: undefined, problem: undefined };
    try {
      const read = parse(readText(join(config, file), now.stats), file);
      return { signature: now.signature, value: read, problem: undefined };
    } catch (error) {
      const problem = { file, line: 0, reason: reasonOf(error) };
      return { signature: now.signature, value: before?.value, problem };
    }
  }

  return {
    get value() {
      return value;
    },
    get problems() {
      return problems;
    },
    async refresh() {
      const names = namesIn(join(config, folder)).filter(
        (name) => name.endsWith(suffix) && !name.startsWith(UNFINISHED),
      );
      const next = new Map<string, Known>();
      let changed = names.length !== known.size;
      for (const [index, name] of names.entries()) {
        if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await setImmediate();
        const one = readOne(name);
        changed ||= one !== known.get(name);
        next.set(name, one);
      }
      if (!changed) return false;
      known = next;
      value = new Map(
        [...next].flatMap(([name, one]) => (one.value === undefined ? [] : [[name, one.value] as const])),
      );
      const all = [...next.values()].flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
      problems = firstProblems(all, MOST_PROBLEMS);
      return true;
    },
  };
}

/** Names in a folder; none when it is not there. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

export interface Look {
  readonly signature: string;
  readonly stats: Stats | undefined;
}

/** A file that is replaced has another inode; one that is written into has another time or size. */
export function look(path: string): Look {
  // Synchronous on purpose: a stat of a cached inode takes microseconds, its way through the thread pool ten times that.
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return { signature: "absent", stats: undefined };
  return { signature: `${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`, stats };
}

async function parseFile<Entry>(
  path: string,
  stats: Stats,
  parse: LineParser<Entry>,
): Promise<Parsed<Entry>> {
  try {
    return await paced(parse.steps(await readTextLater(path, stats)));
  } catch (error) {
    return { entries: [], problems: [{ line: 0, reason: reasonOf(error) }] };
  }
}

/** The same without keeping the event loop while the disk works: for files that may be large. */
async function readTextLater(path: string, stats: Stats): Promise<string> {
  if (stats.size < SMALL_FILE) return readText(path, stats);
  checkSize(stats);
  return readFile(path, "utf8");
}

/** @throws {Error} for what is no file, or too large to be configuration */
export function readText(path: string, stats: Stats): string {
  checkSize(stats);
  return readFileSync(path, "utf8");
}

function checkSize(stats: Stats): void {
  if (!stats.isFile()) throw new Error("this is not a file");
  if (stats.size > LARGEST_FILE)
    throw new Error(`the file has ${stats.size} bytes, more than ${LARGEST_FILE}`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
