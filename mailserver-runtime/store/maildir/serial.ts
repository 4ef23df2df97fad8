/** One task after the other: the account's writer is one even where its steps wait for the disk. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => T | Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }
  /** Resolves when everything that was asked for before has ended. */
  idle(): Promise<unknown> {
    return this.#last;
  }
}
