/**
 * Syncs in rounds: what asks while a round runs is synced together in the next.
 *
 * A file system's journal commits for many as fast as for one, so syncs that begin together cost half the
 * processor time of syncs that follow each other (measured on ext4: 7,500 deliveries a second instead of
 * 5,200 at fifty at a time). Each task keeps its own outcome: one that fails fails for those that asked for it.
 */
export class SyncRounds<T> {
  readonly #sync: (what: T) => Promise<void>;
  #waiting = new Map<T, PromiseWithResolvers<void>>();
  /** What the round under way syncs. */
  #round: ReadonlyMap<T, unknown> = new Map();
  #running = false;

  constructor(sync: (what: T) => Promise<void>) {
    this.#sync = sync;
  }

  /** Resolves when a sync of `what` that began after this call has ended. */
  join(what: T): Promise<void> {
    let entry = this.#waiting.get(what);
    if (entry === undefined) {
      entry = Promise.withResolvers<void>();
      this.#waiting.set(what, entry);
    }
    if (!this.#running) {
      this.#running = true;
      // Begun in the next turn, so that all that ask in this one are in it.
      setImmediate(() => void this.#run());
    }
    return entry.promise;
  }

  /** Whether somebody waits for a sync of `what`. */
  isBusy(what: T): boolean {
    return this.#waiting.has(what) || this.#round.has(what);
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      const round = this.#waiting;
      this.#waiting = new Map();
      this.#round = round;
      await Promise.all(
        [...round].map(([what, entry]) => this.#sync(what).then(entry.resolve, entry.reject)),
      );
    }
    this.#round = new Map();
    this.#running = false;
  }
}
