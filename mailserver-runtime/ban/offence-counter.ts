/**
 * Counts offences by jail and client in a bounded table.
 *
 * The window is fail2ban's (server/failmanager.py): it begins with a client's first offence, and the first
 * one after `findMs` begins another. One small record a client, however many its offences; when the table is
 * full, the client that was quiet for longest is forgotten.
 */
import { keepNewest } from "./bounded.ts";

export class OffenceCounter {
  readonly #most: number;
  readonly #counts = new Map<string, Count>();

  /** @param most clients remembered at once */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#counts.size;
  }

  /** Adds `weight` to what this key has done and answers with the sum within its window. Times are milliseconds. */
  add(key: string, weight: number, findMs: number, now: number): number {
    const known = this.#counts.get(key);
    const count = known !== undefined && now - known.since <= findMs ? known : { points: 0, since: now };
    // Ten times a tenth is one: a float's error must not let an attacker have one more.
    count.points = Math.round((count.points + weight) * 1000) / 1000;
    keepNewest(this.#counts, key, count, this.#most);
    return count.points;
  }

  forget(key: string): void {
    this.#counts.delete(key);
  }
}

interface Count {
  points: number;
  readonly since: number;
}
