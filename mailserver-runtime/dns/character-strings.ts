/**
 * TXT data. A TXT record holds character-strings of at most 255 octets each (RFC 1035 §3.3), and whoever reads SPF,
 * DKIM or DMARC joins them without a space (RFC 7208 §3.3, RFC 6376 §3.6.2.2).
 *
 * A *byte string* here is a JavaScript string whose every character stands for one octet (U+0000 to U+00FF): it can be
 * compared, stored as JSON and measured in octets. Text beyond ASCII becomes UTF-8 octets before it is split.
 */

/** Octets that one character-string can hold. */
export const MAX_CHARACTER_STRING = 255;

/** Text as character-strings: UTF-8 octets, cut every 255. The empty text is one empty string, since a TXT needs one. */
export function characterStrings(text: string): string[] {
  const bytes = utf8Bytes(text);
  const strings: string[] = [];
  for (let at = 0; at < bytes.length; at += MAX_CHARACTER_STRING)
    strings.push(bytes.slice(at, at + MAX_CHARACTER_STRING));
  return strings.length === 0 ? [""] : strings;
}

/** The text of joined character-strings; octets that are not UTF-8 are given one character each. */
export function characterText(strings: readonly string[]): string {
  const bytes = strings.join("");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(bytes, (character) => character.charCodeAt(0)),
    );
  } catch {
    return bytes;
  }
}

/**
 * A byte string as a quoted character-string of a master file (RFC 1035 §5.1): `"` and `\` behind a backslash,
 * everything outside printable ASCII as `\DDD`.
 */
export function quoted(bytes: string): string {
  const escaped = bytes.replace(/["\\]|[^ -~]/g, (character) =>
    character === '"' || character === "\\"
      ? `\\${character}`
      : `\\${character.charCodeAt(0).toString().padStart(3, "0")}`,
  );
  return `"${escaped}"`;
}

/** The UTF-8 octets of a text as a byte string. */
export function utf8Bytes(text: string): string {
  let bytes = "";
  for (const octet of new TextEncoder().encode(text)) bytes += String.fromCharCode(octet);
  return bytes;
}

/** Whether every character of the string stands for one octet. */
export function isByteString(text: string): boolean {
  return /^[\0-\xff]*$/.test(text);
}
