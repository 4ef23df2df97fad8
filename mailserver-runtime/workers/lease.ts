/**
 * One server for each volume: a file that its server renews every few seconds (DESIGN D7).
 *
 * Two servers on one queue send its mail twice, and two on one mail volume give the same UIDs to different messages; they
 * may sit in two containers, or on two hosts with a shared mount, where neither sees the other's socket or process. So
 * whoever starts reads the file. A holder of this host is asked for by its process id and start time; one from elsewhere
 * is believed while its file changes, which is watched rather than judged by clocks that may differ. A stale lease is
 * taken over with a notice. A holder that finds somebody else's lease (it was suspended, say) ends at once.
 *
 * None of this may depend on free space, or a full disk would end the server that could make room: a renewal touches the
 * file's time, and a little space is set aside beside it for the next one who takes it.
 */
import { readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { makeDirectory } from "../config/durable-file.ts";
import { startTime, thisProcess, withLock } from "../config/lock.ts";
import type { Log } from "../net/log.ts";

/** Another server has the volume; the message names it and the way out. */
export class LeaseHeld extends Error {
  override name = "LeaseHeld";
}

export interface LeaseOptions {
  /** The volume's directory; it is there. */
  readonly directory: string;
  /** Of the file in it. */
  readonly name: string;
  readonly log: Log;
  /** Somebody else has the lease now: this server must end. */
  readonly onLost: (reason: string) => void;
  /** Between two renewals. */
  readonly renewMs?: number;
  /** A holder from elsewhere that has not renewed for so long is dead. */
  readonly staleMs?: number;
}
export interface Lease {
  /** Lets the next server have it. */
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  readonly startedAt: string;
  /** Boot and pid name space. */
  readonly world: string;
  /** /etc/machine-id; "" where there is none, in most containers. */
  readonly machine: string;
  /** For people. */
  readonly since: string;
}
interface Record extends Holder {
  /** When the file was touched last, by its holder's clock; only a change means anything. */
  readonly renewed: number;
}

const RENEW_MS = 3000;
const STALE_MS = 10_000;
/** Set aside for taking the lease and its lock. */
const ROOM_BYTES = 64 * 1024;

/** Takes the lease. @throws {LeaseHeld} */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { directory, name, log, onLost, renewMs = RENEW_MS, staleMs = STALE_MS } = options;
  await makeDirectory(directory, 0o700);
  const path = `${directory}/${name}`;
  const me: Holder = {
    ...(await thisProcess()),
    machine: await machineId(),
    since: new Date().toISOString(),
  };
  const isMine = (record: Record | undefined) =>
    record !== undefined && record.pid === me.pid && record.since === me.since && record.world === me.world;
  const write = async () => {
    const beside = `${path}.${process.pid}`;
    await writeFile(beside, `${JSON.stringify(me)}\n`, { mode: 0o600 });
    await rename(beside, path);
  };
  const renew = async () => {
    const now = new Date();
    await utimes(path, now, now);
  };

  for (;;) {
    const holder = await read(path);
    const verdict = holder === undefined ? "free" : await judge(path, holder, me, staleMs);
    if (verdict === "alive" && holder !== undefined)
      throw new LeaseHeld(
        `another server has ${directory} since ${holder.since} (process ${holder.pid}, ${path}); stop it, or give this one directories of its own`,
      );
    const taken = await withRoom(path, () =>
      withLock(`${path}.lock`, async () => {
        const now = await read(path);
        if (now?.renewed !== holder?.renewed || now?.since !== holder?.since) return false;
        await write();
        return true;
      }),
    );
    if (!taken) continue;
    if (holder !== undefined)
      log.warn({ event: "lease-taken-over", path, pid: holder.pid, since: holder.since, reason: verdict });
    break;
  }

  let ended = false;
  const renewal = setInterval(async () => {
    try {
      const now = await read(path);
      if (ended) return;
      if (isMine(now)) await renew();
      else onLost(`${path} is ${now === undefined ? "gone" : `process ${now.pid}'s since ${now.since}`}`);
    } catch (error) {
      log.error({ event: "lease-not-renewed", path, err: error });
    }
  }, renewMs).unref();
  return {
    async release() {
      ended = true;
      clearInterval(renewal);
      await withRoom(path, () =>
        withLock(`${path}.lock`, async () => {
          if (isMine(await read(path))) await rm(path, { force: true });
        }),
      );
    },
  };
}

/** Whether the holder lives; else why it is taken for dead. */
async function judge(path: string, holder: Record, me: Holder, staleMs: number): Promise<string> {
  if (holder.world === me.world)
    return (await startTime(holder.pid)) === holder.startedAt ? "alive" : "its process has ended";
  const boot = (world: string) => world.split(" ")[0];
  if (holder.machine !== "" && holder.machine === me.machine && boot(holder.world) !== boot(me.world))
    return "this machine was started again since";
  for (const deadline = Date.now() + staleMs; Date.now() < deadline; await sleep(staleMs / 20)) {
    const now = await read(path);
    if (now === undefined) return "it was given back";
    if (now.renewed !== holder.renewed || now.since !== holder.since) return "alive";
  }
  return `it was not renewed for ${staleMs / 1000} s`;
}

/** Undefined where there is none; a torn one was left by a power loss. */
async function read(path: string): Promise<Record | undefined> {
  try {
    const { mtimeMs } = await stat(path);
    return { ...(JSON.parse(await readFile(path, "utf8")) as Holder), renewed: mtimeMs };
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Does the work; on a full disk with what is set aside for it, which is set aside again afterwards where it can be. */
async function withRoom<T>(path: string, work: () => Promise<T>): Promise<T> {
  const room = `${path}.room`;
  try {
    return await work();
  } catch (error) {
    if (!isFull(error)) throw error;
    await rm(room, { force: true });
    return await work();
  } finally {
    const size = await stat(room).then(
      (file) => file.size,
      () => 0,
    );
    if (size !== ROOM_BYTES)
      await writeFile(room, Buffer.alloc(ROOM_BYTES, "."), { mode: 0o600 }).catch(() =>
        rm(room, { force: true }),
      );
  }
}
function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
}

async function machineId(): Promise<string> {
  return (await readFile("/etc/machine-id", "utf8").catch(() => "")).trim();
}
