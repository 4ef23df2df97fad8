/** PREVIEW: the first words of a message as text (RFC 8970). */
import type { MessageContent } from "../../message/content.ts";
import { charsetDecoder } from "../../message/mime/encoded-words.ts";
import { parameter } from "../../message/mime/parameters.ts";
import type { MimePart } from "../../message/mime/structure.ts";
import { decoded } from "./binary.ts";

/** RFC 8970 §3.2: at most 200 characters. */
const LENGTH = 200;
/** Decoded bytes looked at; markup in front of the text of HTML is long. */
const LOOKED_AT = 16 * 1024;

/** UTF-8 text of at most 200 characters, empty when there is no text. */
export async function preview(content: MessageContent, root: MimePart): Promise<Buffer> {
  const part = firstText(root, "plain") ?? firstText(root, "html");
  if (!part) return Buffer.alloc(0);
  const decoder = charsetDecoder(parameter(part.parameters, "charset") ?? "utf-8");
  let text = "";
  let taken = 0;
  for await (const piece of decoded(content, part.bodyStart, part.end, part.encoding)) {
    text += decoder.decode(piece.subarray(0, LOOKED_AT - taken), { stream: true });
    taken += piece.length;
    if (taken >= LOOKED_AT) break;
  }
  const words = (part.subtype === "html" ? withoutMarkup(text) : withoutQuotes(text))
    .replace(/[\s\p{C}]+/gu, " ")
    .trim();
  return Buffer.from([...words].slice(0, LENGTH).join(""), "utf8");
}

function firstText(part: MimePart, subtype: string): MimePart | undefined {
  if (
    part.type === "text" &&
    part.subtype === subtype &&
    part.disposition?.value.toLowerCase() !== "attachment"
  ) {
    return part;
  }
  if (part.type !== "multipart") return undefined;
  for (const child of part.children) {
    const found = firstText(child, subtype);
    if (found) return found;
  }
  return undefined;
}

/** Quoted lines of a reply say nothing about this message. */
function withoutQuotes(text: string): string {
  const own = text
    .split("\n")
    .filter((line) => !line.startsWith(">"))
    .join("\n");
  return own.trim() === "" ? text : own;
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };

/** Text between tags; styles, scripts and comments left out. One pass, so markup cannot make it slow. */
function withoutMarkup(html: string): string {
  let result = "";
  let at = 0;
  const lower = html.toLowerCase();
  while (at < html.length) {
    const open = html.indexOf("<", at);
    if (open < 0) return entities(result + html.slice(at));
    result += `${html.slice(at, open)} `;
    const raw = ["style", "script", "head", "title"].find((name) => lower.startsWith(`<${name}`, open));
    const end = lower.startsWith("<!--", open) ? "-->" : raw ? `</${raw}` : ">";
    const close = lower.indexOf(end, open);
    if (close < 0) return entities(result);
    const behind = html.indexOf(">", close);
    at = behind < 0 ? html.length : behind + 1;
  }
  return entities(result);
}

function entities(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,6}));/gi, (all, decimal, hex, name) => {
    const code = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : undefined;
    if (code !== undefined) return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    return ENTITIES[name.toLowerCase()] ?? all;
  });
}
