/**
 * The destinations that have mail to take, and the connections shared out among them.
 *
 * A connection belongs to one lane and takes one message after the other. How many a lane may have is its pace's to say,
 * and that of the receiver behind it, which other lanes may share: a lane for which a receiver has no room is parked until
 * one of that receiver's connections ends. Where others wait, a connection makes room after its fair share.
 */
import type { SmtpSession } from "./client/session.ts";
import { type Destination, destinationKey, destinationName } from "./destination.ts";
import { Lane } from "./lane.ts";
import type { Ceilings, Pace } from "./pace.ts";

/** Connections in total. */
const MAX_CONNECTIONS = 100;
/** How long a connection waits for another message. */
const LINGER_MS = 1000;
/** A connection makes room after so many messages where others wait for one. */
const FAIR_SHARE = 50;
/** Destinations at rest that are kept at least, with what they taught us. */
const KEPT = 256;

/** One connection of a lane, and what it holds. */
export interface Connection {
  session: SmtpSession | undefined;
  /** The receiver among whose connections this one is counted. */
  readonly receiver: Pace | undefined;
  /** Counts this connection as one of the receiver's; false where it has no room. */
  enter(receiver: Pace): boolean;
}
/** How an item's turn ended. */
export type Turn =
  | { readonly kind: "done" }
  /** The item comes next, but not before this time; milliseconds. */
  | { readonly kind: "pause"; readonly until: number }
  /** The item comes next, when the receiver has room for another connection. */
  | { readonly kind: "crowded"; readonly receiver: Pace };

export interface LanesOptions<Item> {
  readonly clock: () => number;
  /** What may be asked of a destination or receiver, by its name. */
  readonly ceilings: (name: string) => Ceilings;
  /** Sends one item over a connection. Never rejects. */
  readonly send: (item: Item, lane: Lane<Item>, connection: Connection) => Promise<Turn>;
  /** Takes a session for which its lane has no more mail. */
  readonly rest: (session: SmtpSession) => void;
  /** Told of each connection's work, which ends when it resolves. */
  readonly track: (work: Promise<void>) => void;
}

export class Lanes<Item> {
  readonly #options: LanesOptions<Item>;
  readonly #lanes = new Map<string, Lane<Item>>();
  /** Lanes that want a connection while there are no more to give, first come first served. */
  readonly #hungry = new Set<Lane<Item>>();
  /** Lanes that wait for room at a receiver. */
  readonly #parked = new Map<Pace, Set<Lane<Item>>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #connections = 0;
  #closing = false;
  #pruneAt = KEPT;

  constructor(options: LanesOptions<Item>) {
    this.#options = options;
  }

  /** Destinations with mail that is ready or under way, or of which something is to be remembered. */
  get size(): number {
    return this.#lanes.size;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Puts an item before a destination. */
  add(destination: Destination, item: Item): void {
    const key = destinationKey(destination);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      this.#prune();
      lane = new Lane<Item>(key, destination, destinationName(destination));
      this.#lanes.set(key, lane);
    }
    lane.add(item);
    this.#staff(lane);
  }

  /** Forgets that destinations rest. */
  wake(): void {
    for (const lane of this.#lanes.values()) {
      lane.wake();
      this.#staff(lane);
    }
  }

  /** No new work; connections that wait for some go home. */
  close(): void {
    this.#closing = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const lane of this.#lanes.values()) lane.dismiss();
  }

  /** Forgets destinations at rest, once there are many more than there were after the last time. */
  #prune(): void {
    if (this.#lanes.size < this.#pruneAt) return;
    for (const lane of this.#lanes.values()) if (this.#isIdle(lane)) this.#lanes.delete(lane.key);
    this.#pruneAt = KEPT + 2 * this.#lanes.size;
  }

  #isIdle(lane: Lane<Item>): boolean {
    const now = this.#options.clock();
    const ceilings = this.#options.ceilings(lane.pace.name);
    return lane.length === 0 && lane.unreachable(now) === undefined && !lane.pace.matters(now, ceilings);
  }

  /** Gives a lane the connections that it wants and may have. */
  #staff(lane: Lane<Item>): void {
    const ceilings = this.#options.ceilings(lane.pace.name);
    while (
      !this.#closing &&
      lane.length > 0 &&
      lane.pace.room(ceilings) > 0 &&
      lane.pausedUntil <= this.#options.clock() &&
      !this.#isParked(lane)
    ) {
      if (this.#connections >= MAX_CONNECTIONS) {
        this.#hungry.add(lane);
        return;
      }
      lane.pace.connections += 1;
      this.#connections += 1;
      this.#options.track(this.#work(lane));
    }
  }

  async #work(lane: Lane<Item>): Promise<void> {
    const connection = this.#connection(lane);
    try {
      for (let done = 0; !this.#closing && lane.pausedUntil <= this.#options.clock(); done += 1) {
        const awaited = this.#isAwaited(connection);
        if (done >= FAIR_SHARE && awaited) break;
        const item = await lane.take(connection.session === undefined || awaited ? 0 : LINGER_MS);
        if (item === undefined) break;
        this.#staff(lane);
        const turn = await this.#options.send(item, lane, connection);
        if (connection.receiver !== undefined) this.#unpark(connection.receiver);
        if (turn.kind === "done") continue;
        lane.putBack(item);
        if (turn.kind === "crowded") this.#park(lane, turn.receiver);
        else this.#pause(lane, turn.until);
        break;
      }
    } finally {
      if (connection.session !== undefined) this.#options.rest(connection.session);
      connection.leave();
      lane.pace.connections -= 1;
      this.#connections -= 1;
      if (lane.receiver !== undefined) this.#unpark(lane.receiver);
      this.#staff(lane);
      if (this.#isIdle(lane)) this.#lanes.delete(lane.key);
      for (const hungry of this.#hungry) {
        if (this.#connections >= MAX_CONNECTIONS) break;
        this.#hungry.delete(hungry);
        this.#staff(hungry);
      }
    }
  }

  #connection(lane: Lane<Item>): Connection & { leave(): void } {
    let receiver: Pace | undefined;
    const leave = (): void => {
      if (receiver === undefined) return;
      receiver.connections -= 1;
      receiver = undefined;
    };
    return {
      session: undefined,
      get receiver() {
        return receiver;
      },
      enter: (next) => {
        lane.receiver = next;
        if (receiver === next) return true;
        if (next.room(this.#options.ceilings(next.name)) === 0) return false;
        leave();
        receiver = next;
        next.connections += 1;
        return true;
      },
      leave,
    };
  }

  /** Whether somebody else waits for the place that a connection has. */
  #isAwaited({ receiver }: Connection): boolean {
    return this.#hungry.size > 0 || (receiver !== undefined && this.#parked.has(receiver));
  }

  #isParked(lane: Lane<Item>): boolean {
    return lane.receiver !== undefined && this.#parked.get(lane.receiver)?.has(lane) === true;
  }

  #park(lane: Lane<Item>, receiver: Pace): void {
    const parked = this.#parked.get(receiver) ?? new Set();
    this.#parked.set(receiver, parked.add(lane));
  }

  /** Lets as many parked lanes try again as the receiver has room for. */
  #unpark(receiver: Pace): void {
    const parked = this.#parked.get(receiver);
    let room = receiver.room(this.#options.ceilings(receiver.name));
    for (const lane of parked ?? []) {
      if (room <= 0) break;
      // Another connection may have taken what it was parked with.
      if (lane.length > 0) room -= 1;
      parked!.delete(lane);
      if (parked!.size === 0) this.#parked.delete(receiver);
      this.#staff(lane);
    }
  }

  #pause(lane: Lane<Item>, until: number): void {
    lane.pausedUntil = until;
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        // The timer counts, whatever a clock that was set back would say; who sends asks the pace again.
        lane.pausedUntil = 0;
        this.#staff(lane);
      },
      Math.max(1, until - this.#options.clock()),
    );
    this.#timers.add(timer);
  }
}
