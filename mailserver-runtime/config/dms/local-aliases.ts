/**
 * postfix-aliases.cf, aliases(5): `name: target[, target...]` for users of the machine itself (root, for
 * instance). Lines that begin with white space continue the one before. Commands (`|...`), files (`/...`) and
 * `:include:` are not supported: they would run or write with the server's rights.
 */
import { type Parsed, parseLines } from "./lines.ts";
import { splitTargets } from "./virtual.ts";

export const LOCAL_ALIASES_FILE = "postfix-aliases.cf";

export interface LocalAliasLine {
  readonly line: number;
  /** Lower case, without a domain. */
  readonly name: string;
  readonly targets: readonly string[];
}

export function parseLocalAliases(text: string): Parsed<LocalAliasLine> {
  return parseLines(
    unfolded(text),
    ({ line, text: entry }) => {
      const parts = /^"?([^":\s]+)"?\s*:\s*(\S.*)$/s.exec(entry);
      if (parts === null) throw new Error("an alias is written name: target");
      const targets = splitTargets(parts[2]!.replace(/\s+/g, " "));
      const forbidden = targets.find((target) => /^["|/:\\]/.test(target));
      if (forbidden !== undefined)
        throw new Error(
          `"${forbidden}" is a command, file or include, which is not supported; name an address`,
        );
      return { line, name: parts[1]!.toLowerCase(), targets };
    },
    (entry) => entry.name,
  );
}

/** Continuation lines joined to their first; empty lines take their places, so that numbers stay true. */
function unfolded(text: string): string {
  const lines = text.split("\n");
  let first = -1;
  for (const [index, line] of lines.entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    if (/^\s/.test(line) && first >= 0) {
      lines[first] += ` ${line.trim()}`;
      lines[index] = "";
    } else first = index;
  }
  return lines.join("\n");
}
