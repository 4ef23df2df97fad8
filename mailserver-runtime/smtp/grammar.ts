/**
 * The grammar of command lines (RFC 5321 §4.1.2), pure: text in, values out. Paths themselves are read by
 * `message/address.ts`.
 */
import { type Path, parsePath } from "../message/address.ts";

export interface CommandLine {
  /** Upper case. */
  readonly verb: string;
  /** What follows the verb's blank, without blanks at its end. */
  readonly argument: string;
}

/** Takes a command line apart; the verb is "" where there is none. */
export function parseCommandLine(line: string): CommandLine {
  const blank = line.indexOf(" ");
  if (blank === -1) return { verb: line.toUpperCase(), argument: "" };
  return { verb: line.slice(0, blank).toUpperCase(), argument: line.slice(blank + 1).trimEnd() };
}

/** The parameters behind a path: upper-case keyword to value, undefined without "=". */
export type Parameters = ReadonlyMap<string, string | undefined>;
export interface PathArgument {
  readonly mailbox: Path["mailbox"];
  /** The path as written, without its angle brackets. */
  readonly text: string;
  readonly parameters: Parameters;
}

const KEYWORD = /^[A-Za-z0-9][A-Za-z0-9-]*$/;
const noParameters: Parameters = new Map();

/**
 * The argument of MAIL and RCPT: `FROM:<path> [parameters]`. Blanks after the colon are taken, as everybody
 * takes them. Undefined when the prefix, the path or a parameter is not well formed, "path" when only the path is wrong.
 */
export function parsePathArgument(
  argument: string,
  prefix: "FROM:" | "TO:",
): PathArgument | "path" | undefined {
  if (argument.slice(0, prefix.length).toUpperCase() !== prefix) return undefined;
  let start = prefix.length;
  while (argument[start] === " ") start++;
  const path = parsePath(argument, start);
  if (path === undefined) return "path";
  const text = argument.slice(start + 1, path.end - 1);
  if (path.end === argument.length) return { mailbox: path.mailbox, text, parameters: noParameters };
  if (argument[path.end] !== " ") return "path";
  const parameters = new Map<string, string | undefined>();
  for (const word of argument.slice(path.end + 1).split(" ")) {
    if (word === "") continue;
    const equals = word.indexOf("=");
    const keyword = (equals === -1 ? word : word.slice(0, equals)).toUpperCase();
    const value = equals === -1 ? undefined : word.slice(equals + 1);
    // A parameter given twice could mean one thing to us and another to the next server.
    if (!KEYWORD.test(keyword) || value === "" || parameters.has(keyword)) return undefined;
    parameters.set(keyword, value);
  }
  return { mailbox: path.mailbox, text, parameters };
}

/** Decodes xtext (RFC 3461 §4) to the bytes it stands for, as latin1 text; undefined when it is none. */
export function decodeXtext(text: string): string | undefined {
  if (!/^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/.test(text)) return undefined;
  return text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/**
 * Whether a HELO or EHLO argument can pass for a domain or an address literal (RFC 5321 §4.1.1.1). Generous,
 * because clients in the field send underscores, single labels and literals with a zone; but nothing that
 * could be read as something else in a Received field.
 */
export function isHelloName(text: string): boolean {
  return text.length <= 255 && /^(?:[\p{L}\p{N}\p{M}_.-]+|\[[0-9A-Za-z:.%_-]+\])$/u.test(text);
}
