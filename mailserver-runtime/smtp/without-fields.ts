/**
 * A message without some of its header fields: forged results in our name (RFC 8601 §5), or what tells about
 * a sender's device. The content itself is never changed; this is another one, made only when there is
 * something to leave out.
 */
import { type MessageContent, memoryContent } from "../message/content.ts";
import type { HeaderField, Headers } from "../message/headers.ts";

/** The content without the fields that `drop` names; the same object when there are none. Owns `content` from then on. */
export function withoutFields(
  content: MessageContent,
  headers: Headers,
  drop: (field: HeaderField) => boolean,
): MessageContent {
  const kept: { start: number; end: number }[] = [];
  let from = 0;
  for (const field of headers.fields) {
    if (!drop(field)) continue;
    if (field.start > from) kept.push({ start: from, end: field.start });
    from = field.end;
  }
  if (from === 0) return content;
  if (from < content.size) kept.push({ start: from, end: content.size });
  const { buffer } = content;
  if (buffer !== undefined)
    return memoryContent(
      Buffer.concat(kept.map(({ start, end }) => buffer.subarray(start, end))),
      content.lineEnds,
    );
  return new PartialContent(content, kept);
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Ranges of another content, read as one. */
class PartialContent implements MessageContent {
  readonly size: number;
  readonly buffer = undefined;
  readonly lineEnds: "crlf" | undefined;
  #whole: MessageContent;
  #ranges: readonly Range[];

  constructor(whole: MessageContent, ranges: readonly Range[]) {
    this.#whole = whole;
    // Whole fields are left out, with their line ends.
    this.lineEnds = whole.lineEnds;
    this.#ranges = ranges;
    this.size = ranges.reduce((sum, range) => sum + range.end - range.start, 0);
  }
  async *chunks(start = 0, end = this.size): AsyncIterable<Buffer> {
    let before = 0;
    for (const range of this.#ranges) {
      const length = range.end - range.start;
      const from = Math.max(0, start - before);
      const to = Math.min(length, end - before);
      if (from < to) yield* this.#whole.chunks(range.start + from, range.start + to);
      before += length;
    }
  }
  async read(start: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.chunks(start, Math.min(this.size, start + length))) parts.push(part);
    return Buffer.concat(parts);
  }
  dispose(): Promise<void> {
    return this.#whole.dispose();
  }
}
