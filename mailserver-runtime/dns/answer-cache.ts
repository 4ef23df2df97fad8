/**
 * Answers kept for as long as their TTL allows (RFC 1035 §7.4, RFC 2308 §5, failures by RFC 9520), within two bounds:
 * entries and octets. What was used longest ago goes first.
 */
import type { Answer } from "./resolver.ts";

export interface CacheLimits {
  readonly entries: number;
  /** Octets of the messages the answers came from. */
  readonly bytes: number;
}

interface Entry {
  readonly answer: Answer;
  readonly size: number;
  /** Milliseconds of the monotonic clock. */
  readonly expires: number;
}

export class AnswerCache {
  readonly #limits: CacheLimits;
  readonly #now: () => number;
  /** In order of last use: a Map keeps the order of insertion. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /** `now` gives milliseconds of a clock that never goes back. */
  constructor(limits: CacheLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The answer with the seconds it has left, when it is still good. */
  get(key: string): Answer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const left = entry.expires - this.#now();
    this.#remove(key);
    if (left <= 0) return undefined;
    this.#add(key, entry);
    return { ...entry.answer, ttl: Math.ceil(left / 1000) };
  }

  /** Keeps an answer for `seconds`; zero keeps nothing. */
  set(key: string, answer: Answer, seconds: number, size: number): void {
    this.#remove(key);
    if (seconds <= 0 || size > this.#limits.bytes) return;
    this.#add(key, { answer, size, expires: this.#now() + seconds * 1000 });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.entries && this.#bytes <= this.#limits.bytes) break;
      this.#remove(oldest);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.size;
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.size;
  }
}
