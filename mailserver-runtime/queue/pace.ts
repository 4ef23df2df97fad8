/**
 * How fast one receiver takes mail from us: a domain, or the servers of a provider behind many domains.
 *
 * Within the declared ceilings the pace is found by trying, as TCP finds its own: one connection more after what went
 * through, half as many after a failure. A receiver that says "too fast" rests for as long as it says, or longer each
 * time, and is then fed one message after the other with a pause between, which shrinks with every success.
 */

/** What may be asked of a receiver at most. */
export interface Ceilings {
  readonly connections: number;
  /** 0: no ceiling. */
  readonly messagesPerHour: number;
}

export type Admission =
  | { readonly kind: "go" }
  /** Not before `until` (milliseconds); `why` is for the operator. */
  | { readonly kind: "wait"; readonly until: number; readonly why: string };

/** Connections at first. */
const FIRST_CONNECTIONS = 5;
const FIRST_REST_MS = 60_000;
const LONGEST_REST_MS = 30 * 60_000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** A shorter pause is none. */
const LEAST_PAUSE_MS = 100;
/** When the last places are taken by messages under way, it is seen after so long whether they arrived. */
export const UNDER_WAY_MS = 2000;
/** After so long it is seen whether a receiver takes more connections than it did. */
const PROBE_AFTER_MS = 10 * 60_000;
/** The last hour is counted in so many slots. */
const SLOTS = 60;
const SLOT_MS = 60_000;

export class Pace {
  readonly name: string;
  /** Connections that are open, or being opened. */
  connections = 0;
  #limit = FIRST_CONNECTIONS;
  /** The limit is known, and not tried again before this time. */
  #growsAt = 0;
  #refusals = 0;
  #restUntil = 0;
  #restWhy = "";
  #pauseMs = 0;
  #nextAt = 0;
  /** Messages under way. */
  #underWay = 0;
  /** Messages delivered, by the minute of the hour; made when there is a ceiling to hold. */
  #slots: { readonly minute: Float64Array; readonly count: Uint32Array } | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** How many connections more may be opened. */
  room({ connections }: Ceilings): number {
    return Math.max(0, Math.min(this.#limit, connections) - this.connections);
  }

  /** Whether a message may go now. */
  admission(now: number, { messagesPerHour }: Ceilings): Admission {
    if (now < this.#restUntil) return { kind: "wait", until: this.#restUntil, why: this.#restWhy };
    if (now < this.#nextAt)
      return { kind: "wait", until: this.#nextAt, why: `${this.name} is sent one message at a time` };
    const sent = messagesPerHour === 0 ? 0 : this.#lastHour(now);
    if (messagesPerHour === 0 || sent + this.#underWay < messagesPerHour) return { kind: "go" };
    return {
      kind: "wait",
      until: sent < messagesPerHour ? now + UNDER_WAY_MS : this.#roomAt(now),
      why: `${this.name} has got its ${messagesPerHour} messages of this hour`,
    };
  }

  /** A message goes; `ended` follows. */
  begin(now: number): void {
    this.#underWay += 1;
    if (this.#pauseMs > 0) this.#nextAt = now + this.#pauseMs;
  }

  /** The message of a `begin` has arrived, or not. */
  ended(now: number, arrived: boolean): void {
    this.#underWay -= 1;
    if (!arrived) return;
    this.#slots ??= { minute: new Float64Array(SLOTS), count: new Uint32Array(SLOTS) };
    const minute = Math.floor(now / SLOT_MS);
    const slot = minute % SLOTS;
    if (this.#slots.minute[slot] !== minute) this.#slots.count[slot] = 0;
    this.#slots.minute[slot] = minute;
    this.#slots.count[slot]! += 1;
  }

  succeeded(now: number, ceiling: number): void {
    this.#refusals = 0;
    if (now >= this.#growsAt) this.#limit = Math.min(this.#limit + 1, ceiling);
    this.#pauseMs = this.#pauseMs * 0.8 < LEAST_PAUSE_MS ? 0 : this.#pauseMs * 0.8;
  }

  /** One connection failed, others may work. */
  slowed(): void {
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
  }

  /** The connection that was made last was one too many: the others are what it bears. */
  crowded(now: number): void {
    this.#limit = Math.max(1, Math.min(this.#limit, this.connections - 1));
    this.#growsAt = now + PROBE_AFTER_MS;
  }

  /** The receiver says that we are too fast. Answers for how long it is left alone; milliseconds. */
  limited(now: number, waitMs: number | undefined, why: string): number {
    this.slowed();
    // Connections that were open at the same time hear the same: once is enough.
    if (now >= this.#restUntil) {
      this.#pauseMs = Math.min(Math.max(FIRST_PAUSE_MS, 2 * this.#pauseMs), LONGEST_PAUSE_MS);
      this.#restUntil = now + (waitMs ?? Math.min(FIRST_REST_MS * 2 ** this.#refusals, LONGEST_REST_MS));
      this.#refusals += 1;
    }
    this.#restWhy = `${this.name} asked for less mail: ${why}`;
    return this.#restUntil - now;
  }

  /** An operator wants to try now. */
  wake(): void {
    this.#restUntil = 0;
    this.#nextAt = 0;
  }

  /** Whether forgetting this would forget something that still matters. */
  matters(now: number, { messagesPerHour }: Ceilings): boolean {
    return (
      this.connections > 0 ||
      this.#underWay > 0 ||
      now < this.#restUntil + LONGEST_REST_MS ||
      (messagesPerHour > 0 && this.#lastHour(now) > 0)
    );
  }

  #lastHour(now: number): number {
    const oldest = Math.floor(now / SLOT_MS) - SLOTS;
    let sum = 0;
    for (let slot = 0; this.#slots !== undefined && slot < SLOTS; slot += 1)
      if (this.#slots.minute[slot]! > oldest) sum += this.#slots.count[slot]!;
    return sum;
  }

  /** When the oldest minute of the last hour stops counting. */
  #roomAt(now: number): number {
    const current = Math.floor(now / SLOT_MS);
    const counting = [...(this.#slots?.minute ?? [])].filter(
      (minute, slot) => minute > current - SLOTS && this.#slots!.count[slot]! > 0,
    );
    return (Math.min(...counting) + SLOTS) * SLOT_MS;
  }
}
