/**
 * The destinations that have mail to take, and the connections shared out among them.
 *
 * A connection belongs to one lane and takes one message after the other; where other lanes wait for a connection and
 * there are no more to give, it makes room after its fair share.
 */
import type { SmtpSession } from "./client/session.ts";
import { type Destination, destinationKey } from "./destination.ts";
import { Lane } from "./lane.ts";

/** Connections in total. */
const MAX_CONNECTIONS = 100;
/** How long a connection waits for another message. */
const LINGER_MS = 1000;
/** A connection makes room after so many messages where other destinations wait for one. */
const FAIR_SHARE = 50;
/** Destinations at rest that are kept at least, with what they taught us. */
const KEPT = 256;

export interface LanesOptions<Item> {
  readonly clock: () => number;
  /** Sends one item; gives the connection back when it can be used again. Never rejects. */
  readonly send: (
    item: Item,
    lane: Lane<Item>,
    open: SmtpSession | undefined,
  ) => Promise<SmtpSession | undefined>;
  /** Told of each connection's work, which ends when it resolves. */
  readonly track: (work: Promise<void>) => void;
}

export class Lanes<Item> {
  readonly #options: LanesOptions<Item>;
  readonly #lanes = new Map<string, Lane<Item>>();
  #connections = 0;
  #closing = false;
  #pruneAt = KEPT;

  constructor(options: LanesOptions<Item>) {
    this.#options = options;
  }

  /** Destinations with mail that is ready or under way. */
  get size(): number {
    return this.#lanes.size;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Puts an item before a destination. */
  add(destination: Destination, item: Item): void {
    this.#prune();
    const key = destinationKey(destination);
    const lane = this.#lanes.get(key) ?? new Lane<Item>(key, destination);
    this.#lanes.set(key, lane);
    lane.add(item);
    this.#staff(lane);
  }

  /** Forgets that destinations rest. */
  wake(): void {
    for (const lane of this.#lanes.values()) lane.wake();
  }

  /** No new work; connections that wait for some go home. */
  close(): void {
    this.#closing = true;
    for (const lane of this.#lanes.values()) lane.dismiss();
  }

  /** Forgets destinations at rest, once there are many more than there were after the last time. */
  #prune(): void {
    if (this.#lanes.size < this.#pruneAt) return;
    for (const lane of this.#lanes.values()) if (this.#isIdle(lane)) this.#lanes.delete(lane.key);
    this.#pruneAt = KEPT + 2 * this.#lanes.size;
  }

  #isIdle(lane: Lane<Item>): boolean {
    return lane.workers === 0 && lane.length === 0 && lane.unreachable(this.#options.clock()) === undefined;
  }

  #staff(lane: Lane<Item>): void {
    while (lane.wantsWorker && this.#connections < MAX_CONNECTIONS && !this.#closing) {
      lane.workers += 1;
      this.#connections += 1;
      this.#options.track(this.#work(lane));
    }
  }

  async #work(lane: Lane<Item>): Promise<void> {
    let session: SmtpSession | undefined;
    try {
      for (let done = 0; !this.#closing; done += 1) {
        if (done >= FAIR_SHARE && this.#connections >= MAX_CONNECTIONS) break;
        const item = await lane.take(session === undefined ? 0 : LINGER_MS);
        if (item === undefined) break;
        if (lane.wantsWorker) this.#staff(lane);
        session = await this.#options.send(item, lane, session);
      }
    } finally {
      session?.close();
      lane.workers -= 1;
      this.#connections -= 1;
      if (this.#isIdle(lane)) this.#lanes.delete(lane.key);
      for (const other of this.#lanes.values()) this.#staff(other);
    }
  }
}
