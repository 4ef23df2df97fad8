/**
 * The addresses in a From, To, Sender or Reply-To field (RFC 5322 §3.4, with the obsolete forms of §4.4): display
 * names, comments, groups, routes and quoted strings are understood and left behind.
 *
 * A value that breaks the grammar yields those addresses that could be read; what stands between two commas and is no
 * address is skipped. Time is linear in the length of the value, whatever it holds.
 */
import { type MailAddress, parseAddress } from "./address.ts";

/** One mailbox of a field. */
export interface ListedMailbox {
  /** The display name as written, with quotes and escapes undone; encoded-words (RFC 2047) are left as they stand. */
  readonly name: string;
  readonly address: MailAddress;
}

/** Most mailboxes that are read of one field. */
export const MAX_LISTED = 10_000;

/** Reads an unfolded field value. Never throws. */
export function parseAddressList(value: string): readonly ListedMailbox[] {
  const found: ListedMailbox[] = [];
  let entry = emptyEntry();
  const finish = (): void => {
    const mailbox = mailboxOf(entry);
    if (mailbox !== undefined) found.push(mailbox);
    entry = emptyEntry();
  };
  for (const token of tokens(value)) {
    if (found.length >= MAX_LISTED) return found;
    if (token.kind === "separator") {
      // "Team: ann@example.org, bob@example.org;" - the colon ends a group's name, which names nobody.
      if (token.text === ":" && entry.angle === undefined) entry = emptyEntry();
      else finish();
    } else if (token.kind === "angle") entry.angle ??= token.text;
    else entry.words.push(token);
  }
  finish();
  return found;
}

type Token = {
  readonly kind: "word" | "quoted" | "angle" | "separator";
  readonly text: string;
  /** Blanks or a comment stood before it. */
  readonly apart: boolean;
};
interface Entry {
  words: Token[];
  angle: string | undefined;
}
const emptyEntry = (): Entry => ({ words: [], angle: undefined });

function mailboxOf(entry: Entry): ListedMailbox | undefined {
  const written = entry.words.map((word) => (word.kind === "quoted" ? quote(word.text) : word.text));
  if (entry.angle !== undefined) {
    const address = parseAddress(withoutRoute(entry.angle));
    if (address === undefined) return undefined;
    const name = entry.words
      .map((word, index) => (index > 0 && word.apart ? ` ${word.text}` : word.text))
      .join("");
    return { name, address };
  }
  // Without brackets the blanks that obsolete syntax allows around "." and "@" mean nothing (RFC 5322 §4.4).
  const address = parseAddress(written.join(""));
  return address === undefined || hasTwoWords(entry.words) ? undefined : { name: "", address };
}

/** Two atoms apart with neither "." nor "@" between them are no address: "ann smith@example.org". */
function hasTwoWords(words: readonly Token[]): boolean {
  return words.some((word, index) => {
    const before = words[index - 1];
    return before !== undefined && word.apart && !/[.@]$/.test(before.text) && !/^[.@]/.test(word.text);
  });
}

/** `<@a,@b:user@c>`: the route goes (RFC 5322 §4.4 obs-route). */
function withoutRoute(text: string): string {
  if (!text.startsWith("@")) return text;
  const colon = text.indexOf(":");
  return colon < 0 ? text : text.slice(colon + 1);
}

const DOMAIN_LITERAL = /\[[^[\]\s]{1,64}\]/y;
const quote = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;

function* tokens(value: string): Generator<Token> {
  let at = 0;
  let apart = false;
  while (at < value.length) {
    const character = value[at] as string;
    if (/\s/.test(character)) {
      apart = true;
      at += 1;
      continue;
    }
    if (character === "(") {
      at = commentEnd(value, at);
      apart = true;
      continue;
    }
    const token = tokenAt(value, at, character, apart);
    apart = false;
    at = token.end;
    yield token;
  }
}

function tokenAt(
  value: string,
  at: number,
  character: string,
  apart: boolean,
): Token & { readonly end: number } {
  if (character === '"') {
    const { text, end } = quotedAt(value, at);
    return { kind: "quoted", text, end, apart };
  }
  if (character === "<") {
    const { text, end } = angleAt(value, at);
    return { kind: "angle", text, end, apart };
  }
  if (",;:".includes(character)) return { kind: "separator", text: character, end: at + 1, apart };
  // A domain literal holds colons that separate nothing.
  DOMAIN_LITERAL.lastIndex = at;
  let end = at + (DOMAIN_LITERAL.exec(value)?.[0].length ?? 1);
  while (end < value.length && !/[\s(",;:<[]/.test(value[end] as string)) end += 1;
  return { kind: "word", text: value.slice(at, end), end, apart };
}

function quotedAt(value: string, at: number): { text: string; end: number } {
  const parts: string[] = [];
  let end = at + 1;
  while (end < value.length && value[end] !== '"') {
    if (value[end] === "\\" && end + 1 < value.length) end += 1;
    parts.push(value[end] as string);
    end += 1;
  }
  return { text: parts.join(""), end: end + 1 };
}

/** What stands in angle brackets, quoted strings kept, blanks and comments outside of them left out. */
function angleAt(value: string, at: number): { text: string; end: number } {
  const parts: string[] = [];
  let end = at + 1;
  while (end < value.length && value[end] !== ">") {
    const character = value[end] as string;
    if (character === '"') {
      const inside = quotedAt(value, end);
      parts.push(quote(inside.text));
      end = inside.end;
    } else if (character === "(") end = commentEnd(value, end);
    else {
      if (!/\s/.test(character)) parts.push(character);
      end += 1;
    }
  }
  return { text: parts.join(""), end: end + 1 };
}

/** After the comment that begins at `at`; comments nest (RFC 5322 §3.2.2). */
function commentEnd(value: string, at: number): number {
  let depth = 0;
  let end = at;
  while (end < value.length) {
    const character = value[end];
    if (character === "\\") end += 1;
    else if (character === "(") depth += 1;
    else if (character === ")") depth -= 1;
    end += 1;
    if (depth === 0) break;
  }
  return end;
}
