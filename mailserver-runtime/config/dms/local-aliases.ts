/**
 * postfix-aliases.cf, aliases(5): `name: target[, target...]` for users of the machine itself (root, for
 * instance). Lines that begin with white space continue the one before. Commands (`|...`), files (`/...`) and
 * `:include:` are not supported: they would run or write with the server's rights.
 */
import { type LineParser, lineParser, unfoldedLines } from "./lines.ts";
import { splitTargets } from "./virtual.ts";

export const LOCAL_ALIASES_FILE = "postfix-aliases.cf";

export interface LocalAliasLine {
  readonly line: number;
  /** Lower case, without a domain. */
  readonly name: string;
  readonly targets: readonly string[];
}

export const parseLocalAliases: LineParser<LocalAliasLine> = lineParser({
  read: ({ line, text: entry }) => {
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
  key: (entry) => entry.name,
  unfold: unfoldedLines,
});
