/**
 * Long work in short pieces: whoever walks over much mail asks `breathe` between pieces, and the event loop
 * gets its turn before a piece of work has held it for long. Other sessions then see a delay of milliseconds,
 * whatever somebody sends.
 */
import { setImmediate } from "node:timers/promises";

/** After this many milliseconds at work the loop gets its turn. */
const TURN = 8;

export interface Breather {
  /** Resolves at once while the turn lasts, and after the loop has been round when it is over. */
  breathe(): Promise<void>;
}

export function startBreathing(now: () => number = () => performance.now()): Breather {
  let began = now();
  return {
    async breathe() {
      if (now() - began < TURN) return;
      await setImmediate();
      began = now();
    },
  };
}
