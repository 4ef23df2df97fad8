/** The names a certificate is for, as subjectAltName says (RFC 5280 §4.2.1.6). */
import { isIP } from "node:net";

interface Named {
  readonly subjectAltName: string | undefined;
}

/** Exactly these names, in any order. */
export function sameNames(leaf: Named, names: readonly string[]): boolean {
  const has = (leaf.subjectAltName ?? "").split(", ").sort();
  // node prints IPv6 addresses in full, upper case; comparing those would need a parser of its own, and a
  // certificate that is issued once more than needed does no harm.
  const wants = names.map((name) => (isIP(name) === 0 ? `DNS:${name}` : `IP Address:${name}`)).sort();
  return has.length === wants.length && has.every((name, index) => name === wants[index]);
}
