/** Finds phrases in a row of words, all at once: a tree of words, walked from each word of the text. */

interface Node {
  readonly next: Map<string, Node>;
  /** The phrases that end here. */
  readonly ends: number[];
}
/** A longer row of words is no phrase. */
const LONGEST = 8;

export class PhraseFinder {
  readonly #root: Node = { next: new Map(), ends: [] };

  /** `phrase` as themes.ts writes them; `number` is what `find` gives for it. */
  add(phrase: string, number: number): void {
    let at = [this.#root];
    for (const part of phrase.trim().split(/\s+/)) {
      const isOptional = part.endsWith("?");
      const words = (isOptional ? part.slice(0, -1) : part).split("|");
      const reached = at.flatMap((node) =>
        words.map((word) => {
          const known = node.next.get(word);
          if (known !== undefined) return known;
          const made: Node = { next: new Map(), ends: [] };
          node.next.set(word, made);
          return made;
        }),
      );
      at = isOptional ? [...at, ...reached] : reached;
    }
    for (const { ends } of at) if (!ends.includes(number)) ends.push(number);
  }

  /** The numbers of the phrases that stand in the words, with the place of each one's first word. */
  find(words: readonly string[]): Map<number, number> {
    const found = new Map<number, number>();
    const walk = (node: Node, at: number, from: number): void => {
      for (const number of node.ends) if (!found.has(number)) found.set(number, from);
      const word = words[at];
      if (word === undefined || at - from >= LONGEST || node.next.size === 0) return;
      const next = node.next.get(word);
      if (next !== undefined) walk(next, at + 1, from);
      const digit = node.next.get("#");
      if (digit !== undefined && /\d/.test(word)) walk(digit, at + 1, from);
      const any = node.next.get("*");
      if (any !== undefined) walk(any, at + 1, from);
    };
    for (let at = 0; at < words.length; at += 1) walk(this.#root, at, at);
    return found;
  }
}
