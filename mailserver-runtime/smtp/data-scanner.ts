/**
 * The bytes between 354 and the final dot (RFC 5321 §4.1.1.4, §4.5.2): finds the end, undoes dot-stuffing,
 * and refuses what makes two servers see two different ends.
 *
 * SMTP smuggling lives on servers that end a message at anything but CR LF "." CR LF. Here only that ends
 * one, and a CR without LF or an LF without CR anywhere makes the message refused as a whole, so that
 * nothing we pass on can be read in two ways by the next server either. A client whose lines end in LF alone
 * would wait for ever for its reply; its end is seen too, but only to refuse and then to hang up. A line that
 * is a lone dot once its NULs are gone ends a message at servers that drop them: it is refused as well.
 *
 * Bytes are looked at with `Buffer.indexOf`, a line at a time; what goes on are views of the chunks. Lines as they should
 * be, which is nearly all, are passed over in one small loop; the states are for the others and for a chunk's edges.
 */

export type DataFault = "bare-lf" | "bare-cr" | "hidden-end" | "line-too-long";

const LF = 10;
const CR = 13;
const DOT = 46;
const NUL = 0;

type State =
  | "line-start"
  | "text"
  | "veil" // only NULs so far
  | "veiled-dot" // NULs and one dot so far
  | "cr" // a CR whose LF has not come yet
  | "dot" // a dot at the start of a line, held back
  | "dot-cr";

export class DataScanner {
  /** The first thing that was wrong; the message is to be refused, but read to its end. */
  fault: DataFault | undefined;
  /** The end was no CR LF "." CR LF: after the reply the connection must end. Only ever true with a fault. */
  unclearEnd = false;
  #state: State = "line-start";
  #lineLimit: number;
  #lineLength = 0;
  /** The line before ended in LF alone. */
  #afterBareLf = false;

  /** `lineLimit`: longest line in bytes without its end. */
  constructor(lineLimit: number) {
    this.#lineLimit = lineLimit;
  }

  /**
   * Scans a chunk and gives its content to `emit`, in order. Returns how many bytes belong to the message with
   * its end mark, or -1 when the end has not come.
   */
  scan(chunk: Buffer, emit: (piece: Buffer) => void): number {
    const length = chunk.length;
    let at = 0;
    let from = 0;
    // Where the next CR and LF stand; kept while they lie ahead, so that no byte is searched twice.
    let cr = -1;
    let lf = -1;
    while (at < length) {
      switch (this.#state) {
        case "line-start":
          at = this.#plainLines(chunk, at);
          if (at === length) break;
          if (chunk[at] === DOT) {
            if (at > from) emit(chunk.subarray(from, at));
            at++;
            from = at;
            this.#state = "dot";
            break;
          }
          this.#state = chunk[at] === NUL ? "veil" : "text";
          break;
        case "veil":
        case "veiled-dot":
          at = this.#unveil(chunk, at);
          break;
        case "text": {
          if (cr < at) cr = searched(chunk, CR, at);
          if (lf < at) lf = searched(chunk, LF, at);
          const stop = Math.min(cr, lf);
          this.#lineLength += stop - at;
          if (this.#lineLength > this.#lineLimit) this.fault ??= "line-too-long";
          at = stop + 1;
          if (stop === length) at = length;
          else if (stop === cr) this.#state = "cr";
          else this.#bareLf();
          break;
        }
        case "cr":
          if (chunk[at] === LF) {
            at++;
            this.#newLine(false);
          } else {
            this.fault ??= "bare-cr";
            this.#state = "text";
          }
          break;
        case "dot":
          if (chunk[at] === CR) {
            at++;
            this.#state = "dot-cr";
          } else if (chunk[at] === LF) {
            this.fault ??= "bare-lf";
            this.unclearEnd = true;
            return at + 1;
          } else {
            this.#state = chunk[at] === NUL ? "veil" : "text";
          }
          break;
        case "dot-cr":
          if (chunk[at] === LF) {
            this.unclearEnd = this.#afterBareLf;
            return at + 1;
          }
          this.fault ??= "bare-cr";
          from = at;
          this.#state = "text";
          break;
      }
    }
    if (this.#state !== "dot" && this.#state !== "dot-cr" && from < length)
      emit(from === 0 ? chunk : chunk.subarray(from));
    return -1;
  }

  /** A chunk of BDAT (RFC 3030): lines are held to the same rules, but a dot is a byte like any other. */
  check(chunk: Buffer): void {
    const length = chunk.length;
    let cr = -1;
    let lf = -1;
    for (let at = 0; at < length; ) {
      if (this.#state === "cr") {
        if (chunk[at] === LF) {
          at++;
          this.#newLine(false);
        } else {
          this.fault ??= "bare-cr";
          this.#state = "text";
        }
        if (at === length) break;
      }
      if (this.#state === "line-start") {
        const dotted = chunk[at] === DOT;
        at = dotted ? at : this.#plainLines(chunk, at);
        if (at === length) break;
        this.#state = chunk[at] === NUL ? "veil" : "text";
      }
      while (at < length && (this.#state === "veil" || this.#state === "veiled-dot"))
        at = this.#unveil(chunk, at);
      if (at === length) break;
      if (cr < at) cr = searched(chunk, CR, at);
      if (lf < at) lf = searched(chunk, LF, at);
      const stop = Math.min(cr, lf);
      this.#lineLength += stop - at;
      if (this.#lineLength > this.#lineLimit) this.fault ??= "line-too-long";
      at = stop + 1;
      if (stop === cr && stop < length) this.#state = "cr";
      else if (stop === lf && stop < length) this.#bareLf();
    }
  }
  /** The end of what `check` has seen: a CR may not stand last, and an open last line is one that will be ended. */
  finish(): void {
    if (this.#state === "cr") this.fault ??= "bare-cr";
    if (this.#state === "veiled-dot") this.fault ??= "hidden-end";
  }

  /**
   * From the start of a line past all lines that begin with neither dot nor NUL, end in CR LF, hold no other CR and are no
   * longer than allowed; gives the start of the first line that is otherwise, or not whole.
   */
  #plainLines(chunk: Buffer, from: number): number {
    let at = from;
    for (;;) {
      const first = chunk[at];
      if (first === undefined || first === DOT || first === NUL) break;
      const lf = chunk.indexOf(LF, at);
      if (lf <= at || chunk[lf - 1] !== CR || lf - 1 - at > this.#lineLimit) break;
      // Ends at the line's own CR: what is hostile may not have every byte searched again for each line.
      if (chunk.indexOf(CR, at) !== lf - 1) break;
      at = lf + 1;
    }
    if (at > from) this.#newLine(false);
    return at;
  }
  /** One byte of a line that began with a NUL; gives the place to go on from. */
  #unveil(chunk: Buffer, at: number): number {
    const byte = chunk[at];
    const goesOn = byte === NUL || (byte === DOT && this.#state === "veil");
    if (goesOn) {
      this.#lineLength++;
      if (byte === DOT) this.#state = "veiled-dot";
      return at + 1;
    }
    if (this.#state === "veiled-dot" && (byte === CR || byte === LF)) this.fault ??= "hidden-end";
    this.#state = "text";
    return at;
  }
  #bareLf(): void {
    this.fault ??= "bare-lf";
    this.#newLine(true);
  }
  #newLine(bare: boolean): void {
    this.#afterBareLf = bare;
    this.#lineLength = 0;
    this.#state = "line-start";
  }
}

/** The position of a byte from `at` on, or the chunk's length. */
function searched(chunk: Buffer, byte: number, at: number): number {
  const found = chunk.indexOf(byte, at);
  return found === -1 ? chunk.length : found;
}
