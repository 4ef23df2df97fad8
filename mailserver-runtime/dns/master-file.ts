/**
 * Master files, which everyone calls zone files (RFC 1035 §5): text to records and back.
 *
 * What is read: `$ORIGIN`, `$TTL` (RFC 2308 §4), comments, parentheses, quoted strings, escapes, `@`, owners left
 * blank, TTL and class in either order, TTLs with units (1h30m). What is refused, with its line: `$INCLUDE` and
 * `$GENERATE` (a zone here is one file that says what it holds), classes other than IN, types this project does not
 * know, and names that need an escape. Reading is one pass over the text and never throws.
 *
 * What is written can be read by any name server; `parseMasterFile(renderMasterFile(records))` gives the same records.
 */

import { MAX_CHARACTER_STRING } from "./character-strings.ts";
import { type LogicalLine, logicalLines, type Token } from "./master-file-lines.ts";
import { domainName, isWithin } from "./names.ts";
import type { RecordOf, RecordType } from "./record.ts";
import { absolute, type DnsRecord, dnsRecord, isRecordType, rdataText, sortRecords } from "./record.ts";

/** Something in a master file that could not be understood. Lines count from 1. */
export interface MasterFileProblem {
  readonly line: number;
  readonly reason: string;
}

export interface MasterFileEntry {
  readonly record: DnsRecord;
  /** The line the record begins at. */
  readonly line: number;
}

/** All that could be read, and what could not; a file is good when `problems` is empty. */
export interface MasterFile {
  readonly entries: readonly MasterFileEntry[];
  readonly problems: readonly MasterFileProblem[];
}

export interface ParseOptions {
  /** The origin until a `$ORIGIN` says otherwise; any spelling of the name. */
  readonly origin: string;
  /** Seconds for records of a file without `$TTL`; 3600 when absent. */
  readonly ttl?: number;
}

export interface RenderOptions {
  /** The zone; owners below it are written relative to it. */
  readonly origin: string;
  /** The `$TTL`; records with another say their own. 3600 when absent. */
  readonly ttl?: number;
  /** Lines of comment at the top. */
  readonly header?: readonly string[];
  /** A comment above a record; the same comment in a row is written once. */
  readonly comment?: (record: DnsRecord) => string | undefined;
}

/** Problems told about one file; more would only repeat the first mistake. */
const MAX_PROBLEMS = 20;
const DEFAULT_TTL = 3600;

/** Reads a master file. Reading goes on after a broken line, so that every mistake is told at once. */
export function parseMasterFile(text: string, options: ParseOptions): MasterFile {
  const entries: MasterFileEntry[] = [];
  const problems: MasterFileProblem[] = [];
  const state: ParseState = {
    origin: domainName(options.origin),
    ttl: options.ttl ?? DEFAULT_TTL,
    owner: undefined,
  };
  for (const line of logicalLines(text)) {
    try {
      if (line.problem !== undefined) throw new SyntaxProblem(line.problem);
      const record = readLine(line, state);
      if (record !== undefined) entries.push({ record, line: line.number });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (problems.length < MAX_PROBLEMS) problems.push({ line: line.number, reason: error.message });
    }
  }
  return { entries, problems };
}

/** Writes records as a master file: SOA first, then names in zone order (RFC 4034 §6.1), one line a record. */
export function renderMasterFile(records: readonly DnsRecord[], options: RenderOptions): string {
  const origin = domainName(options.origin);
  const ttl = options.ttl ?? DEFAULT_TTL;
  const sorted = sortRecords(records);
  const owners = sorted.map((record) => relativeOwner(record.name, origin));
  const width = Math.min(40, Math.max(0, ...owners.map((owner) => owner.length)));
  const lines = (options.header ?? []).map(commentLine);
  lines.push(`$ORIGIN ${absolute(origin)}`, `$TTL ${ttl}`);
  let lastComment: string | undefined;
  for (const [index, record] of sorted.entries()) {
    const comment = options.comment?.(record);
    if (comment !== undefined && comment !== lastComment) lines.push(commentLine(comment));
    lastComment = comment;
    const owner = (owners[index] ?? "").padEnd(width);
    const own = record.ttl === ttl ? "" : `${record.ttl} `;
    lines.push(`${owner} ${own}IN ${record.type.padEnd(5)} ${rdataText(record)}`);
  }
  return `${lines.join("\n")}\n`;
}

/** A line that breaks the grammar. A RangeError like those of names and records, so that one catch tells them all. */
class SyntaxProblem extends RangeError {}

interface ParseState {
  origin: string;
  ttl: number;
  owner: string | undefined;
}

/** What a type's data looks like, field by field. */
const READERS: {
  readonly [T in RecordType]: (field: FieldReader) => Omit<RecordOf<T>, "name" | "ttl" | "type">;
} = {
  A: (field) => ({ address: field.word("address") }),
  AAAA: (field) => ({ address: field.word("address") }),
  MX: (field) => ({ preference: field.number("preference"), exchange: field.name("exchange") }),
  TXT: (field) => ({ strings: field.strings() }),
  CNAME: (field) => ({ target: field.name("target") }),
  NS: (field) => ({ target: field.name("target") }),
  PTR: (field) => ({ target: field.name("target") }),
  SRV: (field) => ({
    priority: field.number("priority"),
    weight: field.number("weight"),
    port: field.number("port"),
    target: field.name("target"),
  }),
  CAA: (field) => ({ flags: field.number("flags"), tag: field.word("tag"), value: field.word("value") }),
  TLSA: (field) => ({
    usage: field.number("usage"),
    selector: field.number("selector"),
    matchingType: field.number("matching type"),
    certificate: field.rest("certificate data"),
  }),
  SOA: (field) => ({
    mname: field.name("mname"),
    rname: field.name("rname"),
    serial: field.number("serial"),
    refresh: field.seconds("refresh"),
    retry: field.seconds("retry"),
    expire: field.seconds("expire"),
    minimum: field.seconds("minimum"),
  }),
};

/** Hands out the tokens of a record's data, each with what is expected in its place. */
class FieldReader {
  readonly #tokens: readonly Token[];
  readonly #origin: string;
  #at = 0;

  constructor(tokens: readonly Token[], origin: string) {
    this.#tokens = tokens;
    this.#origin = origin;
  }

  word(what: string): string {
    return this.#next(what).text;
  }

  name(what: string): string {
    return absoluteName(this.#next(what), this.#origin);
  }

  number(what: string): number {
    const text = this.word(what);
    if (!/^[0-9]{1,10}$/.test(text))
      throw new SyntaxProblem(`the ${what} is "${excerpt(text)}", not a number`);
    return Number(text);
  }

  seconds(what: string): number {
    const text = this.word(what);
    const value = seconds(text);
    if (value === undefined) throw new SyntaxProblem(`the ${what} is "${excerpt(text)}", not a time`);
    return value;
  }

  strings(): string[] {
    const strings = this.#tokens.slice(this.#at).map((token) => token.text);
    this.#at = this.#tokens.length;
    const long = strings.find((string) => string.length > MAX_CHARACTER_STRING);
    if (long !== undefined)
      throw new SyntaxProblem(
        `a string has ${long.length} octets; cut it into "…" "…" of at most ${MAX_CHARACTER_STRING} (RFC 1035 §3.3)`,
      );
    return strings;
  }

  rest(what: string): string {
    const words = this.#tokens.slice(this.#at).map((token) => token.text);
    this.#at = this.#tokens.length;
    if (words.length === 0) throw new SyntaxProblem(`the ${what} is missing`);
    return words.join("");
  }

  end(): void {
    const extra = this.#tokens[this.#at];
    if (extra !== undefined)
      throw new SyntaxProblem(`"${excerpt(extra.text)}" is left over after the record's data`);
  }

  #next(what: string): Token {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new SyntaxProblem(`the ${what} is missing`);
    return token;
  }
}

function readLine(line: LogicalLine, state: ParseState): DnsRecord | undefined {
  const [first, ...others] = line.tokens;
  if (first === undefined) return undefined;
  if (!line.startsBlank && !first.quoted && first.text.startsWith("$")) {
    readDirective(first.text, others, state);
    return undefined;
  }
  const fields = line.startsBlank ? [...line.tokens] : others;
  if (!line.startsBlank) state.owner = absoluteName(first, state.origin);
  if (state.owner === undefined) throw new SyntaxProblem("the first record has no owner name");
  const { ttl, type, data } = readHead(fields, state);
  const reader = new FieldReader(data, state.origin);
  const rdata = READERS[type](reader);
  reader.end();
  // The table gives each type its own data; TypeScript cannot see that `type` chose both.
  return dnsRecord({ name: state.owner, ttl, type, ...rdata } as DnsRecord);
}

function readHead(
  fields: readonly Token[],
  state: ParseState,
): { ttl: number; type: RecordType; data: Token[] } {
  let ttl = state.ttl;
  let seenTtl = false;
  let seenClass = false;
  for (const [index, token] of fields.entries()) {
    const word = token.quoted ? "" : token.text.toUpperCase();
    if (!seenClass && ["IN", "CH", "CS", "HS"].includes(word)) {
      if (word !== "IN") throw new SyntaxProblem(`class ${word} is not served; only IN is`);
      seenClass = true;
      continue;
    }
    const time = seenTtl ? undefined : seconds(word);
    if (time !== undefined) {
      ttl = time;
      seenTtl = true;
      continue;
    }
    if (!isRecordType(word))
      throw new SyntaxProblem(`"${excerpt(token.text)}" is not a record type known here`);
    return { ttl, type: word, data: fields.slice(index + 1) };
  }
  throw new SyntaxProblem("the record type is missing");
}

function readDirective(directive: string, fields: readonly Token[], state: ParseState): void {
  const [argument, extra] = fields;
  switch (directive.toUpperCase()) {
    case "$ORIGIN":
      if (argument === undefined || extra !== undefined) throw new SyntaxProblem("$ORIGIN takes one name");
      state.origin = absoluteName(argument, state.origin);
      return;
    case "$TTL": {
      const ttl = argument === undefined || extra !== undefined ? undefined : seconds(argument.text);
      if (ttl === undefined) throw new SyntaxProblem("$TTL takes one time, in seconds or like 1h30m");
      state.ttl = ttl;
      return;
    }
    default:
      throw new SyntaxProblem(`${excerpt(directive)} is not read here; write the records themselves`);
  }
}

function absoluteName(token: Token, origin: string): string {
  if (token.quoted) throw new SyntaxProblem(`the name "${excerpt(token.text)}" stands in quotes`);
  if (token.escaped)
    throw new SyntaxProblem(`the name "${excerpt(token.text)}" has an escape, which is not taken here`);
  if (token.text === "@") return origin;
  const text = new TextDecoder().decode(Uint8Array.from(token.text, (character) => character.charCodeAt(0)));
  if (text.endsWith(".") || origin === ".") return domainName(text);
  return domainName(`${text}.${origin}`);
}

function relativeOwner(name: string, origin: string): string {
  if (name === origin) return "@";
  if (origin === "." || !isWithin(name, origin)) return absolute(name);
  return name.slice(0, -origin.length - 1);
}

const UNITS: Readonly<Record<string, number>> = { W: 604_800, D: 86_400, H: 3600, M: 60, S: 1 };

/** Seconds of "3600" or "1h30m"; undefined when it is no time. */
function seconds(text: string): number | undefined {
  if (/^[0-9]{1,10}$/.test(text)) return Number(text);
  if (!/^(?:[0-9]{1,10}[wdhms])+$/i.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/([0-9]+)([wdhms])/gi))
    total += Number(count) * (UNITS[(unit ?? "").toUpperCase()] ?? 0);
  return total;
}

function commentLine(text: string): string {
  return text === "" ? ";" : `; ${text.replace(/[\0-\x1f\x7f]+/g, " ")}`;
}

function excerpt(text: string): string {
  return text.slice(0, 60).replace(/[^ -~]/g, "?");
}
