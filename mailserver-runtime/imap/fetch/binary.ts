/** BINARY: a part's bytes with its transfer encoding taken off (RFC 3516; RFC 9051 §6.4.5). */
import type { MessageContent } from "../../message/content.ts";
import { partAt } from "../../message/mime/sections.ts";
import { transferDecoder } from "../../message/mime/transfer-encoding.ts";
import type { Partial } from "../grammar/fetch-items.ts";
import type { Output } from "../output.ts";
import type { FetchMessage } from "./fetch-message.ts";

/** A part to decode, and how long it is decoded. */
export interface BinaryPart {
  readonly start: number;
  readonly end: number;
  readonly encoding: string;
  readonly size: number;
}

/** Finds and measures a part; undefined: there is none. `unknown-cte`: its encoding cannot be taken off. */
export async function findBinary(
  message: FetchMessage,
  path: readonly number[],
): Promise<BinaryPart | undefined | "unknown-cte"> {
  const content = message.content!;
  if (path.length === 0) return { start: 0, end: content.size, encoding: "binary", size: content.size };
  const part = partAt(message.structure!, path);
  if (!part) return undefined;
  const { bodyStart: start, end } = part;
  const encoding = part.type === "multipart" || part.type === "message" ? "binary" : part.encoding;
  if (!transferDecoder(encoding)) return "unknown-cte";
  let size = 0;
  for await (const piece of decoded(content, start, end, encoding)) size += piece.length;
  return { start, end, encoding, size };
}

/** Decoded bytes of a stretch of the message, in pieces. */
export async function* decoded(
  content: MessageContent,
  start: number,
  end: number,
  encoding: string,
): AsyncIterable<Buffer> {
  const decoder = transferDecoder(encoding) ?? transferDecoder("binary")!;
  for await (const chunk of content.chunks(start, end)) yield decoder.push(chunk);
  yield decoder.end();
}

/** Writes a part as literal8, which may hold NUL. */
export async function writeBinary(
  out: Output,
  message: FetchMessage,
  part: BinaryPart | undefined,
  partial: Partial | undefined,
): Promise<void> {
  if (!part) {
    out.text("NIL");
    return;
  }
  const from = Math.min(part.size, partial?.start ?? 0);
  const to = partial ? Math.min(part.size, from + partial.length) : part.size;
  out.text(`~{${to - from}}\r\n`);
  let at = 0;
  for await (const piece of decoded(message.content!, part.start, part.end, part.encoding)) {
    const first = Math.max(0, from - at);
    const last = Math.min(piece.length, to - at);
    if (first < last) out.bytes(piece.subarray(first, last));
    at += piece.length;
    if (at >= to) break;
    if (out.mustPause()) await out.pause();
  }
}
