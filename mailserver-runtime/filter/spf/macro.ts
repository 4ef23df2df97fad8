/** SPF macros (RFC 7208 §7): parsed once with the record, expanded for each message. */

/** A macro-string: literal text, and macros that stand for something of the message. */
export type MacroString = readonly (string | Macro)[];

export interface Macro {
  readonly letter: MacroLetter;
  /** Upper case: the value is URL-escaped (§7.3). */
  readonly escaped: boolean;
  /** So many parts from the right are kept; 0 keeps all. */
  readonly keep: number;
  readonly reversed: boolean;
  readonly delimiters: string;
}
export type MacroLetter = "s" | "l" | "o" | "d" | "i" | "p" | "h" | "v" | "c" | "r" | "t";
/** Letters that stand in an explanation only (§7.2). */
const explanationLetters = "crt";

const macroExpand = /%(?:\{([slodiphcrtv])(\d*)(r?)([.\-+,/_=]*)\}|([%_-]))/iy;
/** What stands for itself (§7.1 macro-literal); an explanation has spaces as well (§6.2). */
const literals = { domain: /[\x21-\x24\x26-\x7e]+/y, explanation: /[\x20-\x24\x26-\x7e]+/y } as const;
const escapes: Readonly<Record<string, string>> = { "%": "%", _: " ", "-": "%20" };

/** Parses a macro-string as it stands in a record, or in the text of an explanation; undefined where it is none. */
export function parseMacroString(text: string, where: keyof typeof literals): MacroString | undefined {
  const pieces: (string | Macro)[] = [];
  const literal = literals[where];
  for (let at = 0; at < text.length; ) {
    literal.lastIndex = at;
    const plain = literal.exec(text)?.[0];
    if (plain !== undefined) {
      pieces.push(plain);
      at += plain.length;
      continue;
    }
    macroExpand.lastIndex = at;
    const found = macroExpand.exec(text);
    if (found === null) return undefined;
    const [whole, letter, digits = "", reversed, delimiters, quoted] = found;
    at += whole.length;
    if (letter === undefined) {
      pieces.push(escapes[quoted!]!);
      continue;
    }
    const lower = letter.toLowerCase() as MacroLetter;
    if (where === "domain" && explanationLetters.includes(lower)) return undefined;
    if (digits !== "" && Number(digits) === 0) return undefined;
    pieces.push({
      letter: lower,
      escaped: letter !== lower,
      keep: digits === "" ? 0 : Number(digits),
      reversed: reversed !== "",
      delimiters: delimiters === "" ? "." : delimiters!,
    });
  }
  return pieces;
}

/**
 * A domain-spec (§7.1): a macro-string that ends in a macro or in a top label, which has a letter or an inner
 * hyphen, so that `a:192.0.2.1` and `a:host` are errors.
 */
export function parseDomainSpec(text: string): MacroString | undefined {
  if (!/(?:%(?:\{[^}]*\}|[%_-])|\.(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])\.?)$/i.test(text))
    return undefined;
  return parseMacroString(text, "domain");
}

/** Whether a value that costs look-ups is asked for. */
export function asksForName(pieces: MacroString): boolean {
  return pieces.some((piece) => typeof piece !== "string" && piece.letter === "p");
}

/** The text with every macro's value in its place. */
export function expand(pieces: MacroString, value: (letter: MacroLetter) => string): string {
  let text = "";
  for (const piece of pieces)
    text += typeof piece === "string" ? piece : valueFor(piece, value(piece.letter));
  return text;
}

function valueFor(macro: Macro, value: string): string {
  let result = value;
  if (macro.keep > 0 || macro.reversed || macro.delimiters !== ".") {
    const parts = splitAtAny(value, macro.delimiters);
    if (macro.reversed) parts.reverse();
    result = (macro.keep > 0 ? parts.slice(-macro.keep) : parts).join(".");
  }
  return macro.escaped ? urlEscaped(result) : result;
}
function splitAtAny(value: string, delimiters: string): string[] {
  const parts = [""];
  for (const character of value)
    if (delimiters.includes(character)) parts.push("");
    else parts[parts.length - 1] += character;
  return parts;
}
/** Everything but the unreserved characters of RFC 3986 §2.3. */
function urlEscaped(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
