/**
 * Message bytes as DATA wants them: a dot doubled at the front of a line, CRLF "." CRLF at the end (RFC 5321 §4.5.2).
 *
 * Bytes are passed on as they are, without a copy; only the two octets of a doubled dot come from elsewhere. A CR or LF
 * that is not part of a CRLF is never sent: to some servers it ends a line and to others not, which is what SMTP
 * smuggling lives on. The queue refuses such messages on their way in; here it is an error, and the connection is given
 * up before the final dot.
 */

export class StrayLineEnd extends Error {
  override name = "StrayLineEnd";
  constructor() {
    super("the message has a CR or LF that is not part of a CRLF line end (RFC 5321 §2.3.8)");
  }
}

const DOT = Buffer.from(".");
const FINAL = Buffer.from(".\r\n");
const FINAL_AFTER_OPEN_LINE = Buffer.from("\r\n.\r\n");
const LINE_DOT = Buffer.from("\n.");
const CR = 13;
const LF = 10;

export class DotStuffer {
  /** The last byte that went through; LF at the front, where a line begins. */
  #last = LF;

  /** The pieces to send for a chunk, in order. @throws {StrayLineEnd} */
  push(chunk: Buffer): readonly Buffer[] {
    if (chunk.length === 0) return [];
    const begins = this.#fits(chunk);
    this.#last = chunk[chunk.length - 1] as number;
    let dot = begins && chunk[0] === 46 ? 0 : nextDot(chunk, 0);
    if (dot < 0) return [chunk];
    const pieces: Buffer[] = [];
    let from = 0;
    while (dot >= 0) {
      pieces.push(chunk.subarray(from, dot), DOT);
      from = dot;
      dot = nextDot(chunk, dot);
    }
    pieces.push(chunk.subarray(from));
    return pieces;
  }

  /** What ends the message; an open last line is ended first. */
  finish(): Buffer {
    if (this.#last === CR) throw new StrayLineEnd();
    return this.#last === LF ? FINAL : FINAL_AFTER_OPEN_LINE;
  }

  /** Checks line ends, also across the chunk's front, and says whether the chunk begins a line. */
  #fits(chunk: Buffer): boolean {
    const first = chunk[0];
    const begins = this.#last === LF;
    if (this.#last === CR ? first !== LF : first === LF) throw new StrayLineEnd();
    if (hasStrayLineEnd(chunk, first === LF ? 1 : 0)) throw new StrayLineEnd();
    return begins;
  }
}

/**
 * Whether a CR or LF stands alone in these bytes. A CR at the very end is not counted: its LF may be in the next chunk.
 */
export function hasStrayLineEnd(bytes: Buffer, from = 0): boolean {
  let at = from;
  for (;;) {
    const cr = bytes.indexOf(CR, at);
    const stop = cr < 0 ? bytes.length : cr;
    const lf = bytes.indexOf(LF, at);
    if (lf >= 0 && lf < stop) return true;
    if (cr < 0) return false;
    if (cr + 1 < bytes.length && bytes[cr + 1] !== LF) return true;
    at = cr + 2;
  }
}

function nextDot(chunk: Buffer, from: number): number {
  const found = chunk.indexOf(LINE_DOT, from);
  return found < 0 ? -1 : found + 1;
}
