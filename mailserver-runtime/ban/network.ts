/** An IP address or a network as bits and a prefix length: what bans are kept by and looked up with. */
import { isIP } from "node:net";
import { normalAddress } from "../net/address.ts";

export interface Network {
  readonly family: 4 | 6;
  /** The address as a number, bits behind the prefix zero. */
  readonly bits: bigint;
  readonly prefix: number;
}

const WIDTH = { 4: 32, 6: 128 } as const;

/** Reads `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`; undefined for anything else. Bits behind the prefix are cleared. */
export function parseNetwork(text: string): Network | undefined {
  const [head = "", length, extra] = text.split("/");
  if (extra !== undefined) return undefined;
  const address = normalAddress(head);
  const family = isIP(address);
  if (family !== 4 && family !== 6) return undefined;
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined;
  const prefix = length === undefined ? WIDTH[family] : Number(length);
  if (prefix > WIDTH[family]) return undefined;
  return widened(
    { family, bits: family === 4 ? bitsOf4(address) : bitsOf6(address), prefix: WIDTH[family] },
    prefix,
  );
}

/** The network of that prefix length around another one. */
export function widened({ family, bits }: Network, prefix: number): Network {
  const cleared = BigInt(WIDTH[family] - prefix);
  return { family, bits: (bits >> cleared) << cleared, prefix };
}

/** What one client is: an IPv4 address, or the /64 of an IPv6 address, which one site has whole. */
export function clientNetwork(address: string): Network | undefined {
  const network = parseNetwork(address);
  return network?.family === 6 ? widened(network, Math.min(64, network.prefix)) : network;
}

/** The one spelling of a network: `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/64` (RFC 5952). */
export function networkText({ family, bits, prefix }: Network): string {
  const address = family === 4 ? text4(bits) : text6(bits);
  return prefix === WIDTH[family] ? address : `${address}/${prefix}`;
}

/** A key for look-ups, the same for the same network and made faster than its text. */
export function networkKey({ family, bits, prefix }: Network): string {
  return `${family}/${prefix}/${bits.toString(36)}`;
}

function bitsOf4(address: string): bigint {
  return BigInt(address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0));
}

function bitsOf6(address: string): bigint {
  const [head = "", tail] = address.split("::");
  const left = groupsOf(head);
  const right = groupsOf(tail ?? "");
  const zeros = new Array<number>(8 - left.length - right.length).fill(0);
  return [...left, ...zeros, ...right].reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
}

function groupsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const bits = Number(bitsOf4(group));
    return [bits >>> 16, bits & 0xffff];
  });
}

function text4(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 255n).join(".");
}

function text6(bits: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => (bits >> BigInt(112 - 16 * index)) & 0xffffn);
  const text = groups.map((group) => group.toString(16)).join(":");
  // The first of the longest runs of two zero groups or more (RFC 5952 §4.2).
  const runs = text.match(/(?:^|(?<=:))0(?::0)+(?=:|$)/g) ?? [];
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), "");
  if (longest === "") return text;
  const at = text.search(new RegExp(`(?:^|(?<=:))${longest}(?=:|$)`));
  const before = text.slice(0, at).replace(/:$/, "");
  const after = text.slice(at + longest.length).replace(/^:/, "");
  return `${before}::${after}`;
}
