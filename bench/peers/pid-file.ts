import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

/** The process a daemon names in its file, which may come a moment after its port opens. */
export async function pidIn(file: string, timeoutMs = 60_000): Promise<number> {
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await delay(20)) {
    const pid = Number(await readFile(file, "utf8").catch(() => ""));
    if (pid > 0) return pid;
  }
  throw new Error(`${file} names no process after ${timeoutMs / 1000} s`);
}
