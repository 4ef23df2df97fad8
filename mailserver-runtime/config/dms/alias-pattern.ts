/**
 * A pattern of postfix-regexp.cf that no address can make run for long. Whoever sends mail chooses the text, so a pattern
 * that backtracks (`^(a+)+@`) would let him stop the server.
 *
 * Three ways, the first that fits: JavaScript's own matcher where the pattern cannot backtrack for long, by its form alone;
 * RE2, which is linear; and, for what RE2 has not (lookaround, backreferences), JavaScript's with a time limit.
 */
import { createContext, Script } from "node:vm";
import { RE2JS } from "re2js";

export interface AliasPattern {
  /** As written, for messages. */
  readonly source: string;
  /**
   * What the groups matched, the whole match first; undefined: no match.
   *
   * @throws {PatternTooSlow}
   */
  match(text: string): readonly (string | undefined)[] | undefined;
}

/** The pattern took too long for this text. */
export class PatternTooSlow extends Error {
  override name = "PatternTooSlow";
}

/** Where a match with a time limit runs; one for all, since a new one takes longer than the match. */
const room: { pattern: RegExp | undefined; text: string } = { pattern: undefined, text: "" };
const context = createContext(room);
const script = new Script("pattern.exec(text)");

/** `$1`, `${1}` and `$(1)` in a target stand for what the pattern's parentheses matched, `$$` for "$" (pcre_table(5)). */
export function substituted(target: string, match: readonly (string | undefined)[]): string {
  return target.replace(
    /\$(?:(\$)|(\d{1,2})|\{(\d{1,2})\}|\((\d{1,2})\))/g,
    (_, dollar: string | undefined, bare?: string, braced?: string, parenthesised?: string) =>
      dollar ?? match[Number(bare ?? braced ?? parenthesised)] ?? "",
  );
}

/** How long a match may take where only time bounds it, in milliseconds. */
const LIMIT_MS = 20;

/** @throws {SyntaxError} for what JavaScript cannot read */
export function aliasPattern(source: string, flags: string): AliasPattern {
  const pattern = new RegExp(source, flags);
  if (cannotBacktrackForLong(source)) return { source, match: (text) => pattern.exec(text) ?? undefined };
  const linear = linearPattern(source, flags);
  if (linear !== undefined) return { source, match: linear };
  return {
    source,
    match(text) {
      try {
        Object.assign(room, { pattern, text });
        const found: unknown = script.runInContext(context, { timeout: LIMIT_MS });
        return (found as RegExpExecArray | null) ?? undefined;
      } catch {
        throw new PatternTooSlow(`/${source}/ takes too long for this address`);
      }
    },
  };
}

/**
 * Whether the work grows with the square of the text at most: no group is repeated, and there are two repetitions without
 * an end at most. An address has a few hundred characters.
 */
function cannotBacktrackForLong(source: string): boolean {
  const plain = source.replace(/\\./g, "x").replace(/\[\^?\]?[^\]]*\]/g, "x");
  if (/\)[*+{]/.test(plain)) return false;
  return (plain.match(/[*+]|\{\d+,\d*\}/g) ?? []).length <= 2;
}

function linearPattern(source: string, flags: string): AliasPattern["match"] | undefined {
  let compiled: RE2JS;
  try {
    const bits = [
      flags.includes("i") ? RE2JS.CASE_INSENSITIVE : 0,
      flags.includes("s") ? RE2JS.DOTALL : 0,
      flags.includes("m") ? RE2JS.MULTILINE : 0,
    ];
    compiled = RE2JS.compile(
      source,
      bits.reduce((all, bit) => all | bit, 0),
    );
  } catch {
    return undefined;
  }
  return (text) => {
    const matcher = compiled.matcher(text);
    if (!matcher.find()) return undefined;
    return Array.from({ length: matcher.groupCount() + 1 }, (_, index) => matcher.group(index) ?? undefined);
  };
}
