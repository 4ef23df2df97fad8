/** Stretches of disposable files that memory holds, the least recently used given up first; one bound over all mailboxes. */
export class SegmentCache {
  readonly #maxBytes: number;
  /** The longest unused first. */
  readonly #held = new Map<object, Uint32Array>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(key: object): Uint32Array | undefined {
    const words = this.#held.get(key);
    if (words === undefined) return undefined;
    this.#held.delete(key);
    this.#held.set(key, words);
    return words;
  }

  set(key: object, words: Uint32Array): void {
    this.delete(key);
    if (words.byteLength > this.#maxBytes) return;
    this.#held.set(key, words);
    this.#bytes += words.byteLength;
    for (const [oldest] of this.#held) {
      if (this.#bytes <= this.#maxBytes) return;
      this.delete(oldest);
    }
  }

  delete(key: object): void {
    const words = this.#held.get(key);
    if (words === undefined) return;
    this.#held.delete(key);
    this.#bytes -= words.byteLength;
  }
}
