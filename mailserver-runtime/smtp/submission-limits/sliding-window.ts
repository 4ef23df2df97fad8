/**
 * How much happened, or is going to happen, in a period that moves along with the time. Counted in steps of a
 * twenty-fourth of the period, always to the safe side: what is counted at a moment counts for a whole period
 * and up to one step more.
 *
 * Something may be counted at a time to come, which is how what is held gets its place: no period, past or
 * future, ever has more than the limit in it.
 */

const STEPS = 24;

export class SlidingWindow {
  readonly #stepMs: number;
  /** Amount by step; a step is a time divided by the step's length. */
  readonly #amounts = new Map<number, number>();

  constructor(periodMs: number) {
    this.#stepMs = periodMs / STEPS;
  }

  /** The first moment from `at` on at which `amount` more stay within `limit`; undefined when that is after `latest`. */
  earliest(at: number, amount: number, limit: number, latest: number): number | undefined {
    const first = this.#step(at);
    for (let step = first; step * this.#stepMs <= latest || step === first; step++)
      if (this.#fits(step, amount, limit)) return step === first ? at : step * this.#stepMs;
    return undefined;
  }

  add(at: number, amount: number): void {
    const step = this.#step(at);
    this.#amounts.set(step, (this.#amounts.get(step) ?? 0) + amount);
  }

  /** Takes back what was added at that moment. */
  subtract(at: number, amount: number): void {
    const step = this.#step(at);
    const left = (this.#amounts.get(step) ?? 0) - amount;
    if (left > 0) this.#amounts.set(step, left);
    else this.#amounts.delete(step);
  }
  /** Forgets what no period from `now` on has in it. */
  forgetBefore(now: number): void {
    const oldest = this.#step(now) - STEPS;
    for (const step of this.#amounts.keys()) if (step < oldest) this.#amounts.delete(step);
  }

  /** For a file: pairs of step and amount. */
  entries(): readonly (readonly [step: number, amount: number])[] {
    return [...this.#amounts];
  }
  restore(entries: readonly (readonly [step: number, amount: number])[]): void {
    for (const [step, amount] of entries) this.#amounts.set(step, amount);
  }

  /** Whether every period that has this step in it stays within the limit. */
  #fits(step: number, amount: number, limit: number): boolean {
    const ends = [step];
    for (const other of this.#amounts.keys()) if (other > step && other <= step + STEPS) ends.push(other);
    return ends.every((end) => this.#sumUntil(end) + amount <= limit);
  }
  #sumUntil(end: number): number {
    let sum = 0;
    for (const [step, amount] of this.#amounts) if (step <= end && step >= end - STEPS) sum += amount;
    return sum;
  }
  #step(at: number): number {
    return Math.floor(at / this.#stepMs);
  }
}
