/**
 * The configuration of a mail host: DMS's text files and variables and the stack's declared objects,
 * compiled into one immutable snapshot (D5) that is swapped as a whole when files change.
 *
 * Promises: a file that cannot be understood never takes effect (its last good content stays, and the
 * problem names file, line and reason); a request that took a snapshot sees one truth to its end; look-ups
 * cost the same for ten accounts and a hundred thousand. Reads only: what changes files is in `admin/` and
 * `cli/`, under the lock of `lock.ts`.
 */
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { Log } from "../net/log.ts";
import type { Directories } from "../settings/directories.ts";
import { environmentSettings, mergedSettings } from "../settings/environment.ts";
import { parseSettings } from "../settings/parse.ts";
import type { Settings } from "../settings/schema.ts";
import { compileSnapshot, type SourceValues } from "./compile.ts";
import { firstProblems } from "./problems.ts";
import type { Configuration, ConfigurationProblem, Snapshot } from "./snapshot.ts";
import { type Sources, sourcesOf, watched } from "./sources.ts";
import { STACK_SETTINGS } from "./stack/files.ts";
import { watchFolders } from "./watch.ts";

export interface ConfigurationOptions {
  readonly log: Log;
  /** DMS's variables; `process.env` as a rule. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** false: files are read when `reload` is called and only then. Default true. */
  readonly watch?: boolean;
  /** Looks at the files this often where the kernel's events do not come; default DMS_CONFIG_POLL or 2 s. */
  readonly pollMs?: number;
}

/** Of postfix-main.cf; more are counted, not told. */
const MOST_PROBLEMS = 100;

/** The settings cannot be used and there are no earlier ones to keep; the message names file and key. */
export class UnusableSettings extends Error {
  override name = "UnusableSettings";
}

/**
 * Reads everything and, unless told otherwise, keeps watching.
 *
 * @throws {UnusableSettings} starting with other settings than the declared ones would open other ports
 */
export async function openConfiguration(
  directories: Directories,
  options: ConfigurationOptions,
): Promise<Configuration> {
  const { log } = options;
  const sources = sourcesOf(directories);
  const environment = environmentSettings(options.env, readSecretFile);
  const listeners = new Set<(snapshot: Snapshot) => void>();
  let settings: Settings | undefined;
  let snapshot: Snapshot | undefined;
  let mounted = true;
  let closed = false;

  async function load(): Promise<Snapshot> {
    // A volume that is not mounted must never look like an administrator who deleted everything.
    if (snapshot !== undefined && !existsSync(directories.config)) return keepEverything(snapshot);
    const back = !mounted;
    mounted = true;
    let changed = snapshot === undefined || back;
    for (const source of Object.values(sources)) changed = (await source.refresh()) || changed;
    if (snapshot !== undefined && !changed) return snapshot;
    const postfix = sources.postfixMain.value(String(environment.values.hostname ?? hostname()));
    const settingsProblems = readSettings(postfix.settings);
    const next = await compileSnapshot({
      generation: (snapshot?.generation ?? 0) + 1,
      directories,
      settings: settings!,
      values: valuesOf(sources),
      postfix,
      problems: [
        ...settingsProblems,
        ...firstProblems(postfix.problems, MOST_PROBLEMS),
        ...Object.values(sources).flatMap(({ problems }) => problems),
      ],
    });
    return swap(next);
  }

  function readSettings(ofPostfix: object): ConfigurationProblem[] {
    const problems: ConfigurationProblem[] = environment.problems.map(({ variable, reason }) => ({
      file: "environment",
      line: 0,
      reason: `${variable}: ${reason}`,
    }));
    const own = { hostname: hostname() };
    const under = mergedSettings(mergedSettings(own, environment.values), ofPostfix);
    const parsed = parseSettings(mergedSettings(under, sources.stackSettings.value));
    if (parsed.ok) settings = parsed.settings;
    else problems.push(...parsed.problems.map(({ reason }) => ({ file: STACK_SETTINGS, line: 0, reason })));
    if (settings === undefined || (snapshot === undefined && sources.stackSettings.problems.length > 0))
      throw new UnusableSettings(
        [...sources.stackSettings.problems, ...problems]
          .map(({ file, reason }) => `${file}: ${reason}`)
          .join("; "),
      );
    return problems;
  }

  function keepEverything(present: Snapshot): Snapshot {
    if (!mounted) return present;
    mounted = false;
    const reason = `the directory ${directories.config} is not there; everything it held stays in force`;
    return swap({
      ...present,
      generation: present.generation + 1,
      problems: [{ file: ".", line: 0, reason }, ...present.problems],
    });
  }

  function swap(next: Snapshot): Snapshot {
    const known = new Set(snapshot?.problems.map(problemText));
    for (const problem of next.problems)
      if (!known.has(problemText(problem))) log.warn({ ...problem }, "configuration problem");
    snapshot = next;
    for (const listener of listeners) listener(next);
    return next;
  }

  const reload = coalesced(load);
  const first = await reload();
  log.info({ accounts: first.accountCount, problems: first.problems.length }, "configuration read");
  const pollMs = options.pollMs ?? Math.max(0.1, Number(options.env.DMS_CONFIG_POLL) || 2) * 1000;
  const watcher =
    options.watch === false
      ? undefined
      : watchFolders(directories.config, watched, pollMs, () => {
          reload().catch((error: unknown) =>
            log.error({ reason: String(error) }, "the configuration could not be read; the last one stays"),
          );
        });
  return {
    current: () => snapshot!,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    reload: async () => (closed ? snapshot! : reload()),
    async close() {
      closed = true;
      watcher?.close();
      listeners.clear();
    },
  };
}

/**
 * One at a time; everyone who asks while one runs shares the next, which begins after they asked. So the
 * answer holds what the caller wrote before, and a hundred callers cost two runs.
 */
function coalesced<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> | undefined;
  let following: Promise<T> | undefined;
  const run = () => {
    const mine = work();
    const settled = mine
      .catch(() => undefined)
      .then(() => {
        if (running === settled) running = undefined;
      });
    running = settled;
    return mine;
  };
  return () => {
    if (running === undefined && following === undefined) return run();
    following ??= Promise.resolve(running).then(() => {
      following = undefined;
      return run();
    });
    return following;
  };
}

function valuesOf(sources: Sources): SourceValues {
  return Object.fromEntries(
    Object.entries(sources).map(([name, source]) => [name, source.value]),
  ) as unknown as SourceValues;
}

function problemText({ file, line, reason }: ConfigurationProblem): string {
  return `${file}:${line}:${reason}`;
}

function readSecretFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
