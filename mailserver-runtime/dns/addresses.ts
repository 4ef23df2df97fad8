/**
 * IP addresses as text: one canonical form for each, and the name their PTR record stands at.
 *
 * Written without node:net so that the record plan, which both sides of the project use, imports nothing.
 */
import { domainName } from "./names.ts";

/** An address in canonical text: dotted quad, or RFC 5952. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly text: string;
}

const OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);

/**
 * Reads an IPv4 or IPv6 address; undefined when it is neither. Zone ids, brackets, prefixes, and leading zeros (which
 * some programs read as octal) are not accepted.
 */
export function ipAddress(text: string): IpAddress | undefined {
  if (IPV4.test(text)) return { family: 4, text };
  if (!text.includes(":") || !/^[0-9a-fA-F:.]{2,45}$/.test(text)) return undefined;
  try {
    return { family: 6, text: new URL(`http://[${text}]`).hostname.slice(1, -1) };
  } catch {
    return undefined;
  }
}

/**
 * The name of an address's PTR record: reversed octets below in-addr.arpa (RFC 1035 §3.5), or reversed nibbles below
 * ip6.arpa (RFC 3596 §2.5). Undefined when the text is no address.
 */
export function reverseName(text: string): string | undefined {
  const address = ipAddress(text);
  if (address === undefined) return undefined;
  if (address.family === 4) return domainName(`${address.text.split(".").reverse().join(".")}.in-addr.arpa`);
  const nibbles = ipv6Groups(address.text)
    .map((group) => group.toString(16).padStart(4, "0"))
    .join("");
  return domainName(`${[...nibbles].reverse().join(".")}.ip6.arpa`);
}

/** The eight 16-bit groups of a canonical IPv6 address. */
function ipv6Groups(text: string): number[] {
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const gap = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<string>(gap).fill("0"), ...right].map((group) => Number.parseInt(group, 16));
}
