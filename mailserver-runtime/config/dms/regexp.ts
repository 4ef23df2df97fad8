/**
 * postfix-regexp.cf, pcre_table(5): `/pattern/flags target[,target...]`, tried in order. Postfix matches
 * without regard to case and lets dots match everything; the flags `i`, `s` and `m` switch what they name.
 * Patterns are JavaScript's, which reads nearly all of PCRE; what it cannot read is a problem of that line.
 */
import { type AliasPattern, aliasPattern } from "./alias-pattern.ts";
import { type LineParser, lineParser, unfoldedLines } from "./lines.ts";
import { splitTargets } from "./virtual.ts";

export const REGEXP_FILE = "postfix-regexp.cf";

export interface RegexpLine {
  readonly line: number;
  readonly pattern: AliasPattern;
  /** May hold `$1`, `${1}` or `$(1)` for what the pattern's groups matched. */
  readonly targets: readonly string[];
}

export const parseRegexp: LineParser<RegexpLine> = lineParser({
  unfold: unfoldedLines,
  read: ({ line, text: entry }) => {
    const delimiter = entry[0]!;
    if (/^(?:if|endif)\b/i.test(entry) || delimiter === "!")
      throw new Error("if, endif and ! of pcre_table(5) are not supported; write the pattern itself");
    if (/[\w\s]/.test(delimiter)) throw new Error("a pattern is written /pattern/ target");
    const end = closing(entry, delimiter);
    const rest = /^([a-zA-Z]*)\s+(\S.*)$/s.exec(entry.slice(end + 1));
    if (end < 0 || rest === null) throw new Error("a pattern is written /pattern/ target");
    return { line, pattern: compiled(entry.slice(1, end), rest[1]!), targets: splitTargets(rest[2]!) };
  },
});

/** The delimiter that ends the pattern: the next one that is not escaped. */
function closing(entry: string, delimiter: string): number {
  for (let at = 1; at < entry.length; at++) {
    if (entry[at] === "\\") at++;
    else if (entry[at] === delimiter) return at;
  }
  return -1;
}

function compiled(pattern: string, flags: string): AliasPattern {
  const on = new Set(["i", "s"]);
  for (const flag of flags) {
    if (!"ism".includes(flag)) throw new Error(`the flag "${flag}" is not supported`);
    if (!on.delete(flag)) on.add(flag);
  }
  try {
    return aliasPattern(pattern, [...on].join(""));
  } catch (error) {
    throw new Error(`the pattern cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
