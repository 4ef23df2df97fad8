/** What the queue must know of a message's bytes before it takes them, found while they are written. */
import { isAscii } from "node:buffer";
import { hasStrayLineEnd } from "./client/dot-stuffing.ts";

const CR = 13;
const LF = 10;
const EMPTY_LINE = Buffer.from("\r\n\r\n");

/** Takes the chunks of a message in order. */
export class ContentScan {
  eightBit = false;
  eightBitHeaders = false;
  /** A CR or LF that is not part of a CRLF has been seen. */
  stray = false;
  #inHeaders = true;
  #last = LF;

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    const first = chunk[0];
    if (this.#last === CR ? first !== LF : first === LF) this.stray = true;
    this.stray ||= hasStrayLineEnd(chunk, this.#last === CR ? 1 : 0);
    if (this.#inHeaders) this.#headers(chunk);
    this.eightBit ||= this.eightBitHeaders || !isAscii(chunk);
    this.#last = chunk[chunk.length - 1] as number;
  }

  finish(): void {
    if (this.#last === CR) this.stray = true;
  }

  /** An empty line cut in two by a chunk's end is missed, and some body counts as headers: wrong only on the safe side. */
  #headers(chunk: Buffer): void {
    const end = chunk.indexOf(EMPTY_LINE);
    this.eightBitHeaders ||= !isAscii(end < 0 ? chunk : chunk.subarray(0, end));
    if (end >= 0) this.#inHeaders = false;
  }
}
