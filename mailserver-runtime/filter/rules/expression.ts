/**
 * The expressions of `meta` rules (Mail::SpamAssassin::Conf, "meta"): names of rules with && || ! ( ), sums
 * and comparisons. A rule that hit counts 1, one that did not or does not exist counts 0.
 */

export type Expression = (countOf: (rule: string) => number) => number;

type Binary = (left: number, right: number) => number;
/** Operators by how strongly they bind, the weakest first. */
const levels: readonly Readonly<Record<string, Binary>>[] = [
  { "||": (a, b) => (a !== 0 ? a : b) },
  { "&&": (a, b) => (a !== 0 ? b : a) },
  { "==": (a, b) => Number(a === b), "!=": (a, b) => Number(a !== b) },
  {
    "<": (a, b) => Number(a < b),
    ">": (a, b) => Number(a > b),
    "<=": (a, b) => Number(a <= b),
    ">=": (a, b) => Number(a >= b),
  },
  { "+": (a, b) => a + b, "-": (a, b) => a - b },
  { "*": (a, b) => a * b, "/": (a, b) => (b === 0 ? 0 : a / b) },
];
const TOKEN = /\s*(\d{1,9}(?:\.\d{1,9})?|[A-Za-z_]\w{0,199}|&&|\|\||[=!<>]=|[<>!()+\-*/])/y;
const MAX_TOKENS = 2000;
const MAX_DEPTH = 100;

/** Reads an expression; a string says what cannot be understood. `names` are the rules it asks about. */
export function parseExpression(text: string): { evaluate: Expression; names: readonly string[] } | string {
  const tokens = tokensOf(text);
  if (typeof tokens === "string") return tokens;
  const names: string[] = [];
  let at = 0;
  try {
    const evaluate = binary(0, 0);
    if (at < tokens.length) return `"${tokens[at]}" is not expected there`;
    return { evaluate, names };
  } catch (error) {
    return (error as Error).message;
  }

  function binary(level: number, depth: number): Expression {
    const operators = levels[level];
    if (operators === undefined) return unary(depth);
    let left = binary(level + 1, depth);
    for (let token = tokens[at]; token !== undefined && Object.hasOwn(operators, token); token = tokens[at]) {
      at += 1;
      const [operator, before, right] = [operators[token]!, left, binary(level + 1, depth)];
      left = (countOf) => operator(before(countOf), right(countOf));
    }
    return left;
  }

  function unary(depth: number): Expression {
    if (depth > MAX_DEPTH) throw new Error("it is nested too deeply");
    const token = tokens[at++];
    if (token === undefined) throw new Error("it ends too early");
    if (token === "!") {
      const inner = unary(depth + 1);
      return (countOf) => Number(inner(countOf) === 0);
    }
    if (token === "(") {
      const inner = binary(0, depth + 1);
      if (tokens[at++] !== ")") throw new Error("a parenthesis is not closed");
      return inner;
    }
    if (/^\d/.test(token)) {
      const value = Number(token);
      return () => value;
    }
    if (!/^\w/.test(token)) throw new Error(`"${token}" is not expected there`);
    names.push(token);
    return (countOf) => countOf(token);
  }
}

function tokensOf(text: string): readonly string[] | string {
  const tokens: string[] = [];
  const rest = text.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < rest.length) {
    const from = TOKEN.lastIndex;
    const token = TOKEN.exec(rest)?.[1];
    if (token === undefined) return `"${rest.slice(from, from + 20)}" cannot be read`;
    tokens.push(token);
    if (tokens.length > MAX_TOKENS) return "it is too long";
  }
  return tokens;
}
