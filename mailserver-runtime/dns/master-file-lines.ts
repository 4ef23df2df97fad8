/**
 * The words of a master file (RFC 1035 §5.1): text to logical lines, with comments gone, parentheses joined, strings and
 * escapes resolved. One pass without look-back, so a hostile file costs its length.
 */
import { utf8Bytes } from "./character-strings.ts";

/** One word of a master file. */
export interface Token {
  /** Escapes resolved; a byte string. */
  readonly text: string;
  readonly quoted: boolean;
  readonly escaped: boolean;
}

/** A record's or directive's tokens; parentheses have joined its lines. */
export interface LogicalLine {
  readonly number: number;
  readonly startsBlank: boolean;
  readonly tokens: readonly Token[];
  readonly problem?: string;
}

/** Cuts the text into logical lines of tokens: one pass, no look-back, so a hostile file costs its length. */
export function* logicalLines(text: string): Generator<LogicalLine> {
  const scanner = { text, at: 0, line: 1 };
  while (scanner.at < text.length) yield scanLogicalLine(scanner);
}

interface Scanner {
  readonly text: string;
  at: number;
  line: number;
}

function scanLogicalLine(scanner: Scanner): LogicalLine {
  const { text } = scanner;
  const number = scanner.line;
  const tokens: Token[] = [];
  const startsBlank = text[scanner.at] === " " || text[scanner.at] === "\t";
  let depth = 0;
  let problem: string | undefined;
  for (;;) {
    const character = text[scanner.at];
    if (character === undefined) break;
    if (character === "\n") {
      scanner.at++;
      scanner.line++;
      if (depth === 0) break;
    } else if (character === ";") {
      const end = text.indexOf("\n", scanner.at);
      scanner.at = end === -1 ? text.length : end;
    } else if (character === "(" || character === ")") {
      depth += character === "(" ? 1 : -1;
      if (depth < 0) {
        problem ??= "a closing parenthesis without an opening one";
        depth = 0;
      }
      scanner.at++;
    } else if (/[ \t\r\f\v]/.test(character)) scanner.at++;
    else {
      const token = scanToken(scanner);
      if (typeof token === "string") problem ??= token;
      else tokens.push(token);
    }
  }
  if (depth > 0) problem ??= `the parenthesis opened in the record at line ${number} is never closed`;
  return { number, startsBlank, tokens, problem };
}

/** The token at the scanner, or what is wrong with it. */
function scanToken(scanner: Scanner): Token | string {
  const { text } = scanner;
  const inQuotes = text[scanner.at] === '"';
  const stop = inQuotes ? /["\\\n]/g : /[ \t\r\f\v\n;()"\\]/g;
  if (inQuotes) scanner.at++;
  const parts: string[] = [];
  let escaped = false;
  for (;;) {
    stop.lastIndex = scanner.at;
    const end = stop.exec(text)?.index ?? text.length;
    parts.push(utf8Bytes(text.slice(scanner.at, end)));
    scanner.at = end;
    const character = text[end];
    if (character === "\\") {
      const octet = scanEscape(scanner);
      if (octet === undefined) return "an escape is a backslash with one character, or with \\DDD up to 255";
      parts.push(octet);
      escaped = true;
      continue;
    }
    if (inQuotes) {
      if (character !== '"') return "a quoted string has no closing quote on its line";
      scanner.at++;
    }
    return { text: parts.join(""), quoted: inQuotes, escaped };
  }
}

/** Resolves the escape at the scanner (RFC 1035 §5.1) and moves behind it. */
function scanEscape(scanner: Scanner): string | undefined {
  const digits = /\\([0-9]{3})/y;
  digits.lastIndex = scanner.at;
  const decimal = digits.exec(scanner.text)?.[1];
  if (decimal !== undefined) {
    scanner.at += 4;
    return Number(decimal) > 255 ? undefined : String.fromCharCode(Number(decimal));
  }
  const codePoint = scanner.text.codePointAt(scanner.at + 1);
  scanner.at++;
  if (codePoint === undefined || codePoint < 0x20 || (codePoint >= 0x30 && codePoint <= 0x39))
    return undefined;
  const character = String.fromCodePoint(codePoint);
  scanner.at += character.length;
  return utf8Bytes(character);
}
