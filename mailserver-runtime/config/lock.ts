/**
 * One writer at a time among all processes that change the same directories: the running server, `setup`,
 * an offline `admin`.
 *
 * Node has no flock(2), so the lock is a folder of numbered files of which the highest counts. Whoever finds
 * it free (or held by a process that is gone) creates the next number; the file system lets exactly one do
 * so. Releasing empties one's own number; the highest number is never deleted, so two who both saw a dead
 * holder can never both follow it.
 */
import { randomBytes } from "node:crypto";
import { link, mkdir, readdir, readFile, readlink, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UNFINISHED } from "./durable-file.ts";

/** Somebody else kept the lock for the whole time allowed; the message names the process. */
export class LockHeld extends Error {
  override name = "LockHeld";
}

/** Who holds the lock; `free` when nobody does. */
interface Holder {
  readonly pid: number;
  /** Start time in clock ticks since boot (/proc/<pid>/stat, field 22): a pid alone may be somebody new. */
  readonly startedAt: string;
  /** Boot and pid name space: a pid means nothing in another container. */
  readonly world: string;
}
type Record = Holder | "free";

/** A holder in another container cannot be asked whether it lives; a change takes far less than this. */
const FOREIGN_STALE_MS = 60_000;

/** In one process the callers line up here and never poll. */
const lines = new Map<string, Promise<unknown>>();

/**
 * Runs `work` while holding the lock that lives in `folder`.
 *
 * @throws {LockHeld} after `waitMs`; whatever `work` throws
 */
export async function withLock<T>(folder: string, work: () => Promise<T>, waitMs = 30_000): Promise<T> {
  const before = lines.get(folder) ?? Promise.resolve();
  const turn = before.then(async () => {
    const mine = await acquire(folder, Date.now() + waitMs);
    try {
      return await work();
    } finally {
      await release(folder, mine);
    }
  });
  const settled = turn.catch(() => undefined);
  lines.set(folder, settled);
  try {
    return await turn;
  } finally {
    if (lines.get(folder) === settled) lines.delete(folder);
  }
}

async function acquire(folder: string, deadline: number): Promise<number> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const me = JSON.stringify(await thisProcess());
  for (;;) {
    const highest = (await numbers(folder)).at(-1) ?? 0;
    const record = await read(folder, highest);
    if (record === "free" || (await gone(folder, highest, record))) {
      const mine = highest + 1;
      if ((await create(folder, mine, me)) && (await confirmed(folder, mine))) return mine;
      continue;
    }
    if (Date.now() > deadline)
      throw new LockHeld(
        `process ${record.pid} is changing the configuration and has not finished in time (lock: ${folder}); try again when it has ended`,
      );
    await sleep(10 + Math.random() * 30);
  }
}

/**
 * A slow looker may have created a number that others have already passed and cleared away: the highest
 * counts, so it looks once more before it believes itself.
 */
async function confirmed(folder: string, mine: number): Promise<boolean> {
  const all = await numbers(folder);
  if (all.at(-1) !== mine) {
    await rm(join(folder, String(mine)), { force: true });
    return false;
  }
  for (const old of all.slice(0, -1)) await rm(join(folder, String(old)), { force: true });
  return true;
}

/** Empties one's own number, which a full disk cannot refuse. */
function release(folder: string, mine: number): Promise<void> {
  return truncate(join(folder, String(mine)));
}

/** Creates the number with its content in one step (link fails where the name exists); whether we did. */
async function create(folder: string, number: number, content: string): Promise<boolean> {
  const beside = join(folder, `${UNFINISHED}${randomBytes(6).toString("hex")}`);
  await writeFile(beside, content);
  try {
    await link(beside, join(folder, String(number)));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(beside, { force: true });
  }
}

async function numbers(folder: string): Promise<number[]> {
  return (await readdir(folder))
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** An empty file was released; a torn one (power was cut: the lock is never synced) was left by a boot that has ended. */
async function read(folder: string, number: number): Promise<Record> {
  if (number === 0) return "free";
  try {
    const value = JSON.parse(await readFile(join(folder, String(number)), "utf8")) as unknown;
    if (typeof value === "object" && value !== null && "pid" in value) return value as Holder;
    return "free";
  } catch {
    return "free";
  }
}

async function gone(folder: string, number: number, holder: Holder): Promise<boolean> {
  const here = await thisProcess();
  if (holder.world === here.world) return (await startTime(holder.pid)) !== holder.startedAt;
  const file = await stat(join(folder, String(number))).catch(() => undefined);
  return file === undefined || Date.now() - file.mtimeMs > FOREIGN_STALE_MS;
}

export async function thisProcess(): Promise<Holder> {
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  const space = await readlink("/proc/self/ns/pid").catch(() => "");
  return {
    pid: process.pid,
    startedAt: (await startTime(process.pid)) ?? "",
    world: `${boot.trim()} ${space}`,
  };
}

/** Undefined when there is no such process. Where there is no /proc, a living pid counts as the same process. */
export async function startTime(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, "utf8");
    // The command's name, in parentheses, may hold anything; the fields begin behind it with field 3.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    // A dead one whose parent has not asked for its end yet.
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    try {
      process.kill(pid, 0);
      return "";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM" ? "" : undefined;
    }
  }
}
