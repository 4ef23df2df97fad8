/** The bytes of BODY[...] sections, as offsets or pieces, and their way to the client (RFC 9051 §6.4.5). */
import type { MessageContent } from "../../message/content.ts";
import { messageAt, partAt, selectFields } from "../../message/mime/sections.ts";
import { isUsualField } from "../../message/mime/usual-fields.ts";
import { BrokenAnswerError } from "../command-reader.ts";
import type { Partial, Section } from "../grammar/fetch-items.ts";
import type { Output } from "../output.ts";
import { type FetchMessage, Need } from "./fetch-message.ts";

/** Where a section's bytes are: a stretch of the message, or pieces of a header; undefined: no such section. */
export type SectionBytes =
  | { readonly kind: "range"; readonly start: number; readonly end: number }
  | { readonly kind: "pieces"; readonly pieces: readonly Buffer[] }
  | undefined;

/** What must be loaded to find a section. */
export function sectionNeeds(section: Section): number {
  if (section.path.length > 0) return Need.Content | Need.Structure;
  if (section.text === "all") return Need.Content;
  if (section.text === "text" || section.text === "header") return Need.Content | Need.HeaderEnd;
  const isUsual =
    section.text === "fields" && section.names.every((name) => isUsualField(name.toString("latin1")));
  return isUsual ? Need.UsualFields : Need.Header;
}

/** Finds a section in a loaded message. */
export async function findSection(message: FetchMessage, section: Section): Promise<SectionBytes> {
  const { text, path } = section;
  if (path.length === 0) return topSection(message, section);
  const root = message.structure!;
  if (text === "all" || text === "mime") {
    const part = partAt(root, path);
    if (!part) return undefined;
    return text === "all" ? range(part.bodyStart, part.end) : range(part.headerStart, part.bodyStart);
  }
  const inner = messageAt(root, path);
  if (!inner) return undefined;
  if (text === "text") return range(inner.bodyStart, inner.end);
  if (text === "header") return range(inner.headerStart, inner.bodyStart);
  const header = await message.content!.read(inner.headerStart, inner.bodyStart - inner.headerStart);
  return { kind: "pieces", pieces: selectFields(header, section.names, text === "fields-not") };
}

/** A section of the message itself needs no structure, and mostly no body. */
export function topSection(message: FetchMessage, section: Section): SectionBytes {
  switch (section.text) {
    case "all":
      return range(0, message.content!.size);
    case "text":
      return range(message.headerLength, message.content!.size);
    case "header":
      return range(0, message.headerLength);
    default:
      return {
        kind: "pieces",
        pieces: selectFields(message.header, section.names, section.text === "fields-not"),
      };
  }
}

function range(start: number, end: number): SectionBytes {
  return { kind: "range", start, end: Math.max(start, end) };
}

/** Writes a section as a literal, or the part of it that was asked for. A promise only where bytes are streamed. */
export function writeSection(
  out: Output,
  message: FetchMessage,
  found: SectionBytes,
  partial: Partial | undefined,
): undefined | Promise<void> {
  if (!found) {
    out.text("NIL");
    return undefined;
  }
  if (found.kind === "pieces") {
    writePieces(out, found.pieces, partial);
    return undefined;
  }
  const start = partial ? Math.min(found.end, found.start + partial.start) : found.start;
  const end = partial ? Math.min(found.end, start + partial.length) : found.end;
  out.text("{");
  out.number(end - start);
  out.text("}\r\n");
  const { buffer } = message.content!;
  if (!buffer) return streamRange(out, message.content!, start, end);
  out.bytes(start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end));
  return undefined;
}

function writePieces(out: Output, pieces: readonly Buffer[], partial: Partial | undefined): void {
  let chosen = pieces;
  if (partial) {
    const all = Buffer.concat(pieces);
    const start = Math.min(all.length, partial.start);
    chosen = [all.subarray(start, Math.min(all.length, start + partial.length))];
  }
  let length = 0;
  for (const piece of chosen) length += piece.length;
  out.text("{");
  out.number(length);
  out.text("}\r\n");
  for (const piece of chosen) out.bytes(piece);
}

/** A large message goes to the client as it is read; the announced length must be kept or the line is broken. */
async function streamRange(out: Output, content: MessageContent, start: number, end: number): Promise<void> {
  let sent = 0;
  try {
    for await (const chunk of content.chunks(start, end)) {
      sent += chunk.length;
      out.bytes(chunk);
      if (out.mustPause()) await out.pause();
    }
  } catch (error) {
    throw new BrokenAnswerError("A message could not be read to its end.", { cause: error });
  }
  if (sent !== end - start) throw new BrokenAnswerError("A message is shorter than it was.");
}
