/**
 * The tokenizer: one command's bytes as they were on the wire, and a place in them (RFC 9051 §9).
 *
 * Literals lie in the bytes as `{5}\r\nhello`, because the reader has collected them before anything is
 * parsed; a command that streams its literal (APPEND) parses what stands before it. Every method takes one
 * token or throws a GrammarError that says what was expected where, and the command is answered with BAD.
 * Nothing here knows a session.
 */

/** The client's bytes are not the grammar's: answered with BAD. */
export class GrammarError extends Error {
  /** Response code that goes with it. */
  readonly code: string | undefined;
  constructor(message: string, code?: string) {
    super(message);
    this.name = "GrammarError";
    this.code = code;
  }
}

/** Lists in lists deeper than this are refused. */
export const MAX_NESTING = 50;

const ATOM = 1;
const ASTRING = 2;
const LIST = 4;
const TAG = 8;
const DIGIT = 16;

/** What each byte may be part of. */
const CLASS = new Uint8Array(256);
for (let byte = 0x21; byte < 0x7f; byte += 1) {
  const character = String.fromCharCode(byte);
  const atom = !'(){%*"\\]'.includes(character);
  if (atom) CLASS[byte] = ATOM | ASTRING | LIST;
  if (character === "]") CLASS[byte] = ASTRING | LIST;
  if (character === "%" || character === "*") CLASS[byte] = LIST;
  if ((atom || character === "]") && character !== "+") CLASS[byte]! |= TAG;
  if (byte >= 0x30 && byte <= 0x39) CLASS[byte]! |= DIGIT;
}
// RFC 6855 §3 and RFC 9051 allow UTF-8 in quoted strings alone; list patterns and astrings of careless
// clients are read as well, what they mean is decided where the name is decoded.
for (let byte = 0x80; byte < 0x100; byte += 1) CLASS[byte] = ASTRING | LIST;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x28;
const CLOSE = 0x29;
const SPACE = 0x20;
const BRACE = 0x7b;
const TILDE = 0x7e;

export class Cursor {
  readonly bytes: Buffer;
  at: number;
  readonly #end: number;
  #depth = 0;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  get atEnd(): boolean {
    return this.at >= this.#end;
  }

  /** The next byte, or -1. */
  peek(): number {
    return this.at < this.#end ? this.bytes[this.at]! : -1;
  }

  /** Whether the next byte is this character. */
  sees(character: string): boolean {
    return this.peek() === character.charCodeAt(0);
  }

  /** Takes the character if it is next. */
  take(character: string): boolean {
    if (!this.sees(character)) return false;
    this.at += 1;
    return true;
  }

  expect(character: string): void {
    if (!this.take(character)) this.fail(character === " " ? "a space" : `"${character}"`);
  }

  space(): void {
    this.expect(" ");
  }

  /** The command must end here. */
  end(): void {
    if (!this.atEnd) this.fail("the end of the command");
  }

  fail(expected: string): never {
    const rest = this.bytes
      .toString("latin1", this.at, Math.min(this.at + 20, this.#end))
      .replace(/[^\x20-\x7e]/g, "?");
    throw new GrammarError(
      this.atEnd ? `expected ${expected}, but the command ends` : `expected ${expected} before "${rest}"`,
    );
  }

  #run(kind: number): string {
    const from = this.at;
    while (this.at < this.#end && CLASS[this.bytes[this.at]!]! & kind) this.at += 1;
    return this.bytes.toString("latin1", from, this.at);
  }

  tag(): string {
    return this.#run(TAG) || this.fail("a tag");
  }

  /** An atom, in the case it came in. */
  atom(): string {
    return this.#run(ATOM) || this.fail("an atom");
  }

  /** An atom in upper case: the name of a command, an item, a key. */
  keyword(): string {
    return this.atom().toUpperCase();
  }

  /** Upper-case letters, digits, dots and hyphens: names that end before a bracket. */
  itemName(): string {
    const from = this.at;
    while (this.at < this.#end) {
      const byte = this.bytes[this.at]!;
      if (!(CLASS[byte]! & ATOM) || byte === 0x5b || byte === 0x3c) break;
      this.at += 1;
    }
    return this.bytes.toString("latin1", from, this.at).toUpperCase() || this.fail("an item's name");
  }

  /** A 32-bit number. */
  number(): number {
    const value = this.number64();
    if (value > 0xffffffff) this.fail("a number below 4294967296");
    return value;
  }

  nonZero(): number {
    const value = this.number();
    if (value === 0) this.fail("a number above zero");
    return value;
  }

  /** A number up to 2^53 - 1 (RFC 9051 number64; a larger one could not be ours). */
  number64(): number {
    const text = this.#run(DIGIT);
    if (text === "" || text.length > 16) this.fail("a number");
    const value = Number(text);
    if (!Number.isSafeInteger(value)) this.fail("a smaller number");
    return value;
  }

  /** A quoted string or a literal. */
  string(): Buffer {
    const next = this.peek();
    if (next === QUOTE) return this.#quoted();
    if (next === BRACE || (next === TILDE && this.bytes[this.at + 1] === BRACE)) return this.#literal();
    return this.fail("a string");
  }

  astring(): Buffer {
    const next = this.peek();
    if (next === QUOTE || next === BRACE) return this.string();
    return Buffer.from(this.#run(ASTRING) || this.fail("a string"), "latin1");
  }

  nstring(): Buffer | undefined {
    if (this.peek() === QUOTE || this.peek() === BRACE) return this.string();
    const from = this.at;
    if (this.#run(ATOM).toUpperCase() === "NIL") return undefined;
    this.at = from;
    return this.fail("a string or NIL");
  }

  /** A mailbox pattern of LIST. */
  listMailbox(): Buffer {
    const next = this.peek();
    if (next === QUOTE || next === BRACE) return this.string();
    return Buffer.from(this.#run(LIST) || this.fail("a mailbox pattern"), "latin1");
  }

  /** A flag with its backslash, or a keyword. */
  flag(): string {
    const system = this.take("\\");
    const name = this.#run(ATOM) || this.fail("a flag");
    return system ? `\\${name}` : name;
  }

  /** `(a b c)`, also empty; `item` reads one member. */
  list<T>(item: () => T): T[] {
    this.expect("(");
    this.deeper();
    const items: T[] = [];
    if (!this.sees(")")) {
      items.push(item());
      while (this.peek() === SPACE) {
        this.at += 1;
        items.push(item());
      }
    }
    this.expect(")");
    this.#depth -= 1;
    return items;
  }

  /** Counts a level of nesting; `shallower` takes it back. */
  deeper(): void {
    this.#depth += 1;
    if (this.#depth > MAX_NESTING) throw new GrammarError(`nested deeper than ${MAX_NESTING} levels`);
  }

  shallower(): void {
    this.#depth -= 1;
  }

  /** Passes over one value of any kind, lists included: for extensions that are not known. */
  skipValue(): void {
    if (this.peek() === OPEN) {
      this.list(() => this.skipValue());
      return;
    }
    if (this.peek() === CLOSE) this.fail("a value");
    if (this.peek() === BACKSLASH) this.flag();
    else this.astring();
  }

  #quoted(): Buffer {
    const { bytes } = this;
    const from = this.at + 1;
    let at = from;
    let escapes = false;
    for (; ; at += 1) {
      if (at >= this.#end) this.fail("a closing quote");
      const byte = bytes[at]!;
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) {
        escapes = true;
        at += 1;
      }
    }
    this.at = at + 1;
    const inside = bytes.subarray(from, at);
    if (!escapes) return Buffer.from(inside);
    return Buffer.from(inside.toString("latin1").replace(/\\([\s\S])/g, "$1"), "latin1");
  }

  #literal(): Buffer {
    this.take("~");
    this.expect("{");
    const length = this.number64();
    if (!this.take("+")) this.take("-");
    this.expect("}");
    this.expect("\r");
    this.expect("\n");
    if (this.at + length > this.#end) this.fail("the whole literal");
    const found = Buffer.from(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    return found;
  }
}

/** A literal announced at the end of a line. */
export interface Announcement {
  readonly size: number;
  /** The client does not wait for our "+" (RFC 7888). */
  readonly nonSynchronizing: boolean;
  /** `~{n}`: may hold NUL (RFC 3516). */
  readonly binary: boolean;
  /** Where the announcement begins in the line. */
  readonly at: number;
}

const ANNOUNCEMENT = /(~?)\{(\d{1,16})(\+?)\}$/;

/** Whether a line ends with a literal's announcement. */
export function announcement(line: Buffer): Announcement | undefined {
  if (line[line.length - 1] !== 0x7d) return undefined;
  const match = ANNOUNCEMENT.exec(line.toString("latin1", Math.max(0, line.length - 20)));
  if (!match) return undefined;
  return {
    size: Number(match[2]),
    nonSynchronizing: match[3] === "+",
    binary: match[1] === "~",
    at: line.length - match[0].length,
  };
}
