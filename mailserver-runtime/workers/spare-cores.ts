/** Cores of the machine that have nothing to do, as the kernel counts them: what a further process could use. */
import { cpus } from "node:os";
import { performance } from "node:perf_hooks";

export class SpareCores {
  #idle: number | undefined;
  #at = 0;

  /** Cores idle since the last question, on average; 0 at the first one, and after `forget`. Work at a lower priority counts as idle. */
  ask(): number {
    const now = performance.now();
    const idle = cpus().reduce((sum, { times }) => sum + times.idle + times.nice, 0);
    const spare = this.#idle === undefined ? 0 : (idle - this.#idle) / (now - this.#at);
    this.#idle = idle;
    this.#at = now;
    return spare;
  }
  /** The next question begins anew. */
  forget(): void {
    this.#idle = undefined;
  }
}
