/** A DMARC policy record (RFC 9989 §4.7): a tag list that begins with `v=DMARC1`. Pure. */

import { parseTagList } from "../tag-list.ts";

export type DmarcPolicy = "none" | "quarantine" | "reject";

export interface DmarcRecord {
  /** As it was published. */
  readonly text: string;
  /** The policy for the domain itself; undefined where p= is absent or means nothing. */
  readonly p: DmarcPolicy | undefined;
  /** For its subdomains, and for those of them that do not exist. */
  readonly sp: DmarcPolicy | undefined;
  readonly np: DmarcPolicy | undefined;
  /** An sp= or np= that is there and means nothing. */
  readonly isDamaged: boolean;
  readonly strictDkim: boolean;
  readonly strictSpf: boolean;
  /** t=y: the owner tests, and asks for one step less. */
  readonly isTest: boolean;
  /** psd=: this is a public suffix (y), or the organizational domain (n), or it is left to the walk. */
  readonly publicSuffix: "y" | "n" | undefined;
  /** Where aggregate reports go (§4.8); only what is a URI. */
  readonly reportsTo: readonly string[];
}

/** The version tag stands first and is exact (§4.7). */
const version = /^[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/;
const policies: ReadonlySet<string> = new Set(["none", "quarantine", "reject"]);
const uri = /^[a-z][a-z0-9+.-]*:(?:[a-z0-9\-._~:/?#[\]@$&'()*+;=]|%[0-9a-f]{2})+$/i;

/** Parses the text of a TXT record; undefined for one that is no DMARC record, or names a tag twice (RFC 6376 §3.2). */
export function parseDmarcRecord(text: string): DmarcRecord | undefined {
  if (!version.test(text)) return undefined;
  const tags = parseTagList(text, { names: "any-case" });
  if (tags === undefined) return undefined;
  const word = (name: string) => tags.get(name)?.toLowerCase();
  const policy = (name: string) => {
    const value = word(name);
    return value !== undefined && policies.has(value) ? (value as DmarcPolicy) : undefined;
  };
  const isBad = (name: string) => tags.has(name) && policy(name) === undefined;
  const psd = word("psd");
  return {
    text,
    p: policy("p"),
    sp: policy("sp"),
    np: policy("np"),
    isDamaged: isBad("sp") || isBad("np"),
    strictDkim: word("adkim") === "s",
    strictSpf: word("aspf") === "s",
    isTest: word("t") === "y",
    publicSuffix: psd === "y" || psd === "n" ? psd : undefined,
    reportsTo: (tags.get("rua") ?? "")
      .split(",")
      .map((each) => each.trim().replace(/![0-9]+[kmgt]?$/i, ""))
      .filter((each) => uri.test(each)),
  };
}
