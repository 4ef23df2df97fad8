/**
 * Search programs as a tree (RFC 9051 §6.4.4, WITHIN RFC 5032, MODSEQ RFC 7162, SAVEDATE RFC 8514,
 * OBJECTID RFC 8474).
 *
 * Strings become Unicode here, by the CHARSET the client named; what a key means for a message is the
 * matcher's matter (`search/`).
 */
import { charsetDecoder, knowsCharset } from "../../message/mime/encoded-words.ts";
import type { Cursor } from "./cursor.ts";
import { GrammarError } from "./cursor.ts";
import { parseDate } from "./dates.ts";
import { parseSequenceSet, type SequenceSet } from "./sequence-set.ts";

/** Most keys of one program. */
const MAX_KEYS = 5000;

export type Comparison = "before" | "on" | "since";
export type SearchNode =
  | { readonly key: "and"; readonly nodes: readonly SearchNode[] }
  | { readonly key: "or"; readonly nodes: readonly [SearchNode, SearchNode] }
  | { readonly key: "not"; readonly node: SearchNode }
  | { readonly key: "all" }
  | { readonly key: "none" }
  /** A system flag or keyword that must be set or not. */
  | { readonly key: "flag"; readonly flag: string; readonly set: boolean }
  | { readonly key: "sequence"; readonly set: SequenceSet }
  | { readonly key: "uid"; readonly set: SequenceSet }
  /** RFC822.SIZE above or below. */
  | { readonly key: "size"; readonly larger: boolean; readonly size: number }
  /** Days since 1970-01-01. */
  | { readonly key: "internal-date"; readonly compare: Comparison; readonly day: number }
  | { readonly key: "sent-date"; readonly compare: Comparison; readonly day: number }
  | { readonly key: "saved-date"; readonly compare: Comparison; readonly day: number }
  /** INTERNALDATE within the last so many seconds, or before them (RFC 5032). */
  | { readonly key: "age"; readonly younger: boolean; readonly seconds: number }
  | { readonly key: "modseq"; readonly modSeq: number }
  /** A header field contains the text; with empty text the field exists. Name in lower case. */
  | { readonly key: "header"; readonly name: string; readonly text: string }
  | { readonly key: "body"; readonly text: string }
  | { readonly key: "text"; readonly text: string }
  | { readonly key: "emailid"; readonly id: string }
  | { readonly key: "threadid"; readonly id: string };

/** The CHARSET is not one we know: NO [BADCHARSET]. */
export class CharsetError extends Error {}

interface Context {
  readonly cursor: Cursor;
  readonly text: () => string;
  count: number;
}
type Key = (context: Context) => SearchNode;

const flag =
  (name: string, set: boolean): Key =>
  () => ({ key: "flag", flag: name, set });
const keyword =
  (set: boolean): Key =>
  ({ cursor }) => {
    cursor.space();
    return { key: "flag", flag: cursor.atom(), set };
  };
const field =
  (name: string): Key =>
  ({ text }) => ({ key: "header", name, text: text() });
const date =
  (key: "internal-date" | "sent-date" | "saved-date", compare: Comparison): Key =>
  ({ cursor }) => {
    cursor.space();
    return { key, compare, day: parseDate(cursor) };
  };
const size =
  (larger: boolean): Key =>
  ({ cursor }) => {
    cursor.space();
    return { key: "size", larger, size: cursor.number64() };
  };
const age =
  (younger: boolean): Key =>
  ({ cursor }) => {
    cursor.space();
    return { key: "age", younger, seconds: cursor.nonZero() };
  };
const and = (...nodes: SearchNode[]): SearchNode => ({ key: "and", nodes });

const KEYS: Record<string, Key> = {
  ALL: () => ({ key: "all" }),
  ANSWERED: flag("\\Answered", true),
  UNANSWERED: flag("\\Answered", false),
  DELETED: flag("\\Deleted", true),
  UNDELETED: flag("\\Deleted", false),
  DRAFT: flag("\\Draft", true),
  UNDRAFT: flag("\\Draft", false),
  FLAGGED: flag("\\Flagged", true),
  UNFLAGGED: flag("\\Flagged", false),
  SEEN: flag("\\Seen", true),
  UNSEEN: flag("\\Seen", false),
  RECENT: flag("\\Recent", true),
  OLD: flag("\\Recent", false),
  NEW: () => and({ key: "flag", flag: "\\Recent", set: true }, { key: "flag", flag: "\\Seen", set: false }),
  KEYWORD: keyword(true),
  UNKEYWORD: keyword(false),
  FROM: field("from"),
  TO: field("to"),
  CC: field("cc"),
  BCC: field("bcc"),
  SUBJECT: field("subject"),
  HEADER: ({ cursor, text }) => {
    cursor.space();
    const name = cursor.astring().toString("latin1").toLowerCase();
    return { key: "header", name, text: text() };
  },
  BODY: ({ text }) => ({ key: "body", text: text() }),
  TEXT: ({ text }) => ({ key: "text", text: text() }),
  BEFORE: date("internal-date", "before"),
  ON: date("internal-date", "on"),
  SINCE: date("internal-date", "since"),
  SENTBEFORE: date("sent-date", "before"),
  SENTON: date("sent-date", "on"),
  SENTSINCE: date("sent-date", "since"),
  SAVEDBEFORE: date("saved-date", "before"),
  SAVEDON: date("saved-date", "on"),
  SAVEDSINCE: date("saved-date", "since"),
  // We know the date of every message, so every mailbox can tell (RFC 8514 §4.3).
  SAVEDATESUPPORTED: () => ({ key: "all" }),
  LARGER: size(true),
  SMALLER: size(false),
  OLDER: age(false),
  YOUNGER: age(true),
  UID: ({ cursor }) => {
    cursor.space();
    return { key: "uid", set: parseSequenceSet(cursor) };
  },
  EMAILID: ({ cursor }) => {
    cursor.space();
    return { key: "emailid", id: cursor.atom() };
  },
  THREADID: ({ cursor }) => {
    cursor.space();
    return { key: "threadid", id: cursor.atom() };
  },
  MODSEQ: ({ cursor }) => {
    cursor.space();
    // RFC 7162 §3.1.5: an entry name and type may stand before the number; one MODSEQ covers all entries.
    if (cursor.sees('"')) {
      cursor.string();
      cursor.space();
      cursor.keyword();
      cursor.space();
    }
    return { key: "modseq", modSeq: cursor.number64() };
  },
  NOT: (context) => {
    context.cursor.space();
    return { key: "not", node: parseKey(context) };
  },
  OR: (context) => {
    context.cursor.space();
    const left = parseKey(context);
    context.cursor.space();
    return { key: "or", nodes: [left, parseKey(context)] };
  },
};

/** Reads `[CHARSET x SP] key *(SP key)` to the end of the command. */
export function parseSearchProgram(cursor: Cursor, options: { charset?: string } = {}): SearchNode {
  let { charset } = options;
  const from = cursor.at;
  if (charset === undefined && !cursor.sees("(") && /^[A-Za-z]/.test(String.fromCharCode(cursor.peek()))) {
    if (cursor.keyword() === "CHARSET") {
      cursor.space();
      charset = cursor.astring().toString("latin1");
      cursor.space();
    } else cursor.at = from;
  }
  if (charset !== undefined && !knowsCharset(charset)) throw new CharsetError(charset);
  const decoder = charsetDecoder(charset ?? "utf-8");
  const context: Context = {
    cursor,
    count: 0,
    text: () => {
      cursor.space();
      return decoder.decode(cursor.astring());
    },
  };
  const nodes = [parseKey(context)];
  while (cursor.take(" ")) nodes.push(parseKey(context));
  cursor.end();
  return nodes.length === 1 ? nodes[0]! : { key: "and", nodes };
}

function parseKey(context: Context): SearchNode {
  const { cursor } = context;
  context.count += 1;
  if (context.count > MAX_KEYS) throw new GrammarError("the search program is too long");
  if (cursor.sees("(")) {
    const nodes = cursor.list(() => parseKey(context));
    if (nodes.length === 0) cursor.fail("a search key");
    return { key: "and", nodes };
  }
  const next = cursor.peek();
  if (next === 0x2a || next === 0x24 || (next >= 0x30 && next <= 0x39)) {
    return { key: "sequence", set: parseSequenceSet(cursor) };
  }
  const name = cursor.keyword();
  if (!Object.hasOwn(KEYS, name)) throw new GrammarError(`there is no search key ${name.slice(0, 40)}`);
  cursor.deeper();
  const node = KEYS[name]!(context);
  cursor.shallower();
  return node;
}
