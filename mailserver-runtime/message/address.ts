/**
 * Mail addresses as SMTP writes them (RFC 5321 §4.1.2, RFC 6531 §3.3 for UTF-8), read into values and written back.
 *
 * An address has one canonical text, and every table of the server is keyed by it: the local part unquoted where it
 * can be, in Unicode form NFC and lower case; the domain in lower-case a-labels (RFC 5890), or an address literal in
 * canonical form. Local parts compare without regard to case: RFC 5321 §2.4 lets the receiving host decide, and
 * every mailbox provider decides so. What goes out into RCPT TO keeps the case it came with, because there the other
 * host decides.
 *
 * Reading never throws: what is no address is undefined, or a closed list of problems where the reason is needed.
 */
import { domainName, ipAddress } from "../dns/records.ts";

/** An address taken apart. Immutable. */
export interface MailAddress {
  /** What the local part means, with quoting undone and case kept. */
  readonly localPart: string;
  /** Lower-case a-labels without final dot, or an address literal in its brackets. */
  readonly domain: string;
  /** The address an address literal stands for (RFC 5321 §4.1.3). */
  readonly literal?: string;
}

/**
 * Octets of an address without angle brackets: a path is at most 256 octets with them (RFC 5321 §4.5.3.1.3). The 64
 * octets of §4.5.3.1.1 are not enforced for the local part: VERP and SRS1 addresses are longer in daily mail, and the
 * section itself asks for no limit where none is needed.
 */
export const MAX_ADDRESS_OCTETS = 254;

const ATOM =
  /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]+(?:\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]+)*/u;
const QUOTED = /^"((?:[ !#-[\]-~\u0080-\u{10ffff}]|\\[ -~])*)"/u;
/** C1 controls, line and paragraph separators, halves of surrogate pairs, and what a decoder writes for bad UTF-8. */
const UNFIT = /[\u0080-\u009f\u2028\u2029\ufffd]|\p{Cs}/u;
const NON_ASCII = /[^\0-\x7f]/;
/** Marks of a domain name that no mail domain has: wildcards and RFC 2317 delegation names. */
const NOT_IN_MAIL_DOMAIN = /[*/+]/;

/**
 * Reads `local-part@domain` (no angle brackets, no display name). The domain may have u-labels; both forms give the
 * same value. Undefined when it is no address, or longer than MAX_ADDRESS_OCTETS.
 */
export function parseAddress(text: string): MailAddress | undefined {
  const local = scanLocalPart(text);
  if (local === undefined || text[local.length] !== "@") return undefined;
  const domain = parseDomain(text.slice(local.length + 1));
  if (domain === undefined) return undefined;
  const address: MailAddress = { localPart: local.value, ...domain };
  return Buffer.byteLength(formatAddress(address)) > MAX_ADDRESS_OCTETS ? undefined : address;
}

/** The address as it stands between angle brackets: the local part quoted only where it must be. */
export function formatAddress(address: MailAddress): string {
  return `${quoteLocalPart(address.localPart)}@${address.domain}`;
}

/**
 * The one text under which tables hold an address: NFC, lower case, a-labels, no needless quotes. Undefined when it is
 * no address. `canonicalAddress('"Ann"@EXÄMPLE.org')` is `ann@xn--exmple-cua.org`.
 */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address === undefined ? undefined : canonicalText(address);
}

/** `canonicalAddress` of an address already read. */
export function canonicalText(address: MailAddress): string {
  return `${quoteLocalPart(foldLocalPart(address.localPart))}@${address.domain}`;
}

/** A local part in the form in which local parts are compared. */
export function foldLocalPart(localPart: string): string {
  return localPart.normalize("NFC").toLowerCase();
}

/** Whether sending to or from this address needs SMTPUTF8 (RFC 6531 §3.2); a domain never does, it has a-labels. */
export function needsSmtpUtf8(address: MailAddress): boolean {
  return NON_ASCII.test(address.localPart);
}

/** The part after the last "@" of a text that may or may not be an address; "" without one. For logs and grouping. */
export function domainOf(address: string): string {
  const at = address.lastIndexOf("@");
  return at < 0 ? "" : address.slice(at + 1);
}

/**
 * Reads a domain or an address literal: `example.org`, `bücher.example`, `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
 */
export function parseDomain(text: string): Pick<MailAddress, "domain" | "literal"> | undefined {
  if (text.startsWith("[")) return parseLiteral(text);
  if (NOT_IN_MAIL_DOMAIN.test(text) || text.endsWith(".")) return undefined;
  try {
    return { domain: domainName(text) };
  } catch {
    return undefined;
  }
}

/** What stands in MAIL FROM:<...> and RCPT TO:<...>. */
export interface Path {
  /** "null": `<>`. "postmaster": the one recipient that needs no domain (RFC 5321 §4.5.1). */
  readonly mailbox: MailAddress | "null" | "postmaster";
  /** Where the text after the closing angle bracket begins. */
  readonly end: number;
}

/**
 * Reads a path in angle brackets from `start`. A source route (`@a,@b:`) is accepted and ignored, as RFC 5321 §4.1.2
 * and appendix C ask. Undefined when the text is no path.
 */
export function parsePath(text: string, start = 0): Path | undefined {
  if (text[start] !== "<") return undefined;
  let at = start + 1;
  if (text[at] === ">") return { mailbox: "null", end: at + 1 };
  if (text[at] === "@") {
    const route = /^@[A-Za-z0-9.[\]:_\u0080-\uffff-]+(?:,@[A-Za-z0-9.[\]_\u0080-\uffff-]+)*:/.exec(
      text.slice(at, at + 1024),
    );
    if (route === null) return undefined;
    at += route[0].length;
  }
  const local = scanLocalPart(text.slice(at, at + 2 * MAX_ADDRESS_OCTETS));
  if (local === undefined) return undefined;
  const after = at + local.length;
  if (text[after] === ">")
    return foldLocalPart(local.value) === "postmaster" && text[at - 1] === "<"
      ? { mailbox: "postmaster", end: after + 1 }
      : undefined;
  const close = text.indexOf(">", after);
  if (close < 0 || close - at > 4 * MAX_ADDRESS_OCTETS) return undefined;
  const mailbox = parseAddress(text.slice(at, close));
  return mailbox === undefined ? undefined : { mailbox, end: close + 1 };
}

/** A local part as written, quoted where it is no dot-string (RFC 5321 §4.1.2). */
export function quoteLocalPart(localPart: string): string {
  if (ATOM.exec(localPart)?.[0].length === localPart.length) return localPart;
  return `"${localPart.replace(/["\\]/g, "\\$&")}"`;
}

/** The local part at the front of a text: its meaning, and how many UTF-16 units it takes there. */
function scanLocalPart(text: string): { readonly value: string; readonly length: number } | undefined {
  const front = text.length > 4 * MAX_ADDRESS_OCTETS ? text.slice(0, 4 * MAX_ADDRESS_OCTETS) : text;
  const atom = ATOM.exec(front)?.[0];
  const quoted = atom === undefined ? QUOTED.exec(front) : null;
  const written = atom ?? quoted?.[0];
  if (written === undefined || UNFIT.test(written)) return undefined;
  const value = atom ?? quoted?.[1]?.replace(/\\(.)/g, "$1") ?? "";
  return { value, length: written.length };
}

function parseLiteral(text: string): Pick<MailAddress, "domain" | "literal"> | undefined {
  const inside = /^\[(IPv6:)?([0-9A-Fa-f:.]{2,45})\]$/i.exec(text);
  const address = inside?.[2] === undefined ? undefined : ipAddress(inside[2]);
  if (address === undefined || (address.family === 6) !== (inside?.[1] !== undefined)) return undefined;
  const domain = address.family === 6 ? `[IPv6:${address.text}]` : `[${address.text}]`;
  return { domain, literal: address.text };
}
