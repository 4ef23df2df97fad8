/**
 * A message as the filter reads it: the text of its parts as Unicode, the links, and what is attached.
 *
 * Read once for all checks, within limits that no message can exceed: so much of each text, so much of all
 * texts, so much of an attachment's beginning. What lies behind a limit is not looked at, and `cut` says so.
 * The loop gets its turn every few milliseconds (`breather.ts`). Nothing here throws for what a message is.
 */
import { isAscii } from "node:buffer";
import type { MessageContent } from "../../message/content.ts";
import { type Headers, readHeaders } from "../../message/headers.ts";
import { charsetDecoder, decodeHeaderValue } from "../../message/mime/encoded-words.ts";
import { unfold } from "../../message/mime/fields.ts";
import { parameter } from "../../message/mime/parameters.ts";
import { type MimePart, StructureParser } from "../../message/mime/structure.ts";
import { transferDecoder } from "../../message/mime/transfer-encoding.ts";
import { type Breather, startBreathing } from "./breather.ts";
import { type HtmlReading, readHtml } from "./html.ts";
import { MAX_URLS, parseUrl, type Url, urlsOf } from "./urls.ts";

/** Decoded bytes of one text part, and of all together. */
export const MAX_TEXT = 256 * 1024;
export const MAX_TEXTS = 1024 * 1024;
/** Decoded bytes of one attachment's beginning, and of all together. */
export const MAX_ATTACHMENT = 256 * 1024;
export const MAX_ATTACHMENTS = 4 * 1024 * 1024;
/** Parts that are read; the structure of the others is known, their content is not. */
export const MAX_READ_PARTS = 200;
/** Characters of a header value. */
export const MAX_VALUE = 4096;
/** Encoded bytes that are taken at once, so that no piece of work is long. */
const PIECE = 64 * 1024;

export interface TextPart {
  readonly kind: "plain" | "html";
  /** What a reader sees. */
  readonly text: string;
  /** Decoded, but with its tags; the same as `text` for plain text. */
  readonly raw: string;
  readonly html: HtmlReading | undefined;
  readonly charset: string;
}
export interface Attachment {
  /** As the sender calls it, decoded; "" without a name. */
  readonly name: string;
  /** Declared, lower case: "application/zip". */
  readonly type: string;
  /** The first bytes, decoded. */
  readonly head: Buffer;
  /** There is more than `head`. */
  readonly cut: boolean;
}
export interface Readable {
  readonly headers: Headers;
  readonly structure: MimePart;
  /** All parts, in the order they stand. */
  readonly parts: readonly MimePart[];
  readonly texts: readonly TextPart[];
  readonly attachments: readonly Attachment[];
  readonly urls: readonly Url[];
  /** Something of the message was not read. */
  readonly cut: boolean;
}

/** Reads a message, of which `parsed` is the header section. Memory: the limits above, whatever its size. */
export async function readMessage(content: MessageContent, parsed?: Headers): Promise<Readable> {
  const breather = startBreathing();
  const headers = parsed ?? (await readHeaders(content));
  const structure = await structureOf(content, breather);
  const parts = [...walk(structure)];
  const texts: TextPart[] = [];
  const attachments: Attachment[] = [];
  const urls: Url[] = [];
  let textLeft = MAX_TEXTS;
  let attachedLeft = MAX_ATTACHMENTS;
  let cut = false;
  for (const part of parts
    .filter(({ children, type }) => children.length === 0 && type !== "multipart")
    .slice(0, MAX_READ_PARTS)) {
    const name = nameOf(part);
    const isText = part.type === "text" && part.disposition?.value.toLowerCase() !== "attachment";
    const room = isText ? Math.min(MAX_TEXT, textLeft) : Math.min(MAX_ATTACHMENT, attachedLeft);
    const decoded = await decodedBody(content, part, room, breather);
    cut ||= decoded.cut;
    if (!isText || name !== "")
      attachments.push({ name, type: `${part.type}/${part.subtype}`, head: decoded.bytes, cut: decoded.cut });
    if (!isText) {
      attachedLeft -= decoded.bytes.length;
      continue;
    }
    textLeft -= decoded.bytes.length;
    const text = textPart(part, decoded.bytes);
    texts.push(text);
    for (const link of text.html?.links ?? []) {
      const url = urls.length < MAX_URLS ? parseUrl(link.href, link.text) : undefined;
      if (url !== undefined) urls.push(url);
    }
    urls.push(...urlsOf(text.text, MAX_URLS - urls.length));
    await breather.breathe();
  }
  if (parts.length > MAX_READ_PARTS) cut = true;
  return { headers, structure, parts, texts, attachments, urls, cut };
}

/** The decoded value of a header field's first occurrence, "" without one. */
export function readableValue(headers: Headers, name: string): string {
  const field = headers.fields.find((one) => one.name === name);
  if (field === undefined) return "";
  const end = Math.min(field.end, field.valueStart + MAX_VALUE);
  return decodeHeaderValue(unfold(headers.bytes.toString("latin1", field.valueStart, end)));
}

async function structureOf(content: MessageContent, breather: Breather): Promise<MimePart> {
  const parser = new StructureParser();
  if (content.buffer !== undefined && content.size <= PIECE) {
    parser.push(content.buffer);
    return parser.end();
  }
  for await (const chunk of content.chunks()) {
    parser.push(chunk);
    await breather.breathe();
  }
  return parser.end();
}

function* walk(part: MimePart): Generator<MimePart> {
  yield part;
  for (const child of part.children) yield* walk(child);
}

function nameOf(part: MimePart): string {
  const value =
    parameter(part.disposition?.parameters ?? [], "filename") ??
    parameter(part.parameters, "name") ??
    extendedName(part.disposition?.parameters ?? []) ??
    "";
  return decodeHeaderValue(value.slice(0, MAX_VALUE));
}

/** RFC 2231: `filename*=utf-8''a%20b`, and its numbered pieces joined. */
function extendedName(parameters: MimePart["parameters"]): string | undefined {
  const pieces = parameters.filter(([name]) => /^filename\*/i.test(name)).map(([, value]) => value);
  if (pieces.length === 0) return undefined;
  const text = pieces.join("").replace(/^[\w.-]{0,40}'[\w-]{0,20}'/, "");
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function decodedBody(
  content: MessageContent,
  part: MimePart,
  room: number,
  breather: Breather,
): Promise<{ bytes: Buffer; cut: boolean }> {
  if (room <= 0) return { bytes: Buffer.alloc(0), cut: part.end > part.bodyStart };
  const decoder = transferDecoder(part.encoding) ?? transferDecoder("binary")!;
  const pieces: Buffer[] = [];
  let length = 0;
  let at = part.bodyStart;
  // An encoding that decodes to nothing (a body of blanks) is not read for ever: four times the room is enough.
  const last = Math.min(part.end, part.bodyStart + room * 4);
  while (at < last && length < room) {
    const wanted = Math.min(PIECE, last - at);
    const encoded = content.buffer?.subarray(at, at + wanted) ?? (await content.read(at, wanted));
    if (encoded.length === 0) break;
    const bytes = decoder.push(encoded);
    pieces.push(bytes);
    length += bytes.length;
    at += encoded.length;
    await breather.breathe();
  }
  const rest = at >= part.end ? decoder.end() : undefined;
  if (rest !== undefined && rest.length > 0) pieces.push(rest);
  const [only] = pieces;
  const bytes = only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces);
  return {
    bytes: bytes.length > room ? bytes.subarray(0, room) : bytes,
    cut: at < part.end || bytes.length > room,
  };
}

function textPart(part: MimePart, bytes: Buffer): TextPart {
  const charset = (parameter(part.parameters, "charset") ?? "").toLowerCase();
  const raw = decoded(bytes, charset);
  if (part.subtype !== "html") return { kind: "plain", text: raw, raw, html: undefined, charset };
  const html = readHtml(raw);
  return { kind: "html", text: html.text, raw, html, charset };
}

/** RFC 2045 says us-ascii where nothing is said; what people send is UTF-8, or else what their desk had. */
function decoded(bytes: Buffer, charset: string): string {
  const isAsciiOrUtf8 = charset === "" || charset === "us-ascii" || charset === "utf-8";
  if (isAsciiOrUtf8 && isAscii(bytes)) return bytes.toString("latin1");
  if (charset !== "" && charset !== "us-ascii") return charsetDecoder(charset).decode(bytes);
  try {
    return utf8.decode(bytes);
  } catch {
    return windows1252.decode(bytes);
  }
}
const utf8 = new TextDecoder("utf-8", { fatal: true });
const windows1252 = new TextDecoder("windows-1252");
