/**
 * Addresses as the configuration writes them: lower case, the domain as A-labels (RFC 5890).
 *
 * Stricter than RFC 5321 where a name becomes a directory (`mail/<domain>/<localpart>/`) or a field of a
 * file with separators: no slash, no control character, no white space, nothing quoted. What DMS could not
 * serve either is refused here with its reason, before it reaches a path.
 */
import { hostName } from "../dns/names.ts";

/** An address or domain that cannot be declared; the message names it and the rule. */
export class InvalidAddress extends RangeError {
  override name = "InvalidAddress";
}

/** RFC 5321 §4.5.3.1.1, in octets. */
const MAX_LOCAL = 64;

const domains = new Map<string, string>();
/** Bounds the cache below against a file full of different names. */
const CACHED_DOMAINS = 10_000;

/**
 * A mail domain in canonical form.
 *
 * @throws {InvalidAddress}
 */
export function mailDomain(text: string): string {
  const known = domains.get(text);
  if (known !== undefined) return known;
  let name: string;
  try {
    name = hostName(text);
  } catch (error) {
    throw new InvalidAddress(error instanceof Error ? error.message : String(error));
  }
  if (name === ".") throw new InvalidAddress("the root is not a mail domain");
  if (domains.size >= CACHED_DOMAINS) domains.clear();
  domains.set(text, name);
  return name;
}

/** Both parts of an address in canonical form, split at the last @. */
export interface AddressParts {
  readonly local: string;
  readonly domain: string;
}

/**
 * The parts of an account's address.
 *
 * @throws {InvalidAddress}
 */
export function addressParts(text: string): AddressParts {
  const at = text.lastIndexOf("@");
  if (at < 0) throw new InvalidAddress(`"${text}" has no @`);
  if (at === 0) throw new InvalidAddress(`"${text}" has nothing before the @`);
  const local = text.slice(0, at).normalize("NFC").toLowerCase();
  if (Buffer.byteLength(local) > MAX_LOCAL)
    throw new InvalidAddress(
      `the part of "${text}" before the @ is longer than ${MAX_LOCAL} octets (RFC 5321 §4.5.3.1.1)`,
    );
  const bad = /[\s\p{Cc}/\\"(),:;<>@[\]|*]/u.exec(local);
  if (bad !== null)
    throw new InvalidAddress(
      `the part of "${text}" before the @ has ${JSON.stringify(bad[0])}, which an address cannot have here`,
    );
  if (local.startsWith(".") || local.endsWith(".") || local.includes(".."))
    throw new InvalidAddress(`the part of "${text}" before the @ has a dot at an end or two in a row`);
  return { local, domain: mailDomain(text.slice(at + 1)) };
}

/**
 * The canonical text of an account's address.
 *
 * @throws {InvalidAddress}
 */
export function mailAddress(text: string): string {
  const { local, domain } = addressParts(text);
  return `${local}@${domain}`;
}

/**
 * The canonical text of what an alias may be called: an address, or `@domain` for a catch-all.
 *
 * @throws {InvalidAddress}
 */
export function aliasAddress(text: string): string {
  return text.startsWith("@") ? `@${mailDomain(text.slice(1))}` : mailAddress(text);
}

/**
 * Where an alias leads: any address, here or elsewhere, or `@domain`, which keeps the part before the @. The local part is somebody else's matter and keeps
 * its case (RFC 5321 §2.4); only what would break the file it stands in is refused.
 *
 * @throws {InvalidAddress}
 */
export function targetAddress(text: string): string {
  const at = text.lastIndexOf("@");
  if (at === 0) return `@${mailDomain(text.slice(1))}`;
  if (at < 0) throw new InvalidAddress(`the target "${text}" is not an address (user@domain)`);
  const local = text.slice(0, at);
  const bad = /[\s\p{Cc},]/u.exec(local);
  if (bad !== null)
    throw new InvalidAddress(`the target "${text}" has ${JSON.stringify(bad[0])} before the @`);
  return `${local}@${mailDomain(text.slice(at + 1))}`;
}
