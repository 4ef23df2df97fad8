/**
 * The lock on a stack, exactly Pulumi's (pkg/backend/diy/lock.go): a file
 * `locks/organization/<project>/<stack>/<uuid>.json` that says `{pid, username, hostname, timestamp}`. Any other
 * file in the directory means that somebody works on the stack, the CLI or we.
 *
 * Two things are done better than there: of two that come at the same moment the earlier one wins instead of both
 * losing, and a lock whose process on this host is gone is taken over, with a notice.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EngineError } from "../errors.ts";

/** Who holds a lock, as its file says. */
export interface LockHolder {
  pid: number;
  username: string;
  hostname: string;
  timestamp: string;
}

/** A lock file found; without a holder when it cannot be read. */
export interface FoundLock {
  path: string;
  holder?: LockHolder;
}

export interface Lock {
  /** Locks of dead processes that were removed on the way. */
  takenOver: LockHolder[];
  release(): Promise<void>;
}

/** How long the earlier of two simultaneous comers waits for the later one to step back. */
const STEP_BACK_MS = 2_000;

/** The locks on a stack. */
export async function findLocks(directory: string): Promise<FoundLock[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const found = await Promise.all(
    names
      .filter((name) => name.endsWith(".json"))
      .map(async (name): Promise<FoundLock | undefined> => {
        const path = join(directory, name);
        try {
          return { path, holder: readHolder(await readFile(path, "utf8")) };
        } catch (error) {
          return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : { path };
        }
      }),
  );
  return found.filter((lock) => lock !== undefined);
}

function readHolder(text: string): LockHolder {
  const value = JSON.parse(text) as Partial<LockHolder>;
  if (
    typeof value.pid !== "number" ||
    typeof value.hostname !== "string" ||
    typeof value.timestamp !== "string"
  ) {
    throw new SyntaxError("not a lock");
  }
  return {
    pid: value.pid,
    username: String(value.username),
    hostname: value.hostname,
    timestamp: value.timestamp,
  };
}

/** Whether the process that wrote a lock still runs, as far as this host can know: "elsewhere" for other hosts. */
export async function holderState(holder: LockHolder): Promise<"alive" | "dead" | "elsewhere"> {
  if (holder.hostname !== hostname()) return "elsewhere";
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return "dead";
  }
  const started = await processStart(holder.pid);
  // The number was given to a newer process: the one that wrote the lock is gone.
  return started !== undefined && started > Date.parse(holder.timestamp) + 2_000 ? "dead" : "alive";
}

/** When a process started, in milliseconds since 1970; undefined where /proc does not tell. */
async function processStart(pid: number): Promise<number | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const boot = /^btime (\d+)$/m.exec(await readFile("/proc/stat", "utf8"))?.[1];
    // proc(5): field 22, in clock ticks of a hundredth of a second; the name in field 2 may hold spaces.
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return boot === undefined || ticks === undefined ? undefined : Number(boot) * 1000 + Number(ticks) * 10;
  } catch {
    return undefined;
  }
}

/** "pid 4711 of anna on mx1, since 2026-08-01T10:00:00Z" */
export const describeHolder = (holder: LockHolder): string =>
  `pid ${holder.pid} of ${holder.username} on ${holder.hostname}, since ${holder.timestamp}`;

function lockedError(stack: string, locks: FoundLock[]): EngineError {
  const who = locks.map((lock) =>
    lock.holder ? describeHolder(lock.holder) : "somebody whose lock file cannot be read",
  );
  return new EngineError(
    "locked",
    `stack '${stack}' is in use by ${who.join(" and ")}. Wait for it to end; if nothing runs there any more, ` +
      `'mailkeep cancel --stack ${stack}' removes the lock (${locks.map((lock) => lock.path).join(", ")}).`,
  );
}

/** Takes the lock. Throws `locked`, naming who holds it. */
export async function takeLock(directory: string, stack: string): Promise<Lock> {
  const takenOver: LockHolder[] = [];
  const others = async (own?: string): Promise<FoundLock[]> => {
    const living: FoundLock[] = [];
    for (const lock of await findLocks(directory)) {
      if (lock.path === own) continue;
      if (lock.holder && (await holderState(lock.holder)) === "dead") {
        await rm(lock.path, { force: true });
        takenOver.push(lock.holder);
      } else {
        living.push(lock);
      }
    }
    return living;
  };

  const before = await others();
  if (before.length > 0) throw lockedError(stack, before);

  const path = join(directory, `${randomUUID()}.json`);
  const timestamp = new Date().toISOString();
  const holder: LockHolder = {
    pid: process.pid,
    username: userInfo().username,
    hostname: hostname(),
    timestamp,
  };
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(path, JSON.stringify(holder), { flag: "wx", mode: 0o600 });
  const release = () => rm(path, { force: true });

  // Who came at the same moment sees our file as we see theirs: the later one steps back, the CLI always does.
  const deadline = Date.now() + STEP_BACK_MS;
  for (;;) {
    const rivals = await others(path);
    if (rivals.length === 0) return { takenOver, release };
    const earlier = rivals.some(({ holder: rival, path: other }) => {
      const ahead = rival === undefined ? 0 : Date.parse(rival.timestamp) - Date.parse(timestamp);
      return ahead < 0 || (ahead === 0 && other < path);
    });
    if (earlier || Date.now() > deadline) {
      await release();
      throw lockedError(stack, rivals);
    }
    await sleep(20);
  }
}
