/**
 * Every fsync that failed. The kernel may have dropped what it could not write, and a second fsync would not say so, so a
 * failure is final for its file (whoever asked is told no, and a later attempt makes a new one), and the disk is not to be
 * trusted until a person has looked: what failed stays here, in `status`, until the server is started again.
 *
 * One list a process, since the disk is one: the rooms that write name what they wrote, nobody else knows of it. A worker
 * passes on what it notes, so that the first process's list, which `status` shows, outlives it.
 */
import type { Log } from "../net/log.ts";

/** What failed, as one process tells another. */
export interface NotedFailure {
  readonly what: string;
  readonly code: string;
}
export interface SyncFailure extends NotedFailure {
  /** What was being made durable: "Writing a message into /var/mail/…". */
  readonly what: string;
  /** EIO, ENOSPC, EDQUOT … */
  readonly code: string;
  readonly count: number;
  readonly firstAt: Date;
  readonly lastAt: Date;
}

/** Different things that are told apart; beyond, the oldest is forgotten. */
const MOST = 100;
/** How often the log says the same again. */
const REPEAT_MS = 60_000;

export class SyncFailures {
  readonly #failures = new Map<string, SyncFailure>();
  readonly #saidAt = new Map<string, number>();
  #log: Log | undefined;
  #passOn: (failure: NotedFailure) => void = () => {};

  /** Where a failure is told from now on. */
  tellTo(log: Log): void {
    this.#log = log;
  }
  /** Each failure noted here is given there as well. */
  passTo(take: (failure: NotedFailure) => void): void {
    this.#passOn = take;
  }
  /** Takes note of what another process passed on, which has told the log. */
  take({ what, code }: NotedFailure): void {
    this.#add(what, code);
  }

  /** Takes note where the error is that of a sync; anything else is the caller's alone. */
  note(what: string, error: unknown): void {
    const { syscall, code = "unknown" } = error as NodeJS.ErrnoException;
    if (syscall !== "fsync" && syscall !== "fdatasync") return;
    const { count, lastAt } = this.#add(what, code);
    this.#passOn({ what, code });
    if (lastAt.getTime() - (this.#saidAt.get(what) ?? 0) < REPEAT_MS) return;
    this.#saidAt.set(what, lastAt.getTime());
    this.#log?.error(
      { event: "degraded", what, code, count },
      "the disk failed to keep what was written (fsync); look at it, and start the server again",
    );
  }

  #add(what: string, code: string): SyncFailure {
    const now = new Date();
    const known = this.#failures.get(what);
    const count = (known?.count ?? 0) + 1;
    const failure = { what, code, count, firstAt: known?.firstAt ?? now, lastAt: now };
    this.#failures.delete(what);
    this.#failures.set(what, failure);
    for (const oldest of this.#failures.keys())
      if (this.#failures.size > MOST) {
        this.#failures.delete(oldest);
        this.#saidAt.delete(oldest);
      }
    return failure;
  }

  list(): readonly SyncFailure[] {
    return [...this.#failures.values()];
  }
}

export const syncFailures = new SyncFailures();

/** A failure as `status` shows it. */
export function degradation({ what, code, count, lastAt }: SyncFailure) {
  const times = count === 1 ? "once" : `${count} times`;
  return {
    file: what.replace(/^.*?(?=\/)/, ""),
    line: 0,
    reason: `degraded: fsync failed ${times} (${code}), last at ${lastAt.toISOString()}: ${what}. Look at the disk, then start the server again.`,
  };
}
