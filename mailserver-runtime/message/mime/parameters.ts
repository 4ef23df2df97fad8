/**
 * Values with parameters: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183).
 *
 * Lenient where senders are careless (missing quotes, stray semicolons, comments), bounded where they are
 * hostile. Parameters keep their order and their bytes: RFC 2231 continuations are the client's to join,
 * as RFC 3501 §7.4.2 shows parameters "as they are".
 */

/** At most so many parameters are kept of one field. */
export const MAX_PARAMETERS = 200;

export interface ValueWithParameters {
  /** Before the first semicolon, trimmed, comments left out; case as written. */
  readonly value: string;
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

/** Reads `value; name=value; name="quoted value"`, of a latin1 string. */
export function parseWithParameters(text: string): ValueWithParameters {
  const scanner = new Scanner(text);
  const value = scanner.token(";");
  const parameters: [string, string][] = [];
  while (scanner.skipPast(";") && parameters.length < MAX_PARAMETERS) {
    const name = scanner.token(";=");
    if (!scanner.take("=")) continue;
    const content = scanner.valueToken();
    if (name !== "") parameters.push([name, content]);
  }
  return { value, parameters };
}

/** The first parameter of that (lower-case) name. */
export function parameter(from: ValueWithParameters["parameters"], lowerName: string): string | undefined {
  return from.find(([name]) => name.toLowerCase() === lowerName)?.[1];
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Characters up to one of `stops`, without comments and the white space around. */
  token(stops: string): string {
    let result = "";
    this.#skipSpace();
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at]!;
      if (stops.includes(character)) break;
      if (character === "(") this.#skipComment();
      else {
        result += character;
        this.#at += 1;
      }
    }
    return result.trim();
  }

  valueToken(): string {
    this.#skipSpace();
    if (this.#text[this.#at] !== '"') return this.token(";");
    let result = "";
    this.#at += 1;
    while (this.#at < this.#text.length && this.#text[this.#at] !== '"') {
      if (this.#text[this.#at] === "\\" && this.#at + 1 < this.#text.length) this.#at += 1;
      result += this.#text[this.#at];
      this.#at += 1;
    }
    this.#at += 1;
    return result;
  }

  take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  skipPast(character: string): boolean {
    const found = this.#text.indexOf(character, this.#at);
    if (found < 0) return false;
    this.#at = found + 1;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const character = this.#text[this.#at];
      if (character === " " || character === "\t" || character === "\r" || character === "\n") this.#at += 1;
      else if (character === "(") this.#skipComment();
      else return;
    }
  }

  #skipComment(): void {
    let depth = 0;
    for (; this.#at < this.#text.length; this.#at += 1) {
      const character = this.#text[this.#at];
      if (character === "\\") this.#at += 1;
      else if (character === "(") depth += 1;
      else if (character === ")") {
        depth -= 1;
        if (depth === 0) {
          this.#at += 1;
          return;
        }
      }
    }
  }
}
