/**
 * Notices what others do in a folder's `new` and `cur` while it is in memory: inotify where it works, and a
 * slow look at the directories' times everywhere, because some file systems (NFS, a few overlays) tell nothing.
 *
 * Our own renames cause events too. So an event is only a hint: `isForeign` says, for the file it names,
 * whether the disk differs from what we know, and only then is the folder looked at.
 */
import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";

/** Hints wait this long for others, so that a storm of events is one look. */
const SETTLE_MS = 30;
/** Events of our own come within this time. */
const EXPECTED_MS = 2000;
/** More hints than this are not looked at one by one. */
const MANY = 500;
const POLL_WATCHED_MS = 300_000;
const POLL_UNWATCHED_MS = 15_000;

/** Where something changed: in `new` alone, or anywhere. */
export type Scope = "new" | "all";

export interface FolderWatchEvents {
  /** Does the disk differ from what is known at this file, "new/…" or "cur/…"? */
  isForeign(file: string): boolean;
  /** Something changed: the folder is to be compared. */
  changed(): void;
}

/** The first watch of a process loads what watching needs: that is not for somebody's SELECT to wait for. */
export function prepareWatching(directory: string): void {
  try {
    watch(directory, { persistent: false }).close();
  } catch {
    // The poll does it; see below.
  }
}

export class FolderWatch {
  readonly #directory: string;
  readonly #events: FolderWatchEvents;
  readonly #watchers: FSWatcher[] = [];
  #hints = new Set<string>();
  /** Files of our own renames, whose events mean nothing. */
  readonly #expected = new Set<string>();
  #forgetting: NodeJS.Timeout | undefined;
  /** What was told by `changed` and not yet looked at. */
  #unlooked: Scope | undefined;
  #settling: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  #seen = "";
  #closed = false;

  constructor(directory: string, events: FolderWatchEvents) {
    this.#directory = directory;
    this.#events = events;
    try {
      for (const part of ["new", "cur"]) {
        const watcher = watch(
          `${directory}/${part}`,
          { encoding: "latin1", persistent: false },
          (_, file) => {
            this.#hint(typeof file === "string" ? `${part}/${file}` : undefined);
          },
        );
        watcher.on("error", () => this.#unwatch());
        this.#watchers.push(watcher);
      }
    } catch {
      // No watches left (ENOSPC, EMFILE): the poll does it.
      this.#unwatch();
    }
    this.#pollLater();
  }

  get isWatching(): boolean {
    return this.#watchers.length > 0;
  }

  /** Where something changed that is not ours; every change made before the call counts. */
  async foreignChange(): Promise<Scope | undefined> {
    if (!this.isWatching) return (await this.#timesChanged()) ? "all" : this.#unlooked;
    // Two turns: events that the kernel has are read in the poll phase between them.
    await turn();
    await turn();
    const settled = this.#settle();
    return settled === "all" || this.#unlooked === "all" ? "all" : (settled ?? this.#unlooked);
  }

  /** To be called when the folder begins to be looked at: what was told before is seen by that. */
  looking(scope: Scope): void {
    if (scope === "all" || this.#unlooked === "new") this.#unlooked = undefined;
  }
  #tell(scope: Scope): void {
    if (this.#unlooked !== "all") this.#unlooked = scope;
    this.#events.changed();
  }

  /** We are about to rename or unlink this file: one event of it is ours. */
  expect(file: string): void {
    if (!this.isWatching) return;
    this.#expected.add(file);
    // An event that was merged with another must not hide one of somebody else later.
    this.#forgetting ??= setTimeout(() => {
      this.#forgetting = undefined;
      this.#expected.clear();
    }, EXPECTED_MS).unref();
  }

  #hint(file: string | undefined): void {
    if (this.#closed || (file !== undefined && this.#expected.delete(file))) return;
    // After MANY the set only says that there were many.
    if (file === undefined) for (let i = 0; i <= MANY; i++) this.#hints.add(`?${i}`);
    else if (this.#hints.size <= MANY) this.#hints.add(file);
    this.#settling ??= setTimeout(() => {
      const scope = this.#settle();
      if (scope !== undefined) this.#tell(scope);
    }, SETTLE_MS).unref();
  }
  #settle(): Scope | undefined {
    clearTimeout(this.#settling);
    this.#settling = undefined;
    const hints = this.#hints;
    if (hints.size === 0) return undefined;
    this.#hints = new Set();
    if (hints.size > MANY) return "all";
    const foreign = [...hints].filter((file) => this.#events.isForeign(file));
    if (foreign.length === 0) return undefined;
    return foreign.every((file) => file.startsWith("new/")) ? "new" : "all";
  }

  #unwatch(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    if (this.#poll !== undefined) {
      clearTimeout(this.#poll);
      this.#pollLater();
    }
  }
  #pollLater(): void {
    if (this.#closed) return;
    this.#poll = setTimeout(
      () => {
        this.#timesChanged()
          .then((changed) => {
            if (changed && !this.#closed) this.#tell("all");
          })
          .finally(() => this.#pollLater());
      },
      this.isWatching ? POLL_WATCHED_MS : POLL_UNWATCHED_MS,
    ).unref();
  }
  /** Ours count too: what changed since the last look is looked at once more. A folder that cannot be read has changed. */
  async #timesChanged(): Promise<boolean> {
    let times: string;
    try {
      const parts = await Promise.all(
        ["new", "cur"].map((part) => stat(`${this.#directory}/${part}`, { bigint: true })),
      );
      times = parts.map((stats) => `${stats.ino} ${stats.mtimeNs}`).join(" ");
      // A time of this very tick may hide a change yet to come.
      if (parts.some((stats) => Date.now() - Number(stats.mtimeMs) < 20)) times = "";
    } catch {
      return true;
    }
    const changed = times !== this.#seen || times === "";
    this.#seen = times;
    return changed;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#settling);
    clearTimeout(this.#poll);
    clearTimeout(this.#forgetting);
    this.#poll = undefined;
    this.#unwatch();
  }
}
