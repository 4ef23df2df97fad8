/**
 * Address lists as ENVELOPE shows them (RFC 5322 §3.4, RFC 3501 §7.4.2).
 *
 * Reads what real mail contains: display names with and without quotes, comments as names, source routes
 * (RFC 5322 §4.4), groups, lists with empty members. Strings are latin1, so one character is one byte and
 * nothing is lost. What cannot be read as an address becomes one with an empty host, never an error.
 */

/** At most so many addresses of one field are kept. */
export const MAX_ADDRESSES = 10_000;

export interface EnvelopeAddress {
  /** Display name without its quotes; RFC 2047 words stay encoded. */
  readonly name: string | undefined;
  /** Source route, "@a,@b". */
  readonly route: string | undefined;
  /** Local part; the group's name in a group start, undefined in a group end. */
  readonly mailbox: string | undefined;
  /** Domain; undefined in group starts and ends. */
  readonly host: string | undefined;
}

const GROUP_END: EnvelopeAddress = { name: undefined, route: undefined, mailbox: undefined, host: undefined };

/** Reads an unfolded address list. */
export function parseAddressList(text: string): EnvelopeAddress[] {
  return new AddressScanner(text).list();
}

/** What a word goes on with. */
const WORD_REST = /[^ \t\r\n,;:<>@"([]*/y;

interface Word {
  readonly text: string;
  readonly quoted: boolean;
  /** White space stood before it. */
  readonly spaced: boolean;
}

class AddressScanner {
  readonly #text: string;
  #at = 0;
  /** Text of the last comment, the old place for a name: joe@example.org (Joe). */
  #comment: string | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  list(): EnvelopeAddress[] {
    const found: EnvelopeAddress[] = [];
    let inGroup = false;
    let words: Word[] = [];
    let angle: { route: string | undefined; mailbox: string; host: string } | undefined;
    const finish = () => {
      const address = toAddress(words, angle, this.#comment);
      if (address) found.push(address);
      words = [];
      angle = undefined;
      this.#comment = undefined;
    };
    while (found.length < MAX_ADDRESSES) {
      const spaced = this.#skipSpace();
      const character = this.#text[this.#at];
      if (character === undefined) break;
      if (character === ",") {
        this.#at += 1;
        finish();
      } else if (character === ";") {
        this.#at += 1;
        finish();
        if (inGroup) found.push(GROUP_END);
        inGroup = false;
      } else if (character === ":" && !inGroup && !angle && words.length > 0) {
        this.#at += 1;
        found.push({ name: undefined, route: undefined, mailbox: phrase(words), host: undefined });
        words = [];
        this.#comment = undefined;
        inGroup = true;
      } else if (character === "<") {
        this.#at += 1;
        angle = this.#angle();
      } else {
        words.push(this.#word(spaced));
      }
    }
    finish();
    if (inGroup) found.push(GROUP_END);
    return found;
  }

  /** What stands between < and >. */
  #angle(): { route: string | undefined; mailbox: string; host: string } {
    let route: string | undefined;
    this.#skipSpace();
    if (this.#text[this.#at] === "@") {
      // The search is kept inside the brackets, so that a long list of them costs no more than its length.
      const close = this.#text.indexOf(">", this.#at);
      const inside = this.#text.slice(this.#at, close < 0 ? undefined : close);
      const colon = inside.indexOf(":");
      if (colon > 0) {
        route = inside.slice(0, colon).replace(/\s+/g, "");
        this.#at += colon + 1;
      }
    }
    const words: Word[] = [];
    for (;;) {
      const spaced = this.#skipSpace();
      const character = this.#text[this.#at];
      if (character === undefined || character === ">") break;
      words.push(this.#word(spaced));
    }
    this.#at += 1;
    return { route, ...split(words) };
  }

  #word(spaced: boolean): Word {
    if (this.#text[this.#at] === '"') return { text: this.#quoted(), quoted: true, spaced };
    const from = this.#at;
    if (this.#text[this.#at] === "[") {
      const close = this.#text.indexOf("]", this.#at);
      this.#at = close < 0 ? this.#text.length : close + 1;
      return { text: this.#text.slice(from, this.#at), quoted: false, spaced };
    }
    const first = this.#text[this.#at]!;
    this.#at += 1;
    if (first !== "@") {
      WORD_REST.lastIndex = this.#at;
      WORD_REST.test(this.#text);
      this.#at = WORD_REST.lastIndex;
    }
    return { text: this.#text.slice(from, this.#at), quoted: false, spaced };
  }

  #quoted(): string {
    let result = "";
    this.#at += 1;
    while (this.#at < this.#text.length && this.#text[this.#at] !== '"') {
      if (this.#text[this.#at] === "\\" && this.#at + 1 < this.#text.length) this.#at += 1;
      result += this.#text[this.#at];
      this.#at += 1;
    }
    this.#at += 1;
    return result;
  }

  /** Skips white space and comments; true when there was any. */
  #skipSpace(): boolean {
    const from = this.#at;
    for (;;) {
      const character = this.#text[this.#at];
      if (character === " " || character === "\t" || character === "\r" || character === "\n") this.#at += 1;
      else if (character === "(") this.#readComment();
      else return this.#at > from;
    }
  }

  #readComment(): void {
    let depth = 0;
    let result = "";
    for (; this.#at < this.#text.length; this.#at += 1) {
      const character = this.#text[this.#at]!;
      if (character === "\\") {
        this.#at += 1;
        result += this.#text[this.#at] ?? "";
        continue;
      }
      if (character === "(") {
        depth += 1;
        if (depth === 1) continue;
      } else if (character === ")") {
        depth -= 1;
        if (depth === 0) {
          this.#at += 1;
          break;
        }
      }
      result += character;
    }
    this.#comment = result.trim();
  }
}

/** Words of a display name, with one space where there was white space. */
function phrase(words: readonly Word[]): string {
  return words.map((word, index) => (index > 0 && word.spaced ? ` ${word.text}` : word.text)).join("");
}

/** Local part and domain; white space inside (RFC 5322 §4.4) is dropped. */
function split(words: readonly Word[]): { mailbox: string; host: string } {
  let at = -1;
  for (let index = words.length - 1; index >= 0; index -= 1) {
    if (words[index]!.text === "@" && !words[index]!.quoted) {
      at = index;
      break;
    }
  }
  const join = (part: readonly Word[]) => part.map((word) => word.text).join("");
  if (at < 0) return { mailbox: join(words), host: "" };
  return { mailbox: join(words.slice(0, at)), host: join(words.slice(at + 1)) };
}

function toAddress(
  words: readonly Word[],
  angle: { route: string | undefined; mailbox: string; host: string } | undefined,
  comment: string | undefined,
): EnvelopeAddress | undefined {
  if (angle) {
    const name = words.length > 0 ? phrase(words) : comment;
    return { name: name || undefined, route: angle.route, mailbox: angle.mailbox, host: angle.host };
  }
  if (words.length === 0) return undefined;
  return { name: comment || undefined, route: undefined, ...split(words) };
}
