/**
 * The mail for one destination that is ready to go.
 *
 * Connections take one message after the other (RFC 5321 §4.5.4.1 asks to send what waits for a host in one go), and wait
 * a moment for more before they close. A destination that cannot be reached at all rests, longer each time, and what is
 * due for it meanwhile shares the answer instead of asking again.
 */
import type { Destination } from "./destination.ts";
import { Pace } from "./pace.ts";

const FIRST_REST_MS = 30_000;
const LONGEST_REST_MS = 15 * 60_000;

export interface Unreachable {
  readonly status: string;
  readonly text: string;
}

export class Lane<Item> {
  readonly key: string;
  readonly destination: Destination;
  /** How fast the destination takes mail; its connections are those that work on this lane. */
  readonly pace: Pace;
  /** The pace of the servers behind it, as they were found the last time. */
  receiver: Pace | undefined;
  /** No connection works on it before this time; milliseconds. */
  pausedUntil = 0;
  #ready: Item[] = [];
  #head = 0;
  #failures = 0;
  #restUntil = 0;
  #unreachable: Unreachable | undefined;
  readonly #waiting: ((item: Item | undefined) => void)[] = [];

  /** `name` is what the destination is declared under: its domain, or its relay's host. */
  constructor(key: string, destination: Destination, name: string) {
    this.key = key;
    this.destination = destination;
    this.pace = new Pace(name);
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

  /** Takes an item back, to be the next. */
  putBack(item: Item): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) waiting(item);
    else if (this.#head === 0) this.#ready.unshift(item);
    else {
      this.#head -= 1;
      this.#ready[this.#head] = item;
    }
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

  reached(): void {
    this.#failures = 0;
  }

  /** No host of the destination could be reached. */
  failed(now: number, why: Unreachable): void {
    this.pace.slowed();
    this.#unreachable = why;
    this.#restUntil = now + Math.min(FIRST_REST_MS * 2 ** this.#failures, LONGEST_REST_MS);
    this.#failures += 1;
  }

  /** Forgets a rest: an operator asked for a retry. */
  wake(): void {
    this.#restUntil = 0;
    this.pausedUntil = 0;
    this.pace.wake();
  }
}
