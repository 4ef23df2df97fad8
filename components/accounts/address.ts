/**
 * Mail addresses as the stack declares them (RFC 5321 §4.1.2): a dot-string and a domain. Compared without case, kept in
 * lower case, the domain as a-labels.
 */
import { hostName } from "../../mailserver-runtime/dns/records.ts";

/** RFC 5322 §3.2.3, and RFC 6531 §3.3 for what lies beyond ASCII. */
const DOT_STRING = /^[\w!#$%&'*+/=?^`{|}~\u0080-\u{10ffff}-]+(\.[\w!#$%&'*+/=?^`{|}~\u0080-\u{10ffff}-]+)*$/u;
/** RFC 5321 §4.5.3.1.1. */
const LOCAL_PART_OCTETS = 64;

export interface Address {
  readonly local: string;
  readonly domain: string;
}

/** An address or domain that breaks a rule; the message says which. */
export class InvalidAddress extends RangeError {
  override readonly name = "InvalidAddress";
}

/** @throws {InvalidAddress} */
export function parseAddress(text: string): Address {
  const at = text.lastIndexOf("@");
  if (at < 0) throw new InvalidAddress("has no @: an address is name@domain");
  const local = text.slice(0, at).toLowerCase();
  if (local === "") throw new InvalidAddress("has nothing before its @");
  if (Buffer.byteLength(local) > LOCAL_PART_OCTETS)
    throw new InvalidAddress("has more than 64 octets before its @ (RFC 5321 §4.5.3.1.1)");
  if (!DOT_STRING.test(local))
    throw new InvalidAddress(
      "has a character before its @ that only a quoted name may hold (RFC 5321 §4.1.2)",
    );
  return { local, domain: parseDomain(text.slice(at + 1)) };
}

/** The canonical text of an address. @throws {InvalidAddress} */
export function canonicalAddress(text: string): string {
  const { local, domain } = parseAddress(text);
  return `${local}@${domain}`;
}

/**
 * The canonical form of a mail domain: at least two labels, each fit for a host name (RFC 1123 §2.1).
 *
 * @throws {InvalidAddress}
 */
export function parseDomain(text: string): string {
  if (text === "") throw new InvalidAddress("has an empty domain");
  let name: string;
  try {
    name = hostName(text);
  } catch (error) {
    throw new InvalidAddress(`is no domain: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!name.includes(".")) throw new InvalidAddress("is no domain: a mail domain has at least two labels");
  return name;
}
