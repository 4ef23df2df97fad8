/**
 * Text of headers and bodies as Unicode: RFC 2047 encoded words and charset names.
 *
 * Charsets are those of the Encoding Standard (TextDecoder), which are the ones in mail; an unknown one is
 * read as windows-1252, so that ASCII inside it is still found.
 */
import { TextDecoder } from "node:util";
import { transferDecoder } from "./transfer-encoding.ts";

/** A decoder for a charset label; never throws. */
export function charsetDecoder(label: string): TextDecoder {
  try {
    return new TextDecoder(label.trim() || "utf-8");
  } catch {
    return new TextDecoder("windows-1252");
  }
}

/** Whether the label names a charset that can be decoded. */
export function knowsCharset(label: string): boolean {
  try {
    return Boolean(new TextDecoder(label));
  } catch {
    return false;
  }
}

const WORD = /=\?([^?\s]{1,100})\?([bqBQ])\?([^?\s]*)\?=/g;
const BETWEEN_WORDS = /(=\?[^?\s]{1,100}\?[bqBQ]\?[^?\s]*\?=)[ \t\r\n]+(?==\?[^?\s]{1,100}\?[bqBQ]\?)/g;

/** Decodes a header value (latin1 string, one character a byte) to Unicode; raw UTF-8 is read as such. */
export function decodeHeaderValue(value: string): string {
  if (!value.includes("=?")) return decodeRaw(value);
  // Adjacent words are joined, the space between them is no text (RFC 2047 §6.2).
  const joined = value.replace(BETWEEN_WORDS, "$1");
  let result = "";
  let at = 0;
  for (const match of joined.matchAll(WORD)) {
    result += decodeRaw(joined.slice(at, match.index));
    result += decodeWord(match[1]!, match[2]!, match[3]!);
    at = match.index + match[0].length;
  }
  return result + decodeRaw(joined.slice(at));
}

function decodeWord(charset: string, encoding: string, text: string): string {
  const bytes = Buffer.from(text, "latin1");
  const decoder = transferDecoder(encoding === "b" || encoding === "B" ? "base64" : "quoted-printable")!;
  const input =
    encoding === "b" || encoding === "B" ? bytes : Buffer.from(text.replaceAll("_", "=20"), "latin1");
  const decoded = Buffer.concat([decoder.push(input), decoder.end()]);
  // RFC 2231 §5: a language may follow the charset.
  return charsetDecoder(charset.split("*", 1)[0]!).decode(decoded);
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

function decodeRaw(value: string): string {
  if (!/[\x80-\xff]/.test(value)) return value;
  const bytes = Buffer.from(value, "latin1");
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}
