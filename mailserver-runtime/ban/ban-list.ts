/**
 * The bans in force, and those that have ended but still count when the same client comes back.
 *
 * A look-up costs one hash look-up for each prefix length in use, however many bans there are. The list is
 * bounded: when it is full, the automatic ban that was set first gives way; what a person banned does not.
 */

import { type Network, networkKey, parseNetwork, widened } from "./network.ts";
import type { Jail } from "./offence.ts";

export interface Ban {
  /** `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/64`. */
  readonly network: string;
  readonly jail: Jail;
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** The same; `FOR_EVER` where it never ends. */
  readonly until: number;
  /** How often this network has been banned, this time included. */
  readonly times: number;
  /** The host that told of it, where it was another (shared-bans.ts). */
  readonly from?: string;
}
/** The last moment a Date can tell. */
export const FOR_EVER = 8_640_000_000_000_000;

/** The wider network of a client: what a hoster gives out as one, and what one site gets of IPv6 (RFC 6177). */
export const AROUND = { 4: 24, 6: 48 } as const;

interface Entry {
  readonly ban: Ban;
  readonly network: Network;
}

export class BanList {
  readonly #most: number;
  readonly #entries = new Map<string, Entry>();
  /** How many entries have a prefix length: only those in use are looked up. */
  readonly #lengths = { 4: new Map<number, number>(), 6: new Map<number, number>() };

  /** How many clients of a wider network have an entry. */
  readonly #around = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The ban in force that holds this address. */
  find(address: string, now: number): Ban | undefined {
    if (this.#entries.size === 0) return undefined;
    const network = parseNetwork(address);
    if (network === undefined) return undefined;
    for (const prefix of this.#lengths[network.family].keys()) {
      const entry = this.#entries.get(networkKey(widened(network, prefix)));
      if (entry !== undefined && entry.ban.until > now) return entry.ban;
    }
    return undefined;
  }

  /** The ban of exactly this network, also one that has ended. */
  get(network: Network): Ban | undefined {
    return this.#entries.get(networkKey(network))?.ban;
  }

  /** Puts a ban in the place of an earlier one of the same network; answers with those that had to give way. */
  put(network: Network, ban: Ban): Ban[] {
    this.remove(network);
    const key = networkKey(network);
    this.#entries.set(key, { ban, network });
    this.#count(network, 1);
    return this.#entries.size > this.#most ? this.#giveWay(network) : [];
  }

  remove(network: Network): Ban | undefined {
    const key = networkKey(network);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#count(network, -1);
    return entry.ban;
  }

  /** Bans in force, in the order in which they were set. */
  *inForce(now: number): Generator<Ban> {
    for (const { ban } of this.#entries.values()) if (ban.until > now) yield ban;
  }

  /** Everything that is remembered. */
  *all(): Generator<Ban> {
    for (const { ban } of this.#entries.values()) yield ban;
  }

  /** How many clients of this wider network (`AROUND`) are or were banned, of those that are remembered. */
  within(around: Network): number {
    return this.#around.get(networkKey(around)) ?? 0;
  }

  /** Drops what ended so long ago that it counts no more: after as long again as it lasted. */
  forgetEnded(now: number): Ban[] {
    const ended = [...this.#entries.values()].filter(
      ({ ban }) => ban.until !== FOR_EVER && now > ban.until + (ban.until - ban.since),
    );
    for (const { network } of ended) this.remove(network);
    return ended.map(({ ban }) => ban);
  }

  /** A sixteenth at once, as in `bounded.ts`. */
  #giveWay(newest: Network): Ban[] {
    const surplus = this.#entries.size - this.#most + Math.floor(this.#most / 16);
    const gone: Entry[] = [];
    for (const [key, entry] of this.#entries) {
      if (gone.length === surplus || key === networkKey(newest)) break;
      if (entry.ban.jail !== "custom") gone.push(entry);
    }
    const last = this.#entries.get(networkKey(newest));
    if (gone.length === 0 && last !== undefined) gone.push(last);
    for (const { network } of gone) this.remove(network);
    return gone.map(({ ban }) => ban);
  }

  #count(network: Network, by: number): void {
    const { family, prefix } = network;
    add(this.#lengths[family], prefix, by);
    if (prefix > AROUND[family]) add(this.#around, networkKey(widened(network, AROUND[family])), by);
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
