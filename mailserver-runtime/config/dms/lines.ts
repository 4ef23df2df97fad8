/**
 * Lines of a DMS file (dms-contract 2.0): blank lines and lines whose first character that is not blank is
 * "#" say nothing; everything else is an entry. Parsers give entries with their line numbers and never
 * throw: a line that cannot be understood is a problem, and the others stand.
 */
import { inOneGo } from "../pace.ts";

/** One line that says something, with white space at both ends removed. */
export interface EntryLine {
  /** 1 is the first. */
  readonly line: number;
  readonly text: string;
}
export interface LineProblem {
  readonly line: number;
  readonly reason: string;
}
/** What a parser gives. */
export interface Parsed<Entry> {
  readonly entries: readonly Entry[];
  readonly problems: readonly LineProblem[];
}
/** How the lines of a file are read. */
export interface LineFormat<Entry> {
  /** Throws an Error with the reason where it cannot read the line. */
  readonly read: (entry: EntryLine) => Entry;
  /** An entry whose key has been before is a problem, and the first one stands, as in Postfix and Dovecot. */
  readonly key?: (entry: Entry) => string;
  /** The text with its continuation lines joined and as many line ends as before. */
  readonly unfold?: (text: string) => string;
}
/** A file's parser: at once, or a step for each line where a large file must not keep others waiting. */
export interface LineParser<Entry> {
  (text: string): Parsed<Entry>;
  readonly steps: (text: string) => Generator<void, Parsed<Entry>>;
}

/** The entry lines of a text with LF or CRLF line ends; a byte order mark is not part of the first. */
export function* eachEntryLine(text: string): Generator<EntryLine> {
  let line = 0;
  for (let start = text.startsWith("\ufeff") ? 1 : 0; start <= text.length; ) {
    const found = text.indexOf("\n", start);
    const end = found < 0 ? text.length : found;
    line += 1;
    const entry = text.slice(start, end).trim();
    if (entry !== "" && !entry.startsWith("#")) yield { line, text: entry };
    start = end + 1;
  }
}

/** All of them at once. */
export function entryLines(text: string): EntryLine[] {
  return [...eachEntryLine(text)];
}

/** The parser of a format. */
export function lineParser<Entry extends { readonly line: number }>(
  format: LineFormat<Entry>,
): LineParser<Entry> {
  const steps = (text: string) => reading(text, format);
  return Object.assign((text: string) => inOneGo(steps(text)), { steps });
}

function* reading<Entry extends { readonly line: number }>(
  text: string,
  { read, key, unfold }: LineFormat<Entry>,
): Generator<void, Parsed<Entry>> {
  const entries: Entry[] = [];
  const problems: LineProblem[] = [];
  const seen = new Map<string, number>();
  for (const line of eachEntryLine(unfold?.(text) ?? text)) {
    yield;
    try {
      const entry = read(line);
      const name = key?.(entry);
      const first = name === undefined ? undefined : seen.get(name);
      if (first !== undefined) {
        problems.push({ line: line.line, reason: `"${name}" is on line ${first} already; that one stands` });
        continue;
      }
      if (name !== undefined) seen.set(name, line.line);
      entries.push(entry);
    } catch (error) {
      problems.push({ line: line.line, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return { entries, problems };
}

/** A line of a Postfix table that begins with white space and says something. */
const CONTINUATION = /\n[ \t]+[^\s#]/;

/**
 * Continuation lines joined to their first, as Postfix reads its tables; empty lines take their places, so that numbers
 * stay true.
 */
export function unfoldedLines(text: string): string {
  if (!CONTINUATION.test(text)) return text;
  const lines = text.split("\n");
  let first = -1;
  for (const [index, line] of lines.entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    if (/^\s/.test(line) && first >= 0) {
      lines[first] = `${lines[first]!.trimEnd()} ${line.trim()}`;
      lines[index] = "";
    } else first = index;
  }
  return lines.join("\n");
}
