/**
 * SpamAssassin's rule language (Mail::SpamAssassin::Conf): header, body, rawbody, uri, full, meta, score and
 * describe, as an administrator's `spamassassin-rules.cf` uses them.
 *
 * One line is one statement. What is not understood (eval tests, plugins, patterns that need backtracking) is
 * left out and named with its line, so that nobody believes in a rule that never runs; the others run.
 */
import { type Expression, parseExpression } from "./expression.ts";
import type { LinearRegex, RegexCompiler } from "./linear-regex.ts";

export type Place = "body" | "rawbody" | "uri" | "full";
export type Test =
  | {
      readonly kind: "header";
      readonly header: string;
      readonly part: "value" | "addr" | "name" | "raw";
      readonly regex: LinearRegex;
      readonly negated: boolean;
      readonly unset: string;
    }
  | { readonly kind: "exists"; readonly header: string }
  | { readonly kind: "text"; readonly place: Place; readonly regex: LinearRegex }
  | { readonly kind: "meta"; readonly evaluate: Expression; readonly names: readonly string[] };
export interface Rule {
  readonly name: string;
  readonly test: Test;
  /** A rule that begins with two underscores is a part of others and has none. */
  readonly score: number;
  readonly description: string;
}
export interface RuleProblem {
  readonly line: number;
  readonly reason: string;
}
export interface RuleFile {
  readonly rules: ReadonlyMap<string, Rule>;
  readonly problems: readonly RuleProblem[];
}

/** Most rules of a file; KAM.cf has some 3,000. */
export const MAX_RULES = 10_000;
const NAME = /^[A-Za-z_]\w{0,99}$/;

/** Reads a file's text. */
export function readRules(text: string, compile: RegexCompiler): RuleFile {
  const tests = new Map<string, Test>();
  const scores = new Map<string, number>();
  const descriptions = new Map<string, string>();
  const problems: RuleProblem[] = [];
  let condition: string | undefined;
  const textTest =
    (place: Place): Statement =>
    (name, argument) => {
      const regex = regexOf(argument, compile);
      if (typeof regex === "string") return regex;
      tests.set(name, { kind: "text", place, regex });
      return undefined;
    };
  const statements: Readonly<Record<string, Statement>> = {
    body: textTest("body"),
    rawbody: textTest("rawbody"),
    uri: textTest("uri"),
    full: textTest("full"),
    header(name, argument) {
      const test = headerTest(argument, compile);
      if (typeof test === "string") return test;
      tests.set(name, test);
      return undefined;
    },
    meta(name, argument) {
      const expression = parseExpression(argument);
      if (typeof expression === "string") return expression;
      tests.set(name, { kind: "meta", ...expression });
      return undefined;
    },
    score(name, argument) {
      // Four scores are for: neither network nor Bayes, network, Bayes, both. Ours has both.
      const score = Number(argument.split(/\s+/).slice(0, 4).at(-1)?.replace(/[()]/g, "") || Number.NaN);
      if (!Number.isFinite(score)) return `"${argument.slice(0, 40)}" is no score`;
      scores.set(name, Math.max(-1000, Math.min(1000, score)));
      return undefined;
    },
    describe(name, argument) {
      descriptions.set(name, argument.slice(0, 200));
      return undefined;
    },
  };
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const statement = line.replace(/^\s*#.*$|\s#\s.*$/, "").trim();
    if (statement === "") continue;
    const [, keyword = "", rest = ""] = /^(\S+)\s*(.*)$/.exec(statement) ?? [];
    const problem = (reason: string): void => {
      problems.push({ line: index + 1, reason });
    };
    if (keyword === "endif") condition = undefined;
    else if (keyword === "if" || keyword === "ifplugin") {
      condition = statement;
      problem(`what stands below "${statement.slice(0, 80)}" is left out: there are no plugins here`);
    } else if (condition === undefined) {
      const [, name = "", argument = ""] = /^(\S+)\s*(.*)$/.exec(rest) ?? [];
      const read = Object.hasOwn(statements, keyword) ? statements[keyword] : undefined;
      if (read === undefined) {
        if (!ignored.has(keyword))
          problem(`"${keyword.slice(0, 40)}" is no statement that is understood here`);
      } else if (!NAME.test(name)) problem(`"${name.slice(0, 40)}" is no name of a rule`);
      else if (tests.size >= MAX_RULES) problem(`there are more than ${MAX_RULES} rules`);
      else {
        const failure = read(name, argument);
        if (failure !== undefined) problem(`${name}: ${failure}`);
      }
    }
  }
  const rules = new Map<string, Rule>();
  for (const [name, test] of tests) {
    const score = name.startsWith("__") ? 0 : (scores.get(name) ?? 1);
    // SpamAssassin: a score of 0 switches a rule off.
    if (score === 0 && !name.startsWith("__")) continue;
    rules.set(name, { name, test, score, description: descriptions.get(name) ?? `the rule ${name}` });
  }
  return { rules, problems };
}

/** Takes a statement's name and the rest of its line; what it returns is why it cannot. */
type Statement = (name: string, argument: string) => string | undefined;

/** Statements that change nothing here. */
const ignored = new Set(["tflags", "priority", "lang", "version_tag", "require_version", "reuse"]);

/** `/pattern/flags`, `m{pattern}flags`, `m!pattern!flags`. */
function regexOf(text: string, compile: RegexCompiler): LinearRegex | string {
  if (/^eval:/.test(text)) return "eval tests are SpamAssassin's own code";
  const [, open = ""] = /^(?:m\s*(?=[^\w\s])|(?=\/))(.)/.exec(text) ?? [];
  const begin = text.indexOf(open) + 1;
  const end = open === "" ? -1 : text.lastIndexOf(closing[open] ?? open);
  const flags = text.slice(end + 1).trim();
  if (end < begin || !/^[a-z]*$/.test(flags)) return `"${text.slice(0, 60)}" is no /pattern/`;
  try {
    return compile(text.slice(begin, end).replaceAll("\\/", "/"), flags);
  } catch (error) {
    return `the pattern needs what an engine that never backtracks has not: ${(error as Error).message}`;
  }
}
const closing: Readonly<Record<string, string>> = { "{": "}", "(": ")", "[": "]", "<": ">" };

/** `Subject =~ /re/`, `From:addr !~ /re/`, `exists:List-Id`, with `[if-unset: text]`. */
function headerTest(text: string, compile: RegexCompiler): Test | string {
  const exists = /^exists:([\w-]{1,100})$/.exec(text);
  if (exists) return { kind: "exists", header: exists[1]!.toLowerCase() };
  const [, header, part, operator, rest] =
    /^([\w-]{1,100})(?::(addr|name|raw))?\s*(=~|!~)\s*(.*)$/.exec(text) ?? [];
  if (header === undefined) return `"${text.slice(0, 60)}" is no test of a header`;
  const unset = /\[if-unset:\s*([^\]]*)\]\s*$/.exec(rest ?? "");
  const regex = regexOf((rest ?? "").slice(0, unset?.index).trim(), compile);
  if (typeof regex === "string") return regex;
  return {
    kind: "header",
    header: header.toLowerCase(),
    part: (part as "addr" | "name" | "raw" | undefined) ?? "value",
    regex,
    negated: operator === "!~",
    unset: unset?.[1] ?? "",
  };
}
