/** The "relaxed" canonicalizations of DKIM (RFC 6376 §3.4.2, §3.4.4), over bytes and in one pass. */
import { createHash } from "node:crypto";
import type { MessageContent } from "../../message/content.ts";

const CR = 13;
const LF = 10;
const SP = 32;
const TAB = 9;
const LINE_ENDS_AT_ONCE = 1024;
const lineEnds = Buffer.from("\r\n".repeat(LINE_ENDS_AT_ONCE));

/**
 * A header field as `name:value` with the name in lower case, unfolded, runs of white space as one space;
 * ends with CRLF. `field` is the field's bytes with its folds, with or without the final CRLF.
 */
export function relaxedField(field: Buffer): string {
  const text = field.toString("latin1");
  const colon = text.indexOf(":");
  const name = text.slice(0, colon).trimEnd().toLowerCase();
  const value = text
    .slice(colon + 1)
    .replace(/\r\n(?=[ \t])/g, "")
    .replace(/[ \t]+/g, " ")
    .replace(/\r?\n$/, "")
    .replace(/^ | $/g, "");
  return `${name}:${value}\r\n`;
}

/** SHA-256 over the relaxed body of a message whose body begins at `start`. */
export async function relaxedBodyHash(content: MessageContent, start: number): Promise<Buffer> {
  const hash = createHash("sha256");
  const body = new RelaxedBody((bytes) => hash.update(bytes));
  if (content.buffer) body.write(content.buffer.subarray(start));
  else for await (const chunk of content.chunks(start)) body.write(chunk);
  body.end();
  return hash.digest();
}

/**
 * The relaxed body as a state machine, since a chunk may end anywhere. White space and line ends are held
 * back until it is known whether something follows: at a line's end white space goes, at the body's end
 * empty lines go.
 */
export class RelaxedBody {
  readonly #emit: (bytes: Buffer) => void;
  #lineEnds = 0;
  #space = false;
  #carriageReturn = false;
  #empty = true;

  constructor(emit: (bytes: Buffer) => void) {
    this.#emit = emit;
  }

  write(chunk: Buffer): void {
    // Every byte of input gives at most one byte, held-back state aside; line ends held back are added below.
    let out = Buffer.allocUnsafe(chunk.length + 2 * Math.min(this.#lineEnds, LINE_ENDS_AT_ONCE) + 4);
    let at = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (this.#carriageReturn) {
        this.#carriageReturn = false;
        if (byte === LF) {
          this.#lineEnds++;
          this.#space = false;
          continue;
        }
        at = this.#flush(out, at);
        out[at++] = CR;
      }
      if (byte === CR) {
        this.#carriageReturn = true;
      } else if (byte === SP || byte === TAB) {
        this.#space = true;
      } else {
        if (this.#lineEnds > 0 || this.#space) {
          if (this.#lineEnds > LINE_ENDS_AT_ONCE) {
            this.#emit(out.subarray(0, at));
            this.#emitLineEnds();
            out = Buffer.allocUnsafe(chunk.length - i + 4);
            at = 0;
          }
          at = this.#flush(out, at);
        }
        out[at++] = byte;
        this.#empty = false;
      }
    }
    if (at > 0) this.#emit(out.subarray(0, at));
  }

  end(): void {
    if (this.#carriageReturn) {
      this.#emitLineEnds();
      const out = Buffer.allocUnsafe(4);
      const at = this.#flush(out, 0);
      out[at] = CR;
      this.#emit(out.subarray(0, at + 1));
      this.#empty = false;
    }
    if (!this.#empty) this.#emit(Buffer.from("\r\n"));
  }

  /** Line ends in numbers go out by themselves, so that a body of nothing else needs no memory. */
  #emitLineEnds(): void {
    for (; this.#lineEnds > 0; this.#lineEnds -= Math.min(this.#lineEnds, LINE_ENDS_AT_ONCE))
      this.#emit(lineEnds.subarray(0, 2 * Math.min(this.#lineEnds, LINE_ENDS_AT_ONCE)));
  }

  /** Writes what was held back: something follows it. */
  #flush(out: Buffer, from: number): number {
    let at = from;
    for (; this.#lineEnds > 0; this.#lineEnds--) {
      out[at++] = CR;
      out[at++] = LF;
    }
    if (this.#space) out[at++] = SP;
    this.#space = false;
    return at;
  }
}
