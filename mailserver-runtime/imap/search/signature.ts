/**
 * What a message's text is made of, small enough to ask thousands of messages at once: a Bloom filter of every
 * three characters that stand beside each other.
 *
 * A text that contains some words contains all their triples, so a signature that lacks one of them rules the
 * message out. The other way round proves nothing: who asks reads the message then. Of scripts that write a
 * word in two characters the pairs are in it too.
 */

/** Bits that a token sets, and bits that the filter has for each token: one in ten tokens is taken for another. */
const BITS_A_TOKEN = 5;
/** A text of more tokens gets no filter: it is read in every search. */
export const MAX_TOKENS = 128 * 1024;
/** From here on two characters are a word (CJK radicals and what follows). */
const IDEOGRAPHS = 0x2e80;
const PAIR = 0x5bd1e995;
const FIRST_SLOTS = 4096;
/** In the place of a filter's length: everything may be in it. */
const UNBOUNDED = 0xffffffff;

/** Distinct tokens of texts, by hash. */
export class TokenSet {
  #slots = new Uint32Array(FIRST_SLOTS);
  #count = 0;
  /** It would have more than it may: everything counts as in it. */
  overflowed = false;

  get count(): number {
    return this.#count;
  }

  /** Adds the tokens of a folded text; `salt` keeps apart what must not be mixed up. */
  add(text: string, salt = 0): void {
    const { length } = text;
    if (length < 2 || this.overflowed) return;
    let first = text.charCodeAt(0);
    let second = text.charCodeAt(1);
    if (first >= IDEOGRAPHS && second >= IDEOGRAPHS) this.#insert(pairHash(first, second, salt));
    for (let at = 2; at < length; at += 1) {
      const third = text.charCodeAt(at);
      if (second >= IDEOGRAPHS && third >= IDEOGRAPHS) this.#insert(pairHash(second, third, salt));
      this.#insert(tripleHash(first, second, third, salt));
      first = second;
      second = third;
    }
  }

  #insert(hash: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let at = hash & mask;
    for (let found = slots[at]!; found !== 0; found = slots[at]!) {
      if (found === hash) return;
      at = (at + 1) & mask;
    }
    slots[at] = hash;
    this.#count += 1;
    if (this.#count > MAX_TOKENS) this.overflowed = true;
    else if (this.#count * 2 > slots.length) this.#grow();
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    this.#count = 0;
    for (const hash of before) if (hash !== 0) this.#insert(hash);
  }

  hashes(): Uint32Array {
    return this.#slots.filter((hash) => hash !== 0);
  }
}

/** Hashes are never 0, which marks an empty slot. */
function tripleHash(first: number, second: number, third: number, salt: number): number {
  return mixed(
    Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b) ^ Math.imul(third, 0xc2b2ae35) ^ salt,
  );
}
function pairHash(first: number, second: number, salt: number): number {
  return mixed(Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b) ^ PAIR ^ salt);
}
function mixed(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x7feb352d);
  hash ^= hash >>> 15;
  return hash >>> 0 || 1;
}

/** The tokens of which every text that contains `wanted` has each; none for a text too short to ask for. */
export function tokensOf(wanted: string, salt = 0): Uint32Array {
  const tokens = new TokenSet();
  // One ideograph beside another is asked for by the triple where there are three.
  tokens.add(wanted, salt);
  return tokens.hashes();
}

/** A message's digest: lengths of its filters in words, then the filters. */
export function digestOf(filters: readonly TokenSet[]): Uint32Array {
  const lengths = filters.map(({ count, overflowed }) =>
    overflowed ? UNBOUNDED : Math.ceil((count * BITS_A_TOKEN) / 32),
  );
  const words = lengths.reduce((sum, length) => sum + (length === UNBOUNDED ? 0 : length), 0);
  const digest = new Uint32Array(filters.length + words);
  digest.set(lengths);
  let at = filters.length;
  filters.forEach((filter, index) => {
    const length = lengths[index]!;
    if (length === UNBOUNDED) return;
    const bits = length * 32;
    for (const hash of filter.hashes()) {
      const one = hash % bits;
      const other = second(hash) % bits;
      digest[at + (one >>> 5)]! |= 1 << (one & 31);
      digest[at + (other >>> 5)]! |= 1 << (other & 31);
    }
    at += length;
  });
  return digest;
}

/** Whether filter number `which` of the `count` filters at `at` may have all the tokens. */
export function mayHold(
  words: Uint32Array,
  at: number,
  which: number,
  count: number,
  tokens: Uint32Array,
): boolean {
  const length = words[at + which]!;
  if (length === UNBOUNDED) return true;
  let from = at + count;
  for (let index = 0; index < which; index += 1) {
    const before = words[at + index]!;
    if (before !== UNBOUNDED) from += before;
  }
  const bits = length * 32;
  if (bits === 0) return tokens.length === 0;
  for (let index = 0; index < tokens.length; index += 1) {
    const hash = tokens[index]!;
    const one = hash % bits;
    if (!(words[from + (one >>> 5)]! & (1 << (one & 31)))) return false;
    const other = second(hash) % bits;
    if (!(words[from + (other >>> 5)]! & (1 << (other & 31)))) return false;
  }
  return true;
}

function second(hash: number): number {
  return (Math.imul(hash ^ (hash >>> 13), 0x2c1b3c6d) ^ (hash << 7)) >>> 0;
}
