import { setImmediate as turn } from "node:timers/promises";

/** A long loop of short synchronous calls must not hold up everybody else longer than this. */
const SLICE_MS = 3;

/** Gives other work its turn whenever a loop has run for its share of time. */
export class Pace {
  #begun = performance.now();
  #steps = 0;

  /** To be awaited in each round; costs nothing but in the few where the turn is given. */
  step(): Promise<void> | undefined {
    // The clock is looked at now and then only.
    if ((++this.#steps & 15) !== 0 || performance.now() - this.#begun < SLICE_MS) return undefined;
    return turn().then(() => {
      this.#begun = performance.now();
    });
  }
}
