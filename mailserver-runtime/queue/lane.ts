/**
 * The mail for one destination: what is ready, and the connections that work on it.
 *
 * Each connection takes one message after the other (RFC 5321 §4.5.4.1 asks to send what waits for a host in one go), and
 * waits a moment for more before it closes. How many there may be is found out by trying: one more after each message
 * that went through, half as many after a connection that failed. A destination that cannot be reached at all rests,
 * longer each time, and what is due for it meanwhile shares the answer instead of asking again.
 */
import type { Destination } from "./destination.ts";

/** Connections to one destination at first, and at most. */
const FIRST_CONNECTIONS = 5;
export const MAX_CONNECTIONS_PER_LANE = 20;
const FIRST_REST_MS = 30_000;
const LONGEST_REST_MS = 15 * 60_000;

export interface Unreachable {
  readonly status: string;
  readonly text: string;
}

export class Lane<Item> {
  readonly key: string;
  readonly destination: Destination;
  #ready: Item[] = [];
  #head = 0;
  #limit = FIRST_CONNECTIONS;
  #failures = 0;
  #restUntil = 0;
  #unreachable: Unreachable | undefined;
  readonly #waiting: ((item: Item | undefined) => void)[] = [];
  /** Connections that work, or wait for work. */
  workers = 0;

  constructor(key: string, destination: Destination) {
    this.key = key;
    this.destination = destination;
  }

  get length(): number {
    return this.#ready.length - this.#head;
  }

  /** Gives an item to a connection that waits, or keeps it. */
  add(item: Item): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#ready.push(item);
    else waiting(item);
  }

  /** Whether one more connection would have something to do, and may be made. */
  get wantsWorker(): boolean {
    return this.length > 0 && this.workers < this.#limit;
  }

  /** The next item; waits for one at most `patienceMs`. */
  async take(patienceMs: number): Promise<Item | undefined> {
    if (this.length > 0) {
      const item = this.#ready[this.#head] as Item;
      this.#head += 1;
      if (this.#head > 1000 || this.#head === this.#ready.length) {
        this.#ready = this.#ready.slice(this.#head);
        this.#head = 0;
      }
      return item;
    }
    if (patienceMs === 0) return undefined;
    return new Promise((resolve) => {
      const answer = (item: Item | undefined): void => {
        clearTimeout(timer);
        resolve(item);
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(answer), 1);
        resolve(undefined);
      }, patienceMs);
      this.#waiting.push(answer);
    });
  }

  /** Sends the connections that wait for work home. */
  dismiss(): void {
    for (const waiting of this.#waiting.splice(0)) waiting(undefined);
  }

  /** Why there is no point in trying now; undefined when there is. */
  unreachable(now: number): Unreachable | undefined {
    return now < this.#restUntil ? this.#unreachable : undefined;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#limit = Math.min(this.#limit + 1, MAX_CONNECTIONS_PER_LANE);
  }

  /** One connection failed, others may work. */
  slowed(): void {
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
  }

  /** No host of the destination could be reached. */
  failed(now: number, why: Unreachable): void {
    this.slowed();
    this.#unreachable = why;
    this.#restUntil = now + Math.min(FIRST_REST_MS * 2 ** this.#failures, LONGEST_REST_MS);
    this.#failures += 1;
  }

  /** Forgets a rest: an operator asked for a retry. */
  wake(): void {
    this.#restUntil = 0;
  }
}
