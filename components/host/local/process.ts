/**
 * Processes of this machine, told apart for certain: a process id is used again after its process has ended, a process id
 * with its start time is not.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";

export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal for the same process only. On Linux field 22 of /proc/PID/stat: clock ticks since the boot. */
  readonly startTime: string;
}

/** The identity of a living process; undefined where none has this id, or it is a zombie. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  if (process.platform !== "linux") return identifyByPs(pid);
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined);
  // The second field is the command's name in parentheses and may hold anything, parentheses too.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const startTime = fields?.[19];
  if (!startTime || fields[0] === "Z") return undefined;
  return { pid, startTime };
}

async function identifyByPs(pid: number): Promise<ProcessIdentity | undefined> {
  const answer = await promisify(execFile)("ps", ["-o", "lstart=", "-p", String(pid)]).catch(() => undefined);
  const startTime = answer?.stdout.trim();
  return startTime ? { pid, startTime } : undefined;
}

/** Whether exactly this process still runs. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.startTime === identity.startTime;
}

/** Sends the signal to exactly this process; false when it is gone. */
export async function signal(identity: ProcessIdentity, name: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(identity))) return false;
  try {
    process.kill(identity.pid, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Waits for the process to end; false when it still runs after `milliseconds`. */
export async function ended(identity: ProcessIdentity, milliseconds: number): Promise<boolean> {
  const until = Date.now() + milliseconds;
  while (await isAlive(identity)) {
    if (Date.now() >= until) return false;
    await wait(20);
  }
  return true;
}
