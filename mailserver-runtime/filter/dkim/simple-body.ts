/** The "simple" body canonicalization (RFC 6376 §3.4.3): empty lines at the end go, and nothing else changes. */

const CR = 13;
const LF = 10;
const AT_ONCE = 1024;
const lineEnds = Buffer.from("\r\n".repeat(AT_ONCE));

/** Chunks may end anywhere: line ends are held back, as a number, until something follows them. */
export class SimpleBody {
  readonly #emit: (bytes: Buffer) => void;
  #lineEnds = 0;
  #carriageReturn = false;

  constructor(emit: (bytes: Buffer) => void) {
    this.#emit = emit;
  }

  write(chunk: Buffer): void {
    let from = 0;
    if (this.#carriageReturn && chunk.length > 0) {
      this.#carriageReturn = false;
      if (chunk[0] === LF) {
        this.#lineEnds++;
        from = 1;
      } else {
        this.#flush();
        this.#emit(Buffer.from("\r"));
      }
    }
    while (from < chunk.length) {
      if (chunk[from] === CR && from + 1 < chunk.length && chunk[from + 1] === LF) {
        this.#lineEnds++;
        from += 2;
        continue;
      }
      // Text: as far as the line ends at the end of this chunk.
      let end = chunk.length;
      if (chunk[end - 1] === CR) end--;
      const open = end < chunk.length;
      while (end - from >= 2 && chunk[end - 1] === LF && chunk[end - 2] === CR) end -= 2;
      if (end > from) {
        this.#flush();
        this.#emit(chunk.subarray(from, end));
      }
      this.#lineEnds += ((open ? chunk.length - 1 : chunk.length) - end) >> 1;
      this.#carriageReturn = open;
      return;
    }
  }

  end(): void {
    if (this.#carriageReturn) {
      this.#flush();
      this.#emit(Buffer.from("\r"));
    }
    // An empty body is one line end (§3.4.3); any other ends in exactly one.
    this.#emit(lineEnds.subarray(0, 2));
  }

  #flush(): void {
    for (; this.#lineEnds > 0; this.#lineEnds -= Math.min(this.#lineEnds, AT_ONCE))
      this.#emit(lineEnds.subarray(0, 2 * Math.min(this.#lineEnds, AT_ONCE)));
  }
}
