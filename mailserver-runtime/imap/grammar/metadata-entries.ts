/** Names of annotations, and what is asked of them (RFC 5464 §3.2, §5). */
import type { Cursor } from "./cursor.ts";
import { GrammarError } from "./cursor.ts";

const MAX_NAME = 255;
/** Entries of one command. */
const MAX_ENTRIES = 100;

/** An entry's name in lower case, for case does not matter in it (RFC 5464 §3.2.1). */
export function parseEntry(cursor: Cursor): string {
  const name = cursor.astring().toString("latin1").toLowerCase();
  if (name.length > MAX_NAME) throw new GrammarError("the entry's name is too long");
  if (!/^\/(private|shared)\/[\x21-\x7e]/.test(name) && name !== "/private" && name !== "/shared") {
    throw new GrammarError("an entry's name begins with /private/ or /shared/ (RFC 5464 section 3.2.1)");
  }
  if (/[^\x20-\x7e]|[*%]|\/\/|\/$/.test(name)) {
    throw new GrammarError("an entry's name has a character it must not have (RFC 5464 section 3.2.1)");
  }
  return name;
}

/** One entry or a list of them. */
export function parseEntries(cursor: Cursor): string[] {
  if (!cursor.sees("(")) return [parseEntry(cursor)];
  const entries = cursor.list(() => parseEntry(cursor));
  if (entries.length === 0) throw new GrammarError("some entry is named");
  if (entries.length > MAX_ENTRIES) throw new GrammarError("too many entries in one command");
  return [...new Set(entries)];
}

export interface MetadataOptions {
  /** Values of more bytes are left out. */
  readonly maxSize: number;
  /** How many levels below an entry are asked for. */
  readonly depth: 0 | 1 | typeof Number.POSITIVE_INFINITY;
}
const DEPTHS: Record<string, MetadataOptions["depth"]> = {
  "0": 0,
  "1": 1,
  INFINITY: Number.POSITIVE_INFINITY,
};

/** `(MAXSIZE 1024 DEPTH 1)`. */
export function parseMetadataOptions(cursor: Cursor): MetadataOptions {
  let maxSize = Number.POSITIVE_INFINITY;
  let depth: MetadataOptions["depth"] = 0;
  cursor.list(() => {
    const option = cursor.keyword();
    cursor.space();
    if (option === "MAXSIZE") maxSize = cursor.number();
    else if (option === "DEPTH") {
      const word = cursor.keyword();
      if (!Object.hasOwn(DEPTHS, word)) throw new GrammarError("DEPTH is 0, 1 or infinity");
      depth = DEPTHS[word]!;
    } else throw new GrammarError(`there is no option ${option.slice(0, 40)}`);
  });
  return { maxSize, depth };
}

/** What an entry is set to: bytes, or null for NIL, which removes it. */
export function parseValue(cursor: Cursor): Buffer | null {
  if (cursor.sees("~")) return cursor.string();
  return cursor.nstring() ?? null;
}
