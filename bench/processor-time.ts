/** Processor time of a process and all its descendants, from /proc: what a server spends, however busy the machine is. */
import { readdirSync, readFileSync } from "node:fs";

/** The kernel's unit in /proc/<pid>/stat, USER_HZ. */
const MS_PER_TICK = 10;

export interface ProcessorTime {
  /** Milliseconds. */
  readonly user: number;
  readonly system: number;
}

/** Time used so far by these processes, their living descendants and the children they have waited for. */
export function processorTime(roots: readonly number[]): ProcessorTime {
  let user = 0;
  let system = 0;
  for (const pid of tree(roots)) {
    const fields = statOf(pid);
    if (fields === undefined) continue;
    user += Number(fields[11]) + Number(fields[13]);
    system += Number(fields[12]) + Number(fields[14]);
  }
  return { user: user * MS_PER_TICK, system: system * MS_PER_TICK };
}

/** The processes and all that descend from them. */
export function tree(roots: readonly number[]): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statOf(Number(name));
    if (fields === undefined) continue;
    const parent = Number(fields[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = new Set(roots);
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child);
  return [...found];
}

/** The fields of /proc/<pid>/stat from the third (state) on; the name before may hold anything. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** The same by the scheduler's own count, in nanoseconds: exact for what takes less than a tick; ended children are left out. */
export function processorNanoseconds(roots: readonly number[]): number {
  const { main, others } = threadNanoseconds(roots);
  return main + others;
}
/** The same, apart for the first threads of the processes, where the event loops run, and for all others. */
export function threadNanoseconds(roots: readonly number[]): {
  readonly main: number;
  readonly others: number;
} {
  let main = 0;
  let others = 0;
  for (const pid of tree(roots)) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        const [used] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ", 1);
        if (Number(thread) === pid) main += Number(used);
        else others += Number(used);
      }
    } catch {
      // It ended while it was looked at.
    }
  }
  return { main, others };
}

/** Memory of these processes and all that descend from them, in bytes; pages they share count once. */
export function residentMemory(roots: readonly number[]): number {
  let kibibytes = 0;
  for (const pid of tree(roots)) {
    try {
      kibibytes += Number(
        /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1] ?? 0,
      );
    } catch {
      // It ended while it was looked at.
    }
  }
  return kibibytes * 1024;
}
