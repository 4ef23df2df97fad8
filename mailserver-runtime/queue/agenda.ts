/** Things to do at their times: a heap, and one timer for its first. */
import { DueHeap } from "./due-heap.ts";

/** The clock is looked at this often at least: it may be set, or have stood still while the machine slept. */
const LONGEST_TIMER_MS = 60_000;

export class Agenda<T> {
  readonly #heap = new DueHeap<T>();
  readonly #clock: () => number;
  readonly #onDue: (value: T, at: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #soon: NodeJS.Immediate | undefined;
  #closed = false;

  /** `onDue` is told each thing with the time it was added for, not before that time. */
  constructor(clock: () => number, onDue: (value: T, at: number) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** `at` is in milliseconds of the clock. */
  add(at: number, value: T): void {
    this.#heap.add(at, value);
    this.#arm();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#soon);
  }

  #arm(): void {
    const first = this.#heap.first;
    if (first === undefined || this.#closed) return;
    const wait = Math.min(first - this.#clock(), LONGEST_TIMER_MS);
    if (wait <= 0) {
      this.#soon ??= setImmediate(() => this.#run());
      return;
    }
    if (first >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = first;
    this.#timer = setTimeout(() => this.#run(), wait);
  }

  #run(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#soon = undefined;
    const now = this.#clock();
    for (let due = this.#heap.take(now); due !== undefined; due = this.#heap.take(now))
      this.#onDue(due.value, due.at);
    this.#arm();
  }
}
