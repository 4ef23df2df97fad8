/**
 * DKIM verification (RFC 6376 §6, with RFC 8301 and RFC 8463): which domains answer for this message?
 *
 * The header section is the one that was parsed already, the body is hashed once for all signatures, keys
 * come through the resolver's cache and are kept as key objects. Never throws for what a message or a name
 * server says; every signature has its own result.
 */
import { createHash, verify as verifyRaw } from "node:crypto";
import { promisify } from "node:util";
import type { ResolveOptions, Resolver } from "../../dns/resolver.ts";
import type { MessageContent } from "../../message/content.ts";
import { fieldValue, type HeaderField, type Headers } from "../../message/headers.ts";
import { type BodyHash, bodyHashes } from "./body-hashes.ts";
import { type PublicKey, publicKeyOf } from "./public-key.ts";
import { parseSignature, type Signature, type SignedBy, type Unusable } from "./signature.ts";
import { signedHeader } from "./signed-header.ts";

const verifyInPool = promisify(verifyRaw);

export interface DkimResult {
  readonly result: "pass" | "fail" | "temperror" | "permerror";
  readonly domain: string | undefined;
  readonly selector: string | undefined;
  readonly algorithm: string | undefined;
  readonly identity: string | undefined;
  /** The first characters of b=, which tell signatures of one domain apart (RFC 6008). */
  readonly mark: string;
  /** What was wrong, or worth knowing. */
  readonly comment: string | undefined;
}

/** Signatures of one message that are verified, from the top; the newest stand there (§6.1 asks for a limit). */
const MAX_SIGNATURES = 10;

/** Verifies the signatures of a message, in the order they stand. `now` is in milliseconds. */
export async function verifyDkim(
  resolver: Resolver,
  content: MessageContent,
  headers: Headers,
  now: number,
  options?: ResolveOptions,
): Promise<readonly DkimResult[]> {
  const found: { readonly field: HeaderField; readonly signature: Signature | Unusable }[] = [];
  for (const field of headers.fields) {
    if (field.name !== "dkim-signature" || found.length >= MAX_SIGNATURES) continue;
    found.push({ field, signature: parseSignature(fieldValue(headers, field), now / 1000) });
  }
  if (found.length === 0) return [];
  const usable = found.flatMap(({ signature }) => ("unusable" in signature ? [] : [signature]));
  const hashes = await bodyHashes(content, headers.bodyStart, usable);
  return Promise.all(
    found.map(async ({ field, signature }): Promise<DkimResult> => {
      if ("unusable" in signature) {
        const { domain, selector, unusable } = signature;
        const none = { algorithm: undefined, identity: undefined, mark: "" };
        return { result: "permerror", domain, selector, ...none, comment: unusable };
      }
      const body = hashes[usable.indexOf(signature)]!;
      const outcome = await verifyOne(resolver, headers, field, signature, body, options);
      const { domain, selector, algorithm, identity, value } = signature;
      const mark = value.toString("base64").slice(0, 8);
      return { ...outcome, domain, selector, algorithm, identity, mark };
    }),
  );
}

type Outcome = Pick<DkimResult, "result" | "comment">;

/** One signature whose tags are in order, with the hash of the body in its form. */
export async function verifyOne(
  resolver: Resolver,
  headers: Headers,
  field: HeaderField,
  signature: Signature,
  body: BodyHash,
  options?: ResolveOptions,
): Promise<Outcome> {
  const key = await publicKeyOf(resolver, signature, options);
  if (!("key" in key)) return { result: key.result, comment: key.reason };
  const { identity, domain, bodyLength } = signature;
  const at = identity.slice(identity.lastIndexOf("@") + 1).toLowerCase();
  if (key.isExact && at !== domain) return { result: "permerror", comment: "the key is not for subdomains" };
  const test = key.isTest ? "; the signer is testing" : "";
  if (bodyLength !== undefined && bodyLength > body.length)
    return { result: "permerror", comment: "l= is longer than the body" };
  if (!body.hash.equals(signature.bodyHash))
    return { result: "fail", comment: `body hash did not verify${test}` };
  const input = signedHeader(headers, signature.fields, signature.headerForm, field);
  if (!(await isSignedWith(key, signature, input)))
    return { result: "fail", comment: `signature did not verify${test}` };
  const partly = bodyLength !== undefined && bodyLength < body.length;
  const comment = `${partly ? `only ${bodyLength} of ${body.length} bytes are signed` : ""}${test}`;
  return { result: "pass", comment: comment === "" ? undefined : comment.replace(/^; /, "") };
}

/** Whether the key made this signature over the text (latin1). */
export async function isSignedWith(key: PublicKey, { value }: SignedBy, text: string): Promise<boolean> {
  const input = Buffer.from(text, "latin1");
  // RFC 8463 §3: Ed25519 signs the hash, not the text.
  const [algorithm, data] =
    key.kind === "rsa"
      ? (["sha256", input] as const)
      : ([null, createHash("sha256").update(input).digest()] as const);
  try {
    return key.isCheap
      ? verifyRaw(algorithm, data, key.key, value)
      : await verifyInPool(algorithm, data, key.key, value);
  } catch {
    // A value of a length no signature of this key can have.
    return false;
  }
}
