/**
 * A write that found no room (ENOSPC, EDQUOT): told in the log once a minute with the number since, because a full disk
 * meets every message, and one more line for each would fill what is left. One for a process, as `sync-failures.ts`.
 */
import type { Log } from "../net/log.ts";

const REPEAT_MS = 60_000;

export function isFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOSPC" || code === "EDQUOT";
}

class FullDisk {
  #log: Log | undefined;
  #saidAt = Number.NEGATIVE_INFINITY;
  #unsaid = 0;

  /** Where it is told from now on. */
  tellTo(log: Log): void {
    this.#log = log;
  }
  /** Takes note where the error is that of a full disk; anything else is the caller's alone. */
  note(what: string, error: unknown): void {
    if (!isFull(error)) return;
    this.#unsaid += 1;
    const now = Date.now();
    if (now - this.#saidAt < REPEAT_MS) return;
    const { code } = error as NodeJS.ErrnoException;
    this.#log?.error(
      { event: "disk-full", what, code, times: this.#unsaid },
      "the disk is full; free space there",
    );
    this.#saidAt = now;
    this.#unsaid = 0;
  }
}

export const fullDisk = new FullDisk();
