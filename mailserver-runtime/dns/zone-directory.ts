/**
 * The zones of a directory: one `<origin>.zone` file each, read at start and whenever something changes there.
 *
 * A file that is broken, or gone for a moment while an editor writes it, never takes a served zone down: the last good
 * one stays until a better one can be read, and the problem is told with file, line and reason. A file that was removed
 * takes its zone with it.
 */
import { watch } from "node:fs";
import { open, readdir } from "node:fs/promises";
import path from "node:path";
import type { Log } from "../net/log.ts";
import { domainName, isDomainName, parseMasterFile } from "./records.ts";
import { buildZone, type Zone, type Zones } from "./zone.ts";

/** What stands against a file. `line` is 0 where the file could not be read at all. */
export interface ZoneProblem {
  readonly file: string;
  readonly line: number;
  readonly reason: string;
}

export interface ZoneDirectory {
  /** The zones in force. */
  zones(): Zones;
  /** What is wrong in the files as last read. */
  problems(): readonly ZoneProblem[];
  /** Reads all files again; resolves when the result is in force. */
  reload(): Promise<void>;
  close(): void;
}

const SUFFIX = ".zone";
/** Some fifty thousand records fit; reading more would hold up everything else in the process. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
const MAX_FILES = 10_000;
/** An editor writes in several steps; one read after the last of them is enough. */
const SETTLE_MS = 100;

interface LoadedFile {
  readonly text: string;
  readonly zone?: Zone;
  readonly problems: readonly ZoneProblem[];
}

/** Opens a directory of zone files and watches it. A directory that is not there counts as a problem, not as an error. */
export async function openZoneDirectory(directory: string, log: Log): Promise<ZoneDirectory> {
  let files = new Map<string, LoadedFile>();
  let zones: Zones = new Map();
  let problems: readonly ZoneProblem[] = [];
  let closed = false;
  let watcher: { close(): void } | undefined;
  let settling: NodeJS.Timeout | undefined;
  let pending: Promise<void> = Promise.resolve();

  async function load(): Promise<void> {
    if (closed) return;
    watchOnce();
    const before = files;
    const found = await readZoneFiles(directory, before);
    if (!found.readable) {
      // A watch on a directory that went away sees nothing of the one that takes its place.
      watcher?.close();
      watcher = undefined;
    }
    files = found.files;
    const told = new Set(problems.map(problemText));
    problems = [...found.problems, ...[...files.values()].flatMap((file) => file.problems)];
    zones = new Map(
      [...files.values()].flatMap(({ zone }) => (zone === undefined ? [] : [[zone.origin, zone]])),
    );
    for (const problem of problems)
      if (!told.has(problemText(problem)))
        log.warn({ ...problem }, "zone file is broken; its last good content is served");
    if (files.size !== before.size || [...files].some(([name, file]) => before.get(name) !== file))
      log.info({ zones: zones.size, problems: problems.length }, "zones are in force");
  }

  function watchOnce(): void {
    if (watcher !== undefined || closed) return;
    try {
      const opened = watch(directory, { persistent: false }, () => {
        clearTimeout(settling);
        settling = setTimeout(
          () =>
            reload().catch((error: unknown) =>
              log.error({ error: reasonOf(error) }, "zones cannot be read again"),
            ),
          SETTLE_MS,
        );
        settling.unref();
      });
      opened.on("error", () => {
        opened.close();
        watcher = undefined;
      });
      watcher = opened;
    } catch {
      // The directory is not there yet, or watches are used up; reload() tries again.
    }
  }

  /** One reading after another, so that an older one never overwrites a newer one. */
  function reload(): Promise<void> {
    const reading = pending.then(load);
    pending = reading.catch(() => {});
    return reading;
  }

  await reload();
  return {
    zones: () => zones,
    problems: () => problems,
    reload,
    close() {
      closed = true;
      clearTimeout(settling);
      watcher?.close();
    },
  };
}

async function readZoneFiles(
  directory: string,
  before: Map<string, LoadedFile>,
): Promise<{ files: Map<string, LoadedFile>; problems: ZoneProblem[]; readable: boolean }> {
  let names: string[];
  try {
    names = (await readdir(directory))
      .filter((name) => name.endsWith(SUFFIX) && !name.startsWith("."))
      .sort();
  } catch (error) {
    // An unreadable directory is not an empty one: what was served stays.
    return {
      files: before,
      problems: [{ file: directory, line: 0, reason: reasonOf(error) }],
      readable: false,
    };
  }
  const problems: ZoneProblem[] = [];
  if (names.length > MAX_FILES)
    problems.push({
      file: directory,
      line: 0,
      reason: `only the first ${MAX_FILES} of ${names.length} zone files are read`,
    });
  const files = new Map<string, LoadedFile>();
  for (const name of names.slice(0, MAX_FILES)) {
    const file = await readZoneFile(path.join(directory, name), before.get(name));
    if (file !== undefined) files.set(name, file);
  }
  return { files, problems, readable: true };
}

async function readZoneFile(file: string, before: LoadedFile | undefined): Promise<LoadedFile | undefined> {
  const name = path.basename(file, SUFFIX);
  const failed = (text: string, reasons: readonly { line: number; reason: string }[]): LoadedFile => ({
    text,
    zone: before?.zone,
    problems: reasons.map(({ line, reason }) => ({ file, line, reason })),
  });
  if (!isDomainName(name))
    return failed("", [{ line: 0, reason: `"${name}" is not a domain name; name the file <origin>.zone` }]);
  let text: string;
  try {
    text = await readBounded(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    return failed(before?.text ?? "", [{ line: 0, reason: reasonOf(error) }]);
  }
  if (before !== undefined && before.text === text && before.problems.every((problem) => problem.line > 0))
    return before;
  const origin = domainName(name);
  const parsed = parseMasterFile(text, { origin });
  if (parsed.problems.length > 0) return failed(text, parsed.problems);
  const built = buildZone(origin, parsed.entries);
  return built.ok ? { text, zone: built.zone, problems: [] } : failed(text, built.problems);
}

async function readBounded(file: string): Promise<string> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    if (size > MAX_FILE_BYTES)
      throw new RangeError(`the file has ${size} bytes; at most ${MAX_FILE_BYTES} are read`);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function problemText(problem: ZoneProblem): string {
  return `${problem.file}:${problem.line}: ${problem.reason}`;
}
