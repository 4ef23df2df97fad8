/**
 * Who is never banned, whatever comes from there: what is declared, this machine itself, and its gateway.
 *
 * Behind a container's or a router's address translation every client may seem to be the gateway: a ban of it
 * would shut everybody out (DESIGN D9).
 */
import { readFileSync } from "node:fs";
import { networkList, normalAddress } from "../net/address.ts";
import { networkText } from "./network.ts";

/** Why an address is not banned; undefined where it may be. */
export type Spared = (address: string) => string | undefined;

export interface SparedOptions {
  /** Addresses and networks; entries that cannot be read were refused before. */
  readonly declared: readonly string[];
  readonly isOwn: (address: string) => boolean;
  readonly gateways: () => ReadonlySet<string>;
}

export function sparing({ declared, isOwn, gateways }: SparedOptions): Spared {
  const list = networkList(declared);
  return (address) => {
    if (list.has(address)) return "it is declared as never banned";
    if (gateways().has(address))
      return "it is this host's gateway; if every client seems to come from it, pass on their addresses (PROXY protocol, or no address translation)";
    return isOwn(address) ? "it is this host's own address" : undefined;
  };
}

/** How long the routes are good for. */
const FRESH_MS = 10_000;

/** The gateways of the default routes, read again when they may have changed. */
export function ownGateways(): () => ReadonlySet<string> {
  let known: ReadonlySet<string> = new Set();
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - readAt > FRESH_MS) {
      known = new Set([
        ...gatewaysOf4(readOr("/proc/net/route")),
        ...gatewaysOf6(readOr("/proc/net/ipv6_route")),
      ]);
      readAt = performance.now();
    }
    return known;
  };
}

/** Gateways of default routes in /proc/net/route: hexadecimal words in the machine's byte order, which is little-endian where Node runs. */
export function gatewaysOf4(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [, destination, gateway = "", , , , , mask] = line.split(/\s+/);
    if (destination !== "00000000" || mask !== "00000000" || !/^[0-9A-F]{8}$/i.test(gateway)) return [];
    if (gateway === "00000000") return [];
    return [[3, 2, 1, 0].map((at) => Number.parseInt(gateway.slice(at * 2, at * 2 + 2), 16)).join(".")];
  });
}

/** The same of /proc/net/ipv6_route: destination, its prefix length, source, its prefix length, next hop, all hexadecimal. */
export function gatewaysOf6(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [destination, length, , , hop = ""] = line.split(/\s+/);
    if (!/^0{32}$/.test(destination ?? "") || length !== "00" || !/^[0-9a-f]{32}$/i.test(hop)) return [];
    if (/^0{32}$/.test(hop)) return [];
    return [normalAddress(networkText({ family: 6, bits: BigInt(`0x${hop}`), prefix: 128 }))];
  });
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Another system than Linux, or a sandbox: the gateway can be declared.
    return "";
  }
}
