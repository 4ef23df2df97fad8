/** Cores of the machine that have nothing to do, as the kernel counts them: what a further process could use. */
import { cpus } from "node:os";
import { performance } from "node:perf_hooks";

export class SpareCores {
  #idle: number | undefined;
  #at = 0;

  /**
   * Cores idle since the last question, on average; 0 at the first one, and after `forget`. Work at a lower priority is work:
   * it shares the caches and gives way slowly (a worker started beside it made the server a fifth slower).
   */
  ask(): number {
    const now = performance.now();
    const idle = cpus().reduce((sum, { times }) => sum + times.idle, 0);
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
