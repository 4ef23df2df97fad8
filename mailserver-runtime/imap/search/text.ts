/**
 * The text of a message as it is searched: Unicode, without regard to case (RFC 9051 §6.4.4).
 *
 * Transfer encodings are taken off, charsets decoded, header words decoded; attachments that are no text are
 * not searched. Bodies are read in chunks, so a large message is searched in little memory. Search and index
 * look at the same strings, so that one never finds what the other does not.
 */
import type { MessageContent } from "../../message/content.ts";
import { parseAddressList } from "../../message/mime/addresses.ts";
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
  // In ASCII nothing is composed, and most mail is ASCII.
  if (!BEYOND_ASCII.test(text)) return text.toLowerCase();
  // Lower case has two small sigmas, and which one depends on what follows.
  return text.normalize("NFKD").toLowerCase().replaceAll("\u03c2", "\u03c3");
}
const BEYOND_ASCII = /[\u0080-\uffff]/;

/** BODY: text parts and what contained messages say in their headers; TEXT: all headers besides. */
export type Scope = "body" | "text";
/** Sees a folded text; true when it has seen enough. */
type Visit = (text: string) => boolean;

/** Whether a text part contains the folded text; in the scope "text" the header of every part and message counts too. */
export async function bodyContains(
  searched: Omit<Searched, "overlap">,
  root: MimePart,
  wanted: string,
): Promise<boolean> {
  if (wanted === "") return true;
  // The end of a chunk is seen again with the next one: a hit may begin there. Folding can change lengths.
  return someText({ ...searched, overlap: wanted.length * 2 + 16 }, root, (text) => text.includes(wanted));
}

export interface Searched {
  readonly content: MessageContent;
  readonly scope: Scope;
  /** Characters of a chunk that are seen again with the next one. */
  readonly overlap: number;
  /** Asked after each chunk, so that a large message holds up nobody. */
  readonly pause: () => Promise<void> | undefined;
}

/** Shows every text of a part and all it contains, until one was enough; resolves with whether it was. */
export async function someText(searched: Searched, part: MimePart, visit: Visit): Promise<boolean> {
  const { content, scope } = searched;
  if (scope === "text" && visit(await headerText(content, part))) return true;
  if (part.type === "text") return someChunk(searched, part, visit);
  for (const child of part.children) {
    if (await someText(searched, child, visit)) return true;
    // What a message contains has a header that is part of this message's body.
    if (scope === "body" && part.type === "message" && visit(await headerText(content, child))) return true;
  }
  return false;
}

async function headerText(content: MessageContent, part: MimePart): Promise<string> {
  const length = Math.min(MAX_HEADER, part.bodyStart - part.headerStart);
  const bytes = await content.read(part.headerStart, length);
  // Folded lines are joined, so that a phrase is found over a line end.
  const text = bytes.toString("latin1").replace(/\r?\n(?=[ \t])/g, "");
  return fold(
    text
      .split("\n")
      .map((line) => decodeHeaderValue(unfold(line)))
      .join("\n"),
  );
}

async function someChunk(
  { content, overlap, pause }: Searched,
  part: MimePart,
  visit: Visit,
): Promise<boolean> {
  const decoder = charsetDecoder(parameter(part.parameters, "charset") ?? "utf-8");
  let tail = "";
  for await (const piece of decoded(content, part.bodyStart, part.end, part.encoding)) {
    const text = tail + decoder.decode(piece, { stream: true });
    if (visit(fold(text))) return true;
    tail = text.slice(-overlap);
    const pausing = pause();
    if (pausing) await pausing;
  }
  return visit(fold(tail + decoder.decode()));
}

const ADDRESS_FIELDS: ReadonlySet<string> = new Set(["from", "sender", "reply-to", "to", "cc", "bcc"]);

/** What is searched of a header field: its (lower-case) name, its unfolded value. */
export function fieldTexts(name: string, value: string): readonly string[] {
  const text = fold(decodeHeaderValue(value));
  // Comments and space may stand inside an address (RFC 5322 §4.4); nobody searches for them.
  return ADDRESS_FIELDS.has(name) && value.includes("(") ? [text, addressText(value)] : [text];
}

/** The addresses of a field as they are usually written. */
function addressText(value: string): string {
  return fold(
    parseAddressList(value)
      .map(({ name, mailbox, host }) => `${decodeHeaderValue(name ?? "")} <${mailbox ?? ""}@${host ?? ""}>`)
      .join(", "),
  );
}
