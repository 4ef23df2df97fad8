/**
 * The receivers behind destinations: whose servers they are, and what those bear.
 *
 * Ten thousand domains may have their mail at one provider, and that provider sees one sender. So what holds for a
 * receiver (connections, messages an hour, its wish for less, warm-up) is kept for the organisation behind the MX host,
 * `google.com` for `aspmx.l.google.com`, beside what is kept for each domain.
 */
import { getDomain } from "tldts";
import { ipAddress } from "../dns/records.ts";
import type { Settings } from "../settings/schema.ts";
import { type Ceilings, Pace } from "./pace.ts";

/** Receivers at rest that are kept at least. */
const KEPT = 256;

/** The organisation of a host: its registrable domain, or the host itself where it has none. */
export function receiverOf(host: string): string {
  const name = host.toLowerCase().replace(/\.$/, "");
  if (ipAddress(name) !== undefined) return name;
  return getDomain(name, { allowPrivateDomains: false }) ?? name;
}

/** What may be asked of a domain or receiver: what is declared under its name, else the general ceilings. */
export function ceilingsFor(name: string, delivery: Settings["delivery"]): Ceilings {
  const declared = Object.hasOwn(delivery.destinations, name) ? delivery.destinations[name] : undefined;
  return {
    connections: declared?.connections ?? delivery.connections,
    messagesPerHour: declared?.messagesPerHour ?? delivery.messagesPerHour,
  };
}

export class Receivers {
  readonly #delivery: () => Settings["delivery"];
  readonly #clock: () => number;
  readonly #paces = new Map<string, Pace>();
  #pruneAt = KEPT;

  constructor(delivery: () => Settings["delivery"], clock: () => number) {
    this.#delivery = delivery;
    this.#clock = clock;
  }

  /** By the organisation's name. */
  pace(name: string): Pace {
    const known = this.#paces.get(name);
    if (known !== undefined) return known;
    this.#prune();
    const made = new Pace(name);
    this.#paces.set(name, made);
    return made;
  }

  ceilings(name: string): Ceilings {
    return ceilingsFor(name, this.#delivery());
  }

  wake(): void {
    for (const pace of this.#paces.values()) pace.wake();
  }

  #prune(): void {
    if (this.#paces.size < this.#pruneAt) return;
    const now = this.#clock();
    for (const [name, pace] of this.#paces)
      if (!pace.matters(now, this.ceilings(name))) this.#paces.delete(name);
    this.#pruneAt = KEPT + 2 * this.#paces.size;
  }
}
