/**
 * DKIM signatures (RFC 6376, Ed25519 by RFC 8463), relaxed/relaxed.
 *
 * Ours rather than the library's, because it over-signs: a field named once more often in h= than it occurs
 * cannot be added later (§5.4.2, §8.15), and because the body is hashed once for all keys of a domain.
 */
import { createHash, type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import type { MessageContent } from "../../message/content.ts";
import { fieldBytes, type Headers, parseHeaders, readHeaders } from "../../message/headers.ts";
import { relaxedBodyHash, relaxedField } from "./canonicalization.ts";

const signAsync = promisify(sign);

/** Fields signed wherever they occur (RFC 6376 §5.4.1); the first group is over-signed. */
const overSigned = [
  "from",
  "subject",
  "date",
  "to",
  "cc",
  "reply-to",
  "message-id",
  "in-reply-to",
  "references",
];
const signed = [
  "mime-version",
  "content-type",
  "content-transfer-encoding",
  "list-id",
  "list-unsubscribe",
  "list-unsubscribe-post",
  // RFC 8460 §5.3
  "tls-report-domain",
  "tls-report-submitter",
];

export interface SigningKey {
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: "rsa-sha256" | "ed25519-sha256";
  readonly privateKey: KeyObject;
}

/** Where a message's header fields and its body begin. */
interface Sections {
  readonly fields: readonly { readonly name: string; readonly bytes: Buffer }[];
  readonly bodyStart: number;
}

/**
 * DKIM-Signature fields for a message, in the order of `keys`, each ended by CRLF. `prefix` holds fields
 * that will stand before the content; `now` is t=.
 */
export async function dkimSignatures(
  keys: readonly SigningKey[],
  prefix: Buffer,
  content: MessageContent,
  now: Date,
): Promise<string> {
  const { fields, bodyStart } = await sections(prefix, content);
  const bodyHash = (await relaxedBodyHash(content, bodyStart)).toString("base64");
  const { names, data } = signedData(fields);
  const seconds = Math.floor(now.getTime() / 1000);
  const all = await Promise.all(
    keys.map(async (key) => {
      const field =
        `DKIM-Signature: v=1; a=${key.algorithm}; c=relaxed/relaxed; d=${key.domain};\r\n` +
        ` s=${key.selector}; t=${seconds};\r\n` +
        ` h=${foldNames(names)};\r\n bh=${bodyHash};\r\n b=`;
      const input = Buffer.from(data + relaxedField(Buffer.from(field, "latin1")).slice(0, -2), "latin1");
      const value =
        key.algorithm === "ed25519-sha256"
          ? await signAsync(null, createHash("sha256").update(input).digest(), key.privateKey)
          : await signAsync("sha256", input, key.privateKey);
      return `${field}${foldValue(value.toString("base64"))}\r\n`;
    }),
  );
  return all.join("");
}

/** h= and the canonical bytes it stands for; of a repeated field the last one is signed first (§5.4.2). */
function signedData(fields: Sections["fields"]): { names: string[]; data: string } {
  const names: string[] = [];
  let data = "";
  for (const name of [...overSigned, ...signed]) {
    const found = fields.filter((field) => field.name === name);
    for (const field of found.reverse()) {
      names.push(name);
      data += relaxedField(field.bytes);
    }
    if (overSigned.includes(name)) names.push(name);
  }
  return { names, data };
}

async function sections(prefix: Buffer, content: MessageContent): Promise<Sections> {
  const [before, own] = [parseHeaders(prefix), await readHeaders(content)];
  const fieldsOf = (headers: Headers) =>
    headers.fields.map((field) => ({ name: field.name, bytes: fieldBytes(headers, field) }));
  return { fields: [...fieldsOf(before), ...fieldsOf(own)], bodyStart: own.bodyStart };
}

/** Folds at the colons of h=, so that no line passes 78 characters. */
function foldNames(names: readonly string[]): string {
  let line = "";
  const lines: string[] = [];
  for (const name of names) {
    if (line.length + name.length > 68) {
      lines.push(line);
      line = "";
    }
    line += `${name}:`;
  }
  return [...lines, line.slice(0, -1)].join("\r\n  ");
}
function foldValue(base64: string): string {
  return base64.replace(/(.{72})(?=.)/g, "$1\r\n  ");
}
