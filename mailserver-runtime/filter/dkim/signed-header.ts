/** The header fields a signature covers, canonicalized (RFC 6376 §3.4.1, §3.4.2, §3.7, §5.4.2). Pure. */
import { fieldBytes, type HeaderField, type Headers } from "../../message/headers.ts";
import { relaxedField } from "./canonicalization.ts";
import type { Canonicalization } from "./signature.ts";

/** Latin1 text: a character a byte. `signature` is the field that carries the signature itself. */
export function signedHeader(
  headers: Headers,
  names: readonly string[],
  form: Canonicalization,
  signature: HeaderField,
): string {
  const taken = new Map<string, number>();
  let text = "";
  for (const name of names) {
    // Of a repeated field the last one is signed first; one that is not there is signed as absent.
    let at = taken.get(name) ?? headers.fields.length;
    do at--;
    while (at >= 0 && (headers.fields[at]!.name !== name || headers.fields[at] === signature));
    taken.set(name, at);
    if (at >= 0) text += canonicalField(fieldBytes(headers, headers.fields[at]!), form);
  }
  return text + withoutValue(fieldBytes(headers, signature), form);
}

/** A field with its b= emptied and without its line end. */
export function withoutValue(field: Buffer, form: Canonicalization): string {
  const text = field.toString("latin1");
  const colon = text.indexOf(":") + 1;
  const emptied = text.slice(0, colon) + text.slice(colon).replace(/((?:^|;)\s*b\s*=)[^;]*/, "$1");
  return canonicalField(Buffer.from(emptied, "latin1"), form).replace(/\r?\n$/, "");
}

function canonicalField(field: Buffer, form: Canonicalization): string {
  return form === "relaxed" ? relaxedField(field) : field.toString("latin1");
}
