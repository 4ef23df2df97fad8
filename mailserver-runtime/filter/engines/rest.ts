/**
 * Leaves an engine alone that fails: after three failures in a row it is not asked for five seconds, then for twice as
 * long after each further one, at most for a minute. So an engine that hangs costs its time limit a few times, and not
 * for every message.
 */
import { type Engine, EngineError } from "./engine.ts";

const FAILURES = 3;
const FIRST_MS = 5000;
const LONGEST_MS = 60_000;

export function rested(engine: Engine, now: () => number = () => performance.now()): Engine {
  let failures = 0;
  let until = 0;
  let last = "";
  return {
    async examine(question) {
      if (now() < until)
        throw new EngineError("resting", `it is not asked just now after ${failures} failures: ${last}`);
      try {
        const result = await engine.examine(question);
        failures = 0;
        return result;
      } catch (error) {
        failures += 1;
        last = error instanceof Error ? error.message : String(error);
        if (failures >= FAILURES)
          until = now() + Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(10, failures - FAILURES));
        throw error;
      }
    },
  };
}
