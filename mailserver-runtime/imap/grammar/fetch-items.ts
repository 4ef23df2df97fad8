/** What FETCH may ask for, as data (RFC 9051 §6.4.5, RFC 3516, 7162, 8474, 8514, 8970). */
import type { Cursor } from "./cursor.ts";
import { GrammarError } from "./cursor.ts";

/** Most items of one FETCH. */
const MAX_ITEMS = 1000;

/** Which bytes of a message or part are meant. */
export interface Section {
  /** Part numbers, empty for the message itself. */
  readonly path: readonly number[];
  readonly text: "all" | "header" | "text" | "mime" | "fields" | "fields-not";
  /** Header field names in lower case, for `fields` and `fields-not`. */
  readonly names: readonly Buffer[];
}
export interface Partial {
  readonly start: number;
  readonly length: number;
}

/** Items without arguments. */
export const SIMPLE_ITEMS = [
  "UID",
  "FLAGS",
  "INTERNALDATE",
  "RFC822.SIZE",
  "ENVELOPE",
  "BODY",
  "BODYSTRUCTURE",
  "MODSEQ",
  "EMAILID",
  "THREADID",
  "SAVEDATE",
  "PREVIEW",
] as const;
export type SimpleItem = (typeof SIMPLE_ITEMS)[number];

export type FetchItem =
  | { readonly kind: "simple"; readonly name: SimpleItem }
  | {
      readonly kind: "section";
      readonly section: Section;
      readonly partial: Partial | undefined;
      readonly peek: boolean;
      /** The item's name in the answer, e.g. `BODY[HEADER.FIELDS (SUBJECT)]<0>`. */
      readonly label: string;
    }
  | {
      readonly kind: "binary";
      readonly path: readonly number[];
      readonly partial: Partial | undefined;
      readonly peek: boolean;
      readonly label: string;
    }
  | { readonly kind: "binary-size"; readonly path: readonly number[]; readonly label: string };

const simple = (...names: SimpleItem[]): FetchItem[] => names.map((name) => ({ kind: "simple", name }));
const MACROS: Record<string, () => FetchItem[]> = {
  ALL: () => simple("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
  FAST: () => simple("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
  FULL: () => simple("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
};

const whole = (text: Section["text"]): Section => ({ path: [], text, names: [] });
/** The old names of sections, each with what it is (RFC 3501 §6.4.5). */
const OLD_NAMES: Record<string, { readonly section: Section; readonly peek: boolean }> = {
  RFC822: { section: whole("all"), peek: false },
  "RFC822.HEADER": { section: whole("header"), peek: true },
  "RFC822.TEXT": { section: whole("text"), peek: false },
};

/** One item, a macro, or a list of items. */
export function parseFetchItems(cursor: Cursor): FetchItem[] {
  if (cursor.sees("(")) {
    const items = cursor.list(() => parseItem(cursor));
    if (items.length === 0) cursor.fail("an item to fetch");
    if (items.length > MAX_ITEMS) throw new GrammarError("too many items in one FETCH");
    return items;
  }
  const from = cursor.at;
  const name = cursor.itemName();
  if (Object.hasOwn(MACROS, name)) return MACROS[name]!();
  cursor.at = from;
  return [parseItem(cursor)];
}

function parseItem(cursor: Cursor): FetchItem {
  const name = cursor.itemName();
  if ((name === "BODY" || name === "BODY.PEEK") && cursor.take("[")) {
    return sectionItem(cursor, name === "BODY.PEEK");
  }
  if (name === "BINARY" || name === "BINARY.PEEK" || name === "BINARY.SIZE") return binaryItem(cursor, name);
  if (Object.hasOwn(OLD_NAMES, name)) {
    return { kind: "section", ...OLD_NAMES[name]!, partial: undefined, label: name };
  }
  if (name === "PREVIEW" && cursor.take(" ")) {
    // RFC 8970 §3.1: PREVIEW (LAZY); without the list the space belongs to the next item.
    if (cursor.sees("(")) cursor.list(() => cursor.keyword());
    else cursor.at -= 1;
  }
  const known = SIMPLE_ITEMS.find((item) => item === name);
  if (!known) throw new GrammarError(`there is no item ${name.slice(0, 40)} to fetch`);
  return { kind: "simple", name: known };
}

function sectionItem(cursor: Cursor, peek: boolean): FetchItem {
  const section = parseSection(cursor);
  const partial = parsePartial(cursor);
  const origin = partial ? `<${partial.start}>` : "";
  return { kind: "section", section, partial, peek, label: `BODY[${formatSection(section)}]${origin}` };
}

const TEXTS: Record<string, Section["text"]> = {
  HEADER: "header",
  TEXT: "text",
  MIME: "mime",
  "HEADER.FIELDS": "fields",
  "HEADER.FIELDS.NOT": "fields-not",
};

/** What stands between the brackets, the closing one included. */
export function parseSection(cursor: Cursor): Section {
  const path = parsePath(cursor);
  if (cursor.take("]")) return { path, text: "all", names: [] };
  const name = cursor.keyword();
  const text = Object.hasOwn(TEXTS, name) ? TEXTS[name]! : undefined;
  if (!text || (text === "mime" && path.length === 0)) throw new GrammarError("there is no such section");
  let names: Buffer[] = [];
  if (text === "fields" || text === "fields-not") {
    cursor.space();
    names = cursor.list(() => Buffer.from(cursor.astring().toString("latin1").toLowerCase(), "latin1"));
    if (names.length === 0) cursor.fail("a header field's name");
  }
  cursor.expect("]");
  return { path, text, names };
}

/** `1.2.`: numbers with their dots; stops before a name or the bracket. */
function parsePath(cursor: Cursor): number[] {
  const path: number[] = [];
  while (isDigit(cursor.peek())) {
    path.push(cursor.nonZero());
    if (path.length > 100) throw new GrammarError("the section lies too deep");
    if (!cursor.take(".")) {
      if (!cursor.sees("]")) cursor.fail('"." or "]"');
      break;
    }
    if (cursor.sees("]")) cursor.fail("a part number");
  }
  return path;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function parsePartial(cursor: Cursor): Partial | undefined {
  if (!cursor.take("<")) return undefined;
  const start = cursor.number64();
  cursor.expect(".");
  const length = cursor.number64();
  if (length === 0) cursor.fail("a length above zero");
  cursor.expect(">");
  return { start, length };
}

function formatSection(section: Section): string {
  const path = section.path.join(".");
  const name = Object.entries(TEXTS).find(([, text]) => text === section.text)?.[0];
  const names = section.names.map((field) => fieldLabel(field)).join(" ");
  const text = name === undefined ? "" : names === "" ? name : `${name} (${names})`;
  return path !== "" && text !== "" ? `${path}.${text}` : path + text;
}

/** A field's name in the answer: an atom where it can be one, else quoted; control bytes cannot be names. */
function fieldLabel(field: Buffer): string {
  const text = field.toString("latin1").toUpperCase();
  if (/^[!#$&'+,\-./0-9:;<=>?@A-Z[^_`|}~]+$/.test(text)) return text;
  if (/[^\x20-\x7e]/.test(text)) throw new GrammarError("a header field's name is ASCII");
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

function binaryItem(cursor: Cursor, name: string): FetchItem {
  cursor.expect("[");
  const path = parsePath(cursor);
  cursor.expect("]");
  const number = path.join(".");
  if (name === "BINARY.SIZE") return { kind: "binary-size", path, label: `BINARY.SIZE[${number}]` };
  const partial = parsePartial(cursor);
  const origin = partial ? `<${partial.start}>` : "";
  return { kind: "binary", path, partial, peek: name === "BINARY.PEEK", label: `BINARY[${number}]${origin}` };
}
