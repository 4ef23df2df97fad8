/**
 * Substring search in the text of a message, as Unicode and without regard to case (RFC 9051 §6.4.4).
 *
 * Transfer encodings are taken off, charsets decoded, header words decoded; attachments that are no text are
 * not searched. Bodies are read in chunks, so a large message is searched in little memory.
 */
import type { MessageContent } from "../../message/content.ts";
import { charsetDecoder, decodeHeaderValue } from "../../message/mime/encoded-words.ts";
import { unfold } from "../../message/mime/fields.ts";
import { parameter } from "../../message/mime/parameters.ts";
import { MAX_HEADER, type MimePart } from "../../message/mime/structure.ts";
import { decoded } from "../fetch/binary.ts";

/**
 * Text as it is compared: the collation i;unicode-casemap (RFC 5051) that I18NLEVEL=1 promises, decomposed and
 * without case; so letters are found however they are composed, and full-width ones by the usual ones.
 */
export function fold(text: string): string {
  // Lower case has two small sigmas, and which one depends on what follows.
  return text.normalize("NFKD").toLowerCase().replaceAll("\u03c2", "\u03c3");
}

/** Whether a text part contains the folded text; with `headers` the header of every part and message counts too. */
export async function bodyContains(
  content: MessageContent,
  part: MimePart,
  wanted: string,
  headers: boolean,
): Promise<boolean> {
  if (wanted === "") return true;
  if (headers && (await headerContains(content, part, wanted))) return true;
  if (part.type === "text") return textContains(content, part, wanted);
  for (const child of part.children) {
    if (await bodyContains(content, child, wanted, headers)) return true;
    // What a message contains has a header that is part of this message's body.
    if (!headers && part.type === "message" && (await headerContains(content, child, wanted))) return true;
  }
  return false;
}

async function headerContains(content: MessageContent, part: MimePart, wanted: string): Promise<boolean> {
  const length = Math.min(MAX_HEADER, part.bodyStart - part.headerStart);
  const bytes = await content.read(part.headerStart, length);
  // Folded lines are joined, so that a phrase is found over a line end.
  const text = bytes.toString("latin1").replace(/\r?\n(?=[ \t])/g, "");
  return fold(
    text
      .split("\n")
      .map((line) => decodeHeaderValue(unfold(line)))
      .join("\n"),
  ).includes(wanted);
}

async function textContains(content: MessageContent, part: MimePart, wanted: string): Promise<boolean> {
  const decoder = charsetDecoder(parameter(part.parameters, "charset") ?? "utf-8");
  // The end of a chunk is kept: a hit may begin there. Folding can change lengths, hence the margin.
  const keep = wanted.length * 2 + 16;
  let tail = "";
  for await (const piece of decoded(content, part.bodyStart, part.end, part.encoding)) {
    const text = tail + decoder.decode(piece, { stream: true });
    if (fold(text).includes(wanted)) return true;
    tail = text.slice(-keep);
  }
  return fold(tail + decoder.decode()).includes(wanted);
}
