/**
 * What one message needs before it goes to a receiver: room within the ceilings of its domain, of the organisation behind
 * the domain's hosts, and of warm-up; and afterwards what all of them learn from how it went.
 */
import type { Log } from "../net/log.ts";
import type { Settings } from "../settings/schema.ts";
import type { Target } from "./client/targets.ts";
import { readDeferral } from "./deferral.ts";
import type { Held } from "./delivery.ts";
import type { Lane } from "./lane.ts";
import type { Connection, Turn } from "./lanes.ts";
import type { Pace } from "./pace.ts";
import { type Receivers, receiverOf } from "./receivers.ts";
import type { WarmUp } from "./warm-up.ts";

export interface PassageOptions {
  readonly clock: () => number;
  readonly log: Log;
  readonly delivery: () => Settings["delivery"];
  readonly receivers: Receivers;
  readonly warmUp: WarmUp;
}

export class Passage {
  readonly #options: PassageOptions;
  readonly #lane: Pick<Lane<unknown>, "pace" | "destination">;
  readonly #connection: Connection;
  readonly #ends: ((arrived: boolean) => void)[] = [];
  /** The receiver that has let this message in. */
  #receiver: Pace | undefined;

  constructor(
    options: PassageOptions,
    lane: Pick<Lane<unknown>, "pace" | "destination">,
    connection: Connection,
  ) {
    this.#options = options;
    this.#lane = lane;
    this.#connection = connection;
  }

  /** Whether the message has to wait, as far as that is known without a look-up. */
  ask(): Held | undefined {
    const { pace } = this.#lane;
    const { receiver, session } = this.#connection;
    return (
      this.#enter(pace) ??
      (receiver !== undefined && session !== undefined ? this.#enterReceiver(receiver) : undefined)
    );
  }

  /** The same for the hosts that were found, one of which a connection will be made to. */
  admit(targets: readonly Target[]): Held | undefined {
    const { receivers } = this.#options;
    const { destination } = this.#lane;
    const host = targets[0]?.host ?? "";
    const receiver = receivers.pace(
      destination.kind === "relay" ? destination.relay.host.toLowerCase() : receiverOf(host),
    );
    if (!this.#connection.enter(receiver)) return { kind: "crowded", receiver };
    return this.#receiver === receiver ? undefined : this.#enterReceiver(receiver);
  }

  /** The receiver has other connections of ours beside this one. */
  get isOneOfMany(): boolean {
    return (this.#connection.receiver?.connections ?? 0) > 1;
  }

  /** This connection was one too many. */
  crowded(): Turn {
    const receiver = this.#connection.receiver!;
    receiver.crowded(this.#options.clock());
    return { kind: "crowded", receiver };
  }

  /** The receiver said that it gets too much. */
  limited(text: string): void {
    const { clock, log } = this.#options;
    const { waitMs } = readDeferral(text);
    const now = clock();
    const paces = [this.#lane.pace, ...(this.#receiver === undefined ? [] : [this.#receiver])];
    for (const pace of paces) {
      const ms = pace.limited(now, waitMs, text);
      log.warn(
        { event: "slowed", destination: pace.name, seconds: Math.round(ms / 1000), reply: text },
        "a receiver asks for less mail",
      );
    }
  }

  succeeded(): void {
    const { clock, receivers } = this.#options;
    for (const pace of [this.#lane.pace, this.#receiver])
      pace?.succeeded(clock(), receivers.ceilings(pace.name).connections);
  }

  /** Exactly once. */
  end(arrived: boolean): void {
    for (const end of this.#ends.splice(0)) end(arrived);
  }

  #enterReceiver(receiver: Pace): Held | undefined {
    const { warmUp, delivery, clock } = this.#options;
    const held = this.#lane.pace === receiver ? undefined : this.#enter(receiver);
    if (held !== undefined) return held;
    this.#receiver = receiver;
    if (this.#lane.destination.kind !== "mx") return undefined;
    const admission = warmUp.admission(receiver.name, clock(), delivery().warmUp);
    if (admission.kind === "wait") return { ...admission, warmUp: true };
    warmUp.begin(receiver.name);
    this.#ends.push((arrived) => warmUp.ended(receiver.name, clock(), arrived));
    return undefined;
  }

  #enter(pace: Pace): Held | undefined {
    const { clock, receivers } = this.#options;
    const admission = pace.admission(clock(), receivers.ceilings(pace.name));
    if (admission.kind === "wait") return { ...admission, warmUp: false };
    pace.begin(clock());
    this.#ends.push((arrived) => pace.ended(clock(), arrived));
    return undefined;
  }
}
