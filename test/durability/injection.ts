/** Lets system calls of a running process fail, for a while, as a broken or full disk would: strace's fault injection. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

export interface Fault {
  /** "fsync,fdatasync" */
  readonly calls: string;
  readonly error: "EIO" | "ENOSPC";
  /** Only where this file or directory is touched. */
  readonly path?: string;
}

/** Runs `during` while the calls of the process, its threads and its children fail. */
export async function whileFailing<T>(pid: number, fault: Fault, during: () => Promise<T>): Promise<T> {
  const { calls, error, path } = fault;
  const processes = [pid, ...descendants(pid)].flatMap((each) => ["-p", String(each)]);
  const where = path === undefined ? [] : ["-P", path];
  const tracer = spawn(
    "strace",
    [
      "-f",
      ...processes,
      ...where,
      "-e",
      `trace=${calls}`,
      "-e",
      `inject=${calls}:error=${error}`,
      "-o",
      "/dev/null",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  await attached(tracer);
  try {
    return await during();
  } finally {
    const ended = new Promise((resolve) => tracer.once("exit", resolve));
    tracer.kill("SIGINT");
    await ended;
  }
}

function attached(tracer: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    tracer.stderr!.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      // One line for the process and, with its threads, one more for all.
      if (/Process \d+ attached/.test(said)) setTimeout(resolve, 100);
    });
    tracer.once("exit", () => reject(new Error(`strace ended: ${said}`)));
  });
}

function descendants(pid: number): number[] {
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "latin1");
        return [[Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])] as const];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
  const below = (parent: number): number[] =>
    parents.flatMap(([child, of]) => (of === parent ? [child, ...below(child)] : []));
  return below(pid);
}
