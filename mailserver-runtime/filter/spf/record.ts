/** An SPF record's grammar (RFC 7208 §4.5, §4.6, §12). A syntax error anywhere makes the whole record one. Pure. */
import { type MacroString, parseDomainSpec, parseMacroString } from "./macro.ts";
import { addressBytes } from "./network.ts";

export type Qualifier = "pass" | "fail" | "softfail" | "neutral";

/** A term that may match. Prefix lengths are in bits. */
export type Mechanism =
  | { readonly kind: "all" }
  | { readonly kind: "include" | "exists"; readonly domain: MacroString }
  | {
      readonly kind: "a" | "mx";
      readonly domain: MacroString | undefined;
      readonly bits4: number;
      readonly bits6: number;
    }
  | { readonly kind: "ptr"; readonly domain: MacroString | undefined }
  | { readonly kind: "network"; readonly bytes: Uint8Array; readonly bits: number };

export interface Directive {
  readonly qualifier: Qualifier;
  readonly mechanism: Mechanism;
  /** As it stands in the record, for the reader of a result. */
  readonly text: string;
}
export interface SpfRecord {
  readonly directives: readonly Directive[];
  readonly redirect: MacroString | undefined;
  readonly explanation: MacroString | undefined;
}
/** A term that no SPF record may have. */
export interface BadTerm {
  readonly badTerm: string;
}

const qualifiers: Readonly<Record<string, Qualifier>> = {
  "+": "pass",
  "-": "fail",
  "~": "softfail",
  "?": "neutral",
};
const directiveTerm = /^([+\-~?]?)([a-z][a-z0-9_.-]*)((?:[:/].*)?)$/is;
const modifierTerm = /^([a-z][a-z0-9_.-]*)=(.*)$/is;

/** Whether a TXT record is an SPF record at all (§4.5). */
export function isSpfRecord(text: string): boolean {
  return /^v=spf1(?: |$)/i.test(text);
}

const parsed = new Map<string, SpfRecord | BadTerm>();
const MAX_PARSED = 2000;

/** The parsed record; those of the domains that write most are kept. `text` is one for which `isSpfRecord` holds. */
export function parseSpfRecord(text: string): SpfRecord | BadTerm {
  const kept = parsed.get(text);
  if (kept !== undefined) return kept;
  const record = parse(text);
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(text, record);
  return record;
}

function parse(text: string): SpfRecord | BadTerm {
  const directives: Directive[] = [];
  let redirect: MacroString | undefined;
  let explanation: MacroString | undefined;
  for (const term of text.slice("v=spf1".length).split(" ")) {
    if (term === "") continue;
    const modifier = modifierTerm.exec(term);
    if (modifier !== null) {
      const name = modifier[1]!.toLowerCase();
      const value = modifier[2]!;
      if (name === "redirect") {
        if (redirect !== undefined) return { badTerm: term };
        redirect = parseDomainSpec(value);
        if (redirect === undefined) return { badTerm: term };
      } else if (name === "exp") {
        if (explanation !== undefined) return { badTerm: term };
        explanation = parseDomainSpec(value);
        if (explanation === undefined) return { badTerm: term };
      } else if (parseMacroString(value, "domain") === undefined) return { badTerm: term };
      continue;
    }
    const [, sign = "", name = "", rest = ""] = directiveTerm.exec(term) ?? [];
    const mechanism = mechanisms[name.toLowerCase()]?.(rest);
    if (mechanism === undefined) return { badTerm: term };
    directives.push({ qualifier: qualifiers[sign] ?? "pass", mechanism, text: term });
  }
  return { directives, redirect, explanation };
}

/** Each reads what stands behind the mechanism's name. */
const mechanisms: Readonly<Record<string, (rest: string) => Mechanism | undefined>> = {
  all: (rest) => (rest === "" ? { kind: "all" } : undefined),
  include: (rest) => withDomain("include", rest),
  exists: (rest) => withDomain("exists", rest),
  a: (rest) => withPrefixes("a", rest),
  mx: (rest) => withPrefixes("mx", rest),
  ptr(rest) {
    if (rest === "") return { kind: "ptr", domain: undefined };
    const domain = rest.startsWith(":") ? parseDomainSpec(rest.slice(1)) : undefined;
    return domain && { kind: "ptr", domain };
  },
  ip4: (rest) => network(rest, 4),
  ip6: (rest) => network(rest, 16),
};

function withDomain(kind: "include" | "exists", rest: string): Mechanism | undefined {
  const domain = rest.startsWith(":") ? parseDomainSpec(rest.slice(1)) : undefined;
  return domain && { kind, domain };
}
function withPrefixes(kind: "a" | "mx", rest: string): Mechanism | undefined {
  const [, spec = "", four, six] = /^(.*?)(?:\/(\d+))?(?:\/\/(\d+))?$/s.exec(rest)!;
  const bits4 = prefixLength(four, 32);
  const bits6 = prefixLength(six, 128);
  if (bits4 === undefined || bits6 === undefined) return undefined;
  if (spec === "") return { kind, domain: undefined, bits4, bits6 };
  const domain = spec.startsWith(":") ? parseDomainSpec(spec.slice(1)) : undefined;
  return domain && { kind, domain, bits4, bits6 };
}
function network(rest: string, length: 4 | 16): Mechanism | undefined {
  const [, address = "", digits] = /^:([^/]+)(?:\/(\d+))?$/.exec(rest) ?? [];
  const bytes = addressBytes(address);
  const bits = prefixLength(digits, length * 8);
  return bytes?.length === length && bits !== undefined ? { kind: "network", bytes, bits } : undefined;
}
/** No leading zeros (§12 ip4-cidr-length). */
function prefixLength(digits: string | undefined, widest: number): number | undefined {
  if (digits === undefined) return widest;
  return /^(?:0|[1-9]\d{0,2})$/.test(digits) && Number(digits) <= widest ? Number(digits) : undefined;
}
