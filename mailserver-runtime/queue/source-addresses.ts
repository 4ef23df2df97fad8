/**
 * The local addresses that mail is sent from, and whether IPv6 is one of the ways.
 *
 * Large receivers refuse mail over IPv6 from an address whose name and address do not confirm each other, and a machine
 * often has IPv6 before anybody has thought of its PTR record. So IPv6 is used where a look-up shows that an address of
 * ours is among the AAAA records of our host name and has a PTR record which is confirmed by its own AAAA (RFC 8601 §3,
 * "iprev"); `delivery.ipv6` decides otherwise. The answer is kept for a while.
 */
import { networkInterfaces } from "node:os";
import { iprev } from "../dns/mail-lookups.ts";
import { ipAddress } from "../dns/records.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { Settings } from "../settings/schema.ts";

export interface Sources {
  /** To send from, at most one of each family; a family without one leaves the choice to the system. */
  readonly v4: string | undefined;
  readonly v6: string | undefined;
  /** Why nothing is sent over IPv6; undefined: it is. */
  readonly noIpv6: string | undefined;
}

const CONFIRMED_MS = 3_600_000;
const UNCONFIRMED_MS = 600_000;
/** Addresses of this machine that are looked at. */
const MAX_CANDIDATES = 8;

export interface SourceOptions {
  readonly resolver: Resolver;
  readonly clock: () => number;
  /** The machine's global IPv6 addresses. */
  readonly own?: () => readonly string[];
}

export class SourceAddresses {
  readonly #options: SourceOptions;
  #known: { readonly key: string; readonly until: number; readonly answer: Promise<Sources> } | undefined;

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  /** By the settings as they are; asks the DNS where they leave it open. Never rejects. */
  async choose(hostname: string, { addresses, ipv6 }: Settings["delivery"]): Promise<Sources> {
    const declared = (family: 4 | 6): readonly string[] =>
      addresses.filter((address) => ipAddress(address)?.family === family);
    const v4 = declared(4)[0];
    if (ipv6 === "never") return { v4, v6: undefined, noIpv6: "delivery.ipv6 says so" };
    if (ipv6 === "always") return { v4, v6: declared(6)[0], noIpv6: undefined };
    const now = this.#options.clock();
    const key = JSON.stringify([hostname, addresses]);
    if (this.#known?.key === key && now < this.#known.until) return this.#known.answer;
    const answer = this.#look(hostname, v4, declared(6));
    this.#known = { key, until: now + UNCONFIRMED_MS, answer };
    const { noIpv6 } = await answer;
    if (noIpv6 === undefined && this.#known.answer === answer)
      this.#known = { key, until: now + CONFIRMED_MS, answer };
    return answer;
  }

  async #look(hostname: string, v4: string | undefined, declared: readonly string[]): Promise<Sources> {
    const own = declared.length > 0 ? declared : (this.#options.own ?? globalIpv6Addresses)();
    const candidates = own.flatMap((address) => ipAddress(address)?.text ?? []).slice(0, MAX_CANDIDATES);
    if (candidates.length === 0)
      return { v4, v6: undefined, noIpv6: "this machine has no global IPv6 address" };
    const named = await this.#options.resolver.resolve(hostname, "AAAA");
    const of = new Set(named.records.map(({ address }) => address));
    for (const v6 of candidates) {
      if (!of.has(v6)) continue;
      const { status } = await iprev(this.#options.resolver, v6);
      if (status === "pass") return { v4, v6, noIpv6: undefined };
    }
    const reason = candidates.some((address) => of.has(address))
      ? "no PTR record confirms its address"
      : `${hostname} has no AAAA record with its address`;
    return { v4, v6: undefined, noIpv6: `this server's IPv6 is not used: ${reason}` };
  }
}

/** Addresses that have no name in the public DNS, and need none: loopback, link-local, unique local (RFC 4193). */
export function isPrivateIpv6(address: string): boolean {
  return address === "::1" || /^f[cd][0-9a-f]{2}:|^fe[89ab][0-9a-f]:/.test(address);
}

function globalIpv6Addresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ family, internal }) => family === "IPv6" && !internal)
    .map(({ address }) => address)
    .filter((address) => !isPrivateIpv6(address));
}
