/**
 * Long work in small pieces: whoever goes through a hundred thousand entries gives the event loop a turn whenever a few
 * milliseconds have passed, so that no connection waits for it.
 */
import { setImmediate } from "node:timers/promises";

/** How long work goes on in one piece, in milliseconds. */
const PIECE_MS = 8;
/** The clock is looked at once in so many steps. */
const STEPS = 32;

export class Pace {
  #steps = 0;
  #since = performance.now();

  /** Whether it is time for a turn; asked once for each entry. */
  get due(): boolean {
    this.#steps += 1;
    return this.#steps % STEPS === 0 && performance.now() - this.#since > PIECE_MS;
  }
  /** Gives the turn: `if (pace.due) await pace.turn()`. */
  async turn(): Promise<void> {
    await setImmediate();
    this.#since = performance.now();
  }
}

/** Runs a generator to its end with turns between its steps, and gives what it returns. */
export async function paced<T>(work: Generator<void, T>): Promise<T> {
  const pace = new Pace();
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (pace.due) await pace.turn();
  }
}

/** Runs a generator to its end at once. */
export function inOneGo<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
