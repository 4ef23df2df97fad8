/**
 * A message as features for the classifier: orthogonal sparse bigrams of its words (Siefkes, Assis, Chhabra,
 * Yerazunis: "Combining Winnow and Orthogonal Sparse Bigrams for Incremental Spam Filtering", 2004), short
 * runs of characters (Cormack: "Email Spam Filtering: A Systematic Review", 2008, §3.4), and facts.
 *
 * Each word is a feature, and so is each pair of a word with one of the few before it, with their distance:
 * "click · here", "click · · now". Runs of characters find words that are written in new ways: "v1agra". What
 * the host that stores a message has written (Return-Path, its Received, X-Spam-*, Delivered-To …) gives no feature,
 * so a message is the same to the classifier on its way in and when a person moves it years later.
 *
 * A feature is a 32-bit hash and nothing more. Two features of many thousand share one by chance; the
 * classifier does not care, and a stolen model tells nobody's words.
 */
import { fieldValue } from "../../message/headers.ts";
import type { Breather } from "../reading/breather.ts";
import { type Readable, readableValue } from "../reading/readable.ts";
import { traceFacts } from "./trace-facts.ts";

/**
 * A pair reaches back over so many words. Measured by validation inside the corpus's earlier half
 * (docs/decisions/0007): without pairs twice as much spam passes; beyond two words nothing is gained.
 */
export const WINDOW = 2;
/** Words of the text that are looked at. Spam and ham are told apart long before. */
export const MAX_WORDS = 4000;
/** Characters of the text's beginning that give runs, and how long a run is. */
const MAX_RUNS = 3000;
const TEXT_RUN = 5;
const HEADER_RUN = 4;
/** Words of the text between two turns of the loop. */
const SLICE = 1000;

/**
 * The distinct features of a message by the kind of evidence they are; none is 0. The kinds are judged apart
 * and then put together, so that a long text does not drown what the header says.
 */
export interface Features {
  /** Runs of characters of Subject and From. */
  readonly headers: Uint32Array;
  /** Words of the text, and their pairs. */
  readonly words: Uint32Array;
  /** Runs of characters of the text's beginning. */
  readonly runs: Uint32Array;
  /** Links, structure, fields that are there or not. */
  readonly facts: Uint32Array;
  /** The way it came (trace-facts.ts). */
  readonly trace: Uint32Array;
}
/** All kinds, for whoever treats them alike. */
export const featureKinds = [
  "headers",
  "words",
  "runs",
  "facts",
  "trace",
] as const satisfies readonly (keyof Features)[];

/** The features of a message; with a breather, in pieces between which the loop gets its turn. */
export async function featuresOf(message: Readable, breather?: Breather): Promise<Features> {
  const headers = new Set<number>();
  const words = new Set<number>();
  const runs = new Set<number>();
  const line = `${readableValue(message.headers, "subject")}|${readableValue(message.headers, "from")}`;
  addRuns(headers, line.toLowerCase(), HEADER_RUN);
  let wordsLeft = MAX_WORDS;
  let runsLeft = MAX_RUNS;
  for (const { text } of message.texts) {
    const lower = text.toLowerCase();
    const scanner = new WordScanner(lower);
    while (wordsLeft > 0 && !scanner.done) {
      wordsLeft -= addSparseBigrams(words, scanner, Math.min(SLICE, wordsLeft));
      await breather?.breathe();
    }
    if (runsLeft <= 0) continue;
    // Twice as much as is needed, because runs of blanks become one.
    const beginning = lower
      .slice(0, runsLeft * 2)
      .replace(/\s+/g, " ")
      .slice(0, runsLeft);
    addRuns(runs, beginning, TEXT_RUN);
    runsLeft -= beginning.length;
    await breather?.breathe();
  }
  return {
    headers: Uint32Array.from(headers),
    words: Uint32Array.from(words),
    runs: Uint32Array.from(runs),
    facts: hashesOf(factsOf(message)),
    trace: hashesOf(traceFacts(message.headers)),
  };
}

/** Each fact once. */
function hashesOf(facts: Iterable<string>): Uint32Array {
  const hashes = new Set<number>();
  for (const fact of facts) hashes.add(nonZero(mix(hashOf(fact))));
  return Uint32Array.from(hashes);
}

/** What is no word: where links go, how the message is built, who wrote it with what. */
function* factsOf(message: Readable): Generator<string> {
  for (const { host, port, userInfo } of message.urls) {
    const labels = host.split(".");
    for (let at = Math.max(0, labels.length - 4); at < labels.length; at += 1)
      yield `host:${labels.slice(at).join(".")}`;
    if (/^[\d.]+$/.test(host)) yield "url:number";
    if (port !== "") yield `url:port ${port}`;
    if (userInfo) yield "url:user";
  }
  yield `urls:${magnitude(message.urls.length)}`;
  for (const part of message.parts) {
    yield `part:${part.type}/${part.subtype}`;
    yield `part:${part.type}/${part.subtype} ${part.encoding}`;
  }
  yield `structure:${message.parts
    .slice(0, 6)
    .map(({ type, subtype }) => `${type}/${subtype}`)
    .join(" ")}`;
  for (const { charset, html } of message.texts) {
    yield `charset:${charset}`;
    if (html === undefined) continue;
    for (const [element, count] of Object.entries(html.counts)) yield `html:${element} ${magnitude(count)}`;
    if (html.comments > 0) yield "html:comments";
  }
  for (const { name, type } of message.attachments) {
    yield `attached:${type}`;
    yield `extension:${/\.([^.]{1,10})$/.exec(name)?.[1]?.toLowerCase() ?? ""}`;
  }
  yield* headerFacts(message);
}

/** Fields that say something by being there or not. */
const telling = [
  "in-reply-to",
  "references",
  "list-id",
  "list-unsubscribe",
  "list-post",
  "sender",
  "reply-to",
  "errors-to",
  "precedence",
  "x-priority",
  "x-msmail-priority",
  "x-mailer",
  "user-agent",
  "mime-version",
  "message-id",
  "date",
  "to",
  "cc",
];

function* headerFacts(message: Readable): Generator<string> {
  const { headers } = message;
  const names = new Set(headers.fields.map(({ name }) => name));
  for (const name of telling) yield `${names.has(name) ? "has" : "lacks"}:${name}`;
  for (const name of ["precedence", "x-priority", "x-msmail-priority", "content-language"])
    if (names.has(name)) yield `${name}=${readableValue(headers, name).slice(0, 40).toLowerCase()}`;
  const id = headers.fields.find(({ name }) => name === "message-id");
  // The shape of a Message-ID is its maker's signature.
  if (id !== undefined && id.end - id.valueStart < 400)
    yield `id:${fieldValue(headers, id)
      .replace(/@.*$/, "")
      .replace(/[a-z]+/g, "a")
      .replace(/[A-Z]+/g, "A")
      .replace(/\d+/g, "9")}`;
  const zone = /([+-]\d{4}|[A-Z]{3,4})\s*(?:\(|$)/.exec(readableValue(headers, "date").slice(0, 200))?.[1];
  yield `zone:${zone ?? "none"}`;
  const subject = readableValue(headers, "subject");
  if (subject !== "" && subject === subject.toUpperCase() && /[A-Z]{4}/.test(subject))
    yield "subject:capitals";
  if (/\s{5,}\S+\s*$/.test(subject.slice(0, 500))) yield "subject:tail";
  yield `recipients:${magnitude(readableValue(headers, "to").split("@").length - 1)}`;
}

/** 0, 1, 2, 4, 8 …: a number's size. */
function magnitude(count: number): number {
  return count === 0 ? 0 : 2 ** Math.floor(Math.log2(count));
}

/** Adds a scanner's next words and their pairs; how many words there were. */
function addSparseBigrams(into: Set<number>, words: WordScanner, limit: number): number {
  let count = 0;
  for (let word = words.next(); word !== 0; word = words.next()) {
    into.add(nonZero(mix(word)));
    const { before } = words;
    for (let distance = 1; distance <= WINDOW; distance += 1) {
      const earlier = before[(words.count - 1 - distance) & 7]!;
      if (words.count > distance) into.add(nonZero(mix(Math.imul(earlier, DISTANCE[distance]!) ^ word)));
    }
    count += 1;
    if (count >= limit) break;
  }
  return count;
}

/** Odd numbers, so that no bit of a word is lost. */
const DISTANCE = [1, 0x9e3779b1, 0x85ebca77] as const;

/** Adds every run of so many characters; runs of different lengths are different features. */
function addRuns(into: Set<number>, text: string, length: number): void {
  for (let start = 0; start + length <= text.length; start += 1) {
    let hash = FNV_OFFSET ^ (length << 24);
    for (let at = start; at < start + length; at += 1)
      hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
    into.add(nonZero(mix(hash >>> 0)));
  }
}

/**
 * The words of a lower-case text as hashes, one after the other, without making strings of them. A word is a
 * run of letters, digits and what spam and sums put among them ($ ! % '); a character of a script that has no
 * blanks is a word of its own.
 */
export class WordScanner {
  readonly #text: string;
  #at = 0;
  /** The last eight words. */
  readonly before = new Uint32Array(8);
  count = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.#at >= this.#text.length;
  }

  /** The next word's hash, 0 at the end. */
  next(): number {
    const text = this.#text;
    const { length } = text;
    let at = this.#at;
    while (at < length && kindOf(text.charCodeAt(at)) === SEPARATOR) at += 1;
    if (at >= length) {
      this.#at = at;
      return 0;
    }
    const start = at;
    let hash = Math.imul(FNV_OFFSET ^ text.charCodeAt(at), FNV_PRIME);
    const alone = kindOf(text.charCodeAt(at)) === ALONE;
    for (at += 1; !alone && at < length && kindOf(text.charCodeAt(at)) === LETTER; at += 1)
      if (at - start < LONGEST_WORD) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
    // Beyond that length it is no word: base64, a line of signs. Its length says as much.
    if (at - start > LONGEST_WORD) hash = Math.imul(FNV_OFFSET ^ (((at - start) >> 4) << 16), FNV_PRIME);
    this.#at = at;
    const word = nonZero(hash >>> 0);
    this.before[this.count & 7] = word;
    this.count += 1;
    return word;
  }
}

const LONGEST_WORD = 30;
const SEPARATOR = 0;
const LETTER = 1;
const ALONE = 2;

const asciiKinds = new Uint8Array(128);
for (const character of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789$!%'")
  asciiKinds[character.charCodeAt(0)] = LETTER;

function kindOf(code: number): number {
  if (code < 128) return asciiKinds[code]!;
  if (code < 0xa1 || (code >= 0x2000 && code < 0x2070) || code === 0xfeff || code === 0xad) return SEPARATOR;
  // Han, kana, Hangul syllables are written without blanks; so are the halves of a surrogate pair, mostly.
  return code >= 0x2e80 && code < 0xfb00 ? ALONE : LETTER;
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

function hashOf(text: string): number {
  let hash = FNV_OFFSET;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return hash >>> 0;
}

/** The finishing step of MurmurHash3: every bit of the input reaches every bit of the output. */
function mix(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function nonZero(hash: number): number {
  return hash === 0 ? 1 : hash;
}
