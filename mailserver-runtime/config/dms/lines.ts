/**
 * Lines of a DMS file (dms-contract 2.0): blank lines and lines whose first character that is not blank is
 * "#" say nothing; everything else is an entry. Parsers give entries with their line numbers and never
 * throw: a line that cannot be understood is a problem, and the others stand.
 */

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

/** The entry lines of a text with LF or CRLF line ends; a byte order mark is not part of the first. */
export function entryLines(text: string): EntryLine[] {
  const lines: EntryLine[] = [];
  let number = 0;
  for (const raw of (text.startsWith("\ufeff") ? text.slice(1) : text).split("\n")) {
    number++;
    const line = raw.trim();
    if (line !== "" && !line.startsWith("#")) lines.push({ line: number, text: line });
  }
  return lines;
}

/**
 * Reads every entry line with `read`, which throws an Error with the reason where it cannot. An entry whose
 * `key` has been before is a problem, too, and the first one stands, as it does in Postfix and Dovecot.
 */
export function parseLines<Entry extends { readonly line: number }>(
  text: string,
  read: (entry: EntryLine) => Entry,
  key?: (entry: Entry) => string,
): Parsed<Entry> {
  const entries: Entry[] = [];
  const problems: LineProblem[] = [];
  const seen = new Map<string, number>();
  for (const line of entryLines(text)) {
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
