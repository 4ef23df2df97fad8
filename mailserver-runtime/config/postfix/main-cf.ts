/**
 * postfix-main.cf: lines of Postfix's main.cf (postconf(5)) that a docker-mailserver install lays over its own.
 * `name = value`; a line that begins with white space continues the one before, comments may stand in between, and of
 * equal names the last stands.
 */
import type { LineProblem } from "../dms/lines.ts";

export const MAIN_CF_FILE = "postfix-main.cf";

export interface Parameter {
  /** Where the value begins. */
  readonly line: number;
  readonly name: string;
  /** With `$name` as written. */
  readonly value: string;
}
export interface MainCf {
  readonly parameters: readonly Parameter[];
  readonly problems: readonly LineProblem[];
}

export function parseMainCf(text: string): MainCf {
  const logical: { line: number; text: string }[] = [];
  for (const [index, raw] of text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .entries()) {
    if (/^\s*(?:#|$)/.test(raw)) continue;
    const last = logical.at(-1);
    if (/^\s/.test(raw) && last !== undefined) last.text += ` ${raw.trim()}`;
    else logical.push({ line: index + 1, text: raw.trim() });
  }
  const problems: LineProblem[] = [];
  const byName = new Map<string, Parameter>();
  for (const { line, text: entry } of logical) {
    const parts = /^([A-Za-z0-9_.-]+)\s*=\s*(.*)$/s.exec(entry);
    if (parts === null) {
      problems.push({ line, reason: "a parameter is written name = value" });
      continue;
    }
    const name = parts[1]!;
    const earlier = byName.get(name);
    if (earlier !== undefined)
      problems.push({
        line: earlier.line,
        reason: `${name} is set again on line ${line}, and that one stands`,
      });
    byName.set(name, { line, name, value: parts[2]!.trim() });
  }
  return { parameters: [...byName.values()], problems };
}

/** Most `$name` in one value that are looked up, those in their values counted. */
const MOST_EXPANSIONS = 100;

/**
 * A value with `$name`, `${name}` and `$(name)` put in from the file or from `known`; undefined names the first that is
 * in neither.
 */
export function expanded(
  value: string,
  parameters: readonly Parameter[],
  known: Readonly<Record<string, string>>,
): { readonly value: string } | { readonly unknown: string } {
  const own = new Map(parameters.map((parameter) => [parameter.name, parameter.value]));
  let text = value;
  for (let round = 0; round < MOST_EXPANSIONS; round += 1) {
    const found = /\$(?:\{([\w.-]+)\}|\(([\w.-]+)\)|(\w+))/.exec(text);
    if (found === null) return { value: text };
    const name = found[1] ?? found[2] ?? found[3]!;
    const put = own.get(name) ?? known[name];
    if (put === undefined) return { unknown: name };
    text = text.slice(0, found.index) + put + text.slice(found.index + found[0].length);
  }
  return { unknown: value };
}
