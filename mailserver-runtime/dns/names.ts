/**
 * Domain names as this project writes them: lower case, a-labels (RFC 5890), no trailing dot; the root is ".".
 *
 * Two kinds are told apart. A *domain name* may own any record: letters, digits, hyphens, underscores, a leading
 * wildcard. A *host name* can be connected to (RFC 1123 §2.1): letters, digits and hyphens only. Names that would
 * need an escape in a zone file (RFC 1035 §5.1) are refused: nothing in mail uses them, and they are the classic way
 * to make two programs disagree about one name.
 *
 * The file imports nothing: the stack and the runtime both use it.
 */

/** A name that breaks a rule of RFC 1035 §2.3.4 or RFC 5890; the message names the name and the rule. */
export class InvalidName extends RangeError {
  override name = "InvalidName";
}

/** Octets of a name in presentation form without its final dot (255 on the wire, RFC 1035 §2.3.4). */
export const MAX_NAME_LENGTH = 253;
const MAX_LABEL_LENGTH = 63;

/** Full stops that UTS #46 §2.3 treats as label separators. */
const SEPARATORS = /[.\u3002\uff0e\uff61]/u;
const DOMAIN_LABEL = /^[a-z0-9_/+-]+$/;
/** A name that is canonical as it stands, which nearly all are: one look instead of a walk over the labels. */
const CANONICAL = /^(?:\*\.)?[a-z0-9_/+-]{1,63}(?:\.[a-z0-9_/+-]{1,63})*$/;
const HOST_LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const ASCII = /^[\0-\x7f]*$/;

/**
 * The canonical form of a domain name given with a-labels or u-labels, any case, with or without the final dot.
 *
 * u-labels are mapped by UTS #46 (non-transitional, so "straße" keeps its ß) through the platform's URL parser, which
 * needs no import. A wildcard is accepted as the whole first label only (RFC 4592 §2.1.1).
 *
 * @throws {InvalidName}
 */
export function domainName(input: string): string {
  if (input === "." || (input.length <= MAX_NAME_LENGTH && CANONICAL.test(input))) return input;
  const text = input.endsWith(".") ? input.slice(0, -1) : input;
  if (text === "") throw new InvalidName("a domain name is empty");
  if (text.length > 4 * MAX_NAME_LENGTH) throw tooLong(`${text.slice(0, 40)}…`);
  const labels = text.split(SEPARATORS).map((label, index) => canonicalLabel(label, index, input));
  const name = labels.join(".");
  if (name.length > MAX_NAME_LENGTH) throw tooLong(input);
  return name;
}

/**
 * The canonical form of a name to ask for, which a sender may have made: "any binary string whatever can be used as the
 * label of any resource record" (RFC 2181 §11), such as `me=you%a` from the `%{l}` of an SPF record (RFC 7208 §7). Only
 * lengths count, and a dot always ends a label. What is not ASCII is taken for u-labels.
 *
 * @throws {InvalidName}
 */
export function queryName(input: string): string {
  if (CANONICAL.test(input) || !ASCII.test(input) || input === ".") return domainName(input);
  const name = (input.endsWith(".") ? input.slice(0, -1) : input).toLowerCase();
  if (name.length > MAX_NAME_LENGTH) throw tooLong(`${name.slice(0, 40)}…`);
  if (name.split(".").some((label) => label === "" || label.length > MAX_LABEL_LENGTH))
    throw new InvalidName(`"${input}" has a label that is empty or longer than ${MAX_LABEL_LENGTH} octets`);
  return name;
}

/** Whether `domainName` accepts this. */
export function isDomainName(input: string): boolean {
  try {
    domainName(input);
    return true;
  } catch {
    return false;
  }
}

/**
 * The canonical form of a name that can be connected to (RFC 1123 §2.1): no underscore, no wildcard, not the root.
 *
 * @throws {InvalidName}
 */
export function hostName(input: string): string {
  const name = domainName(input);
  const bad = name.split(".").find((label) => !HOST_LABEL.test(label));
  if (bad !== undefined)
    throw new InvalidName(
      `"${input}" is not a host name: the label "${bad}" has more than letters, digits and inner hyphens`,
    );
  return name;
}

/** Whether `hostName` accepts this. */
export function isHostName(input: string): boolean {
  try {
    hostName(input);
    return true;
  } catch {
    return false;
  }
}

/** Whether a canonical name is the zone's apex or below it. Everything is within the root. */
export function isWithin(name: string, zone: string): boolean {
  return zone === "." || name === zone || name.endsWith(`.${zone}`);
}

/** The canonical name one label up; the root is its own parent. */
export function parentName(name: string): string {
  const dot = name.indexOf(".");
  return dot <= 0 ? "." : name.slice(dot + 1) || ".";
}

/** `under("_dmarc", "example.com")` is "_dmarc.example.com"; the root adds nothing. */
export function under(prefix: string, name: string): string {
  return domainName(name === "." ? prefix : `${prefix}.${name}`);
}

/** Order of names in a zone (RFC 4034 §6.1): by label from the right, so that a zone's apex is first. */
export function compareNames(left: string, right: string): number {
  const a = left === "." ? [] : left.split(".").reverse();
  const b = right === "." ? [] : right.split(".").reverse();
  for (const [index, label] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (label !== other) return label < other ? -1 : 1;
  }
  return a.length - b.length;
}

function canonicalLabel(label: string, index: number, whole: string): string {
  if (label === "")
    throw new InvalidName(`"${whole}" has an empty label (two dots in a row, or a dot in front)`);
  if (label === "*") {
    if (index === 0) return label;
    throw new InvalidName(`"${whole}" has a wildcard that is not its first label (RFC 4592)`);
  }
  const ascii = ASCII.test(label) ? label.toLowerCase() : aLabel(label, whole);
  if (ascii.length > MAX_LABEL_LENGTH)
    throw new InvalidName(
      `"${whole}" has a label of ${ascii.length} octets; at most ${MAX_LABEL_LENGTH} are allowed`,
    );
  if (!DOMAIN_LABEL.test(ascii)) {
    const bad = [...ascii].find((character) => !DOMAIN_LABEL.test(character));
    throw new InvalidName(
      `"${whole}" has the character ${JSON.stringify(bad)}, which a domain name cannot have here`,
    );
  }
  return ascii;
}

/** One u-label as an a-label. The suffix keeps the URL parser from taking a label for an IPv4 address. */
function aLabel(label: string, whole: string): string {
  const suffix = ".invalid";
  // The URL parser would read these as the end of the host or as an encoding, not as part of the label.
  if (/[\0-\x20%/:?#@[\]\\]/.test(label))
    throw new InvalidName(`"${whole}" mixes letters and URL punctuation`);
  try {
    const host = new URL(`http://${label}${suffix}`).hostname;
    const mapped = host.slice(0, -suffix.length);
    if (host.endsWith(suffix) && mapped !== "" && !mapped.includes(".")) return mapped;
  } catch {
    // Told below with the name in it: the URL parser's own message only says "Invalid URL".
  }
  throw new InvalidName(`"${whole}" has the label "${label}", which has no IDNA form (RFC 5890, UTS #46)`);
}

function tooLong(name: string): InvalidName {
  return new InvalidName(`"${name}" is longer than ${MAX_NAME_LENGTH} octets (RFC 1035 §2.3.4)`);
}
