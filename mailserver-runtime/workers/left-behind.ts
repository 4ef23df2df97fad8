/**
 * Workers whose first process has died. They end by themselves when they hear of it; one that is suspended, or at something
 * long, hears late, and would go on beside the next server with the accounts and the queue that are that one's now. So each
 * worker is written down before it is told to start, and who starts ends those that are left before it opens anything.
 */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { makeDirectory } from "../config/durable-file.ts";
import { startTime, thisProcess } from "../config/lock.ts";
import type { Log } from "../net/log.ts";
import type { Directories } from "../settings/directories.ts";

interface Noted {
  readonly startedAt: string;
  /** Boot and pid name space; the processes of another one have ended with it, or are behind its lease. */
  readonly world: string;
}
/** For the kernel to end a killed process. */
const END_MS = 10_000;

const folderOf = ({ state }: Pick<Directories, "state">): string => `${state}/workers`;

/** Writes down a process that is going to be a worker. Not synced: after a power loss there are no processes. */
export async function noteWorker(directories: Pick<Directories, "state">, pid: number): Promise<void> {
  await makeDirectory(folderOf(directories), 0o700);
  const { world } = await thisProcess();
  const noted: Noted = { startedAt: (await startTime(pid)) ?? "", world };
  await writeFile(`${folderOf(directories)}/${pid}`, JSON.stringify(noted), { mode: 0o600 });
}
/** It has ended. */
export async function forgetWorker(directories: Pick<Directories, "state">, pid: number): Promise<void> {
  await rm(`${folderOf(directories)}/${pid}`, { force: true });
}

/** Ends the workers of a dead server. Rejects where one of them cannot be ended: nothing may be opened then. */
export async function endLeftBehind(directories: Pick<Directories, "state">, log: Log): Promise<void> {
  const folder = folderOf(directories);
  const { world } = await thisProcess();
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = Number(name);
    const noted = await read(`${folder}/${name}`);
    const isAlive = async () => noted !== undefined && (await startTime(pid)) === noted.startedAt;
    if (noted?.world === world && (await isAlive())) {
      log.warn({ event: "worker-left-behind", workerPid: pid }, "a worker of the server before is ended");
      process.kill(pid, "SIGKILL");
      for (const deadline = Date.now() + END_MS; await isAlive(); await sleep(10))
        if (Date.now() > deadline)
          throw new Error(
            `process ${pid}, a worker of a server that has died, does not end; nothing is served beside it`,
          );
    }
    await forgetWorker(directories, pid);
  }
}

/** Undefined for what was cut off by the death of its writer: no worker was told to start then. */
async function read(path: string): Promise<Noted | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Noted;
  } catch {
    return undefined;
  }
}
