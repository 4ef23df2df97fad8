/**
 * A message put together from bytes in memory and ranges of another content, without copying what lies in a file: one
 * with some header fields left out, put in, or written anew.
 */
import { type MessageContent, memoryContent } from "./content.ts";

export type Piece = Buffer | { readonly of: MessageContent; readonly start: number; readonly end: number };

/**
 * The pieces as one message, in memory where all of them are. It owns the contents that its pieces are of: who disposes of
 * it disposes of them.
 */
export function piecedContent(pieces: readonly Piece[], lineEnds?: "crlf"): MessageContent {
  const held = pieces.map((piece) =>
    Buffer.isBuffer(piece) ? piece : piece.of.buffer?.subarray(piece.start, piece.end),
  );
  return held.every((bytes) => bytes !== undefined)
    ? memoryContent(Buffer.concat(held), lineEnds)
    : new PiecedContent(pieces, lineEnds);
}

class PiecedContent implements MessageContent {
  readonly size: number;
  readonly buffer = undefined;
  readonly lineEnds: "crlf" | undefined;
  readonly #pieces: readonly Piece[];

  constructor(pieces: readonly Piece[], lineEnds: "crlf" | undefined) {
    this.#pieces = pieces;
    this.lineEnds = lineEnds;
    this.size = pieces.reduce((sum, piece) => sum + lengthOf(piece), 0);
  }
  async *chunks(start = 0, end = this.size): AsyncIterable<Buffer> {
    let before = 0;
    for (const piece of this.#pieces) {
      const length = lengthOf(piece);
      const from = Math.max(0, start - before);
      const to = Math.min(length, end - before);
      if (from < to) {
        if (Buffer.isBuffer(piece)) yield piece.subarray(from, to);
        else yield* piece.of.chunks(piece.start + from, piece.start + to);
      }
      before += length;
    }
  }
  async read(start: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.chunks(start, Math.min(this.size, start + length))) parts.push(part);
    return Buffer.concat(parts);
  }
  async dispose(): Promise<void> {
    const contents = new Set(this.#pieces.flatMap((piece) => (Buffer.isBuffer(piece) ? [] : [piece.of])));
    for (const content of contents) await content.dispose();
  }
}

function lengthOf(piece: Piece): number {
  return Buffer.isBuffer(piece) ? piece.length : piece.end - piece.start;
}
