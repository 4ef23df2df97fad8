/** Chance that can be had again: everything a test leaves to chance comes from one seed, which it prints. */

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 ≤ x < 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  /** A whole number, 0 ≤ n < `below`. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }
  chance(probability: number): boolean {
    return this.next() < probability;
  }
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
  /** At most `count` different ones. */
  some<T>(choices: readonly T[], count: number): T[] {
    const left = [...choices];
    const taken: T[] = [];
    while (taken.length < count && left.length > 0) taken.push(...left.splice(this.below(left.length), 1));
    return taken;
  }
  /** An independent source, so that one worker's steps do not shift another's. */
  fork(): Random {
    return new Random(this.below(2 ** 32));
  }
}

/** The seed of MAILKEEP_SEED, or a new one. */
export function seedOf(environment: Readonly<Record<string, string | undefined>>): number {
  return environment.MAILKEEP_SEED === undefined
    ? Math.floor(Math.random() * 2 ** 32)
    : Number(environment.MAILKEEP_SEED);
}
