/** What a DKIM-Signature or an ARC-Message-Signature says (RFC 6376 §3.5, RFC 8617 §4.1.2), and whether it may say so. Pure. */
import { isDomainName } from "../../dns/records.ts";
import { parseTagList, unspaced } from "../tag-list.ts";

export type Algorithm = "rsa-sha256" | "ed25519-sha256";
export type Canonicalization = "simple" | "relaxed";

/** Who signed with which key: what a signature and a seal have in common. */
export interface SignedBy {
  readonly algorithm: Algorithm;
  readonly domain: string;
  readonly selector: string;
  readonly value: Buffer;
}
export interface Signature extends SignedBy {
  readonly headerForm: Canonicalization;
  readonly bodyForm: Canonicalization;
  readonly bodyHash: Buffer;
  /** Names of the signed fields, lower case, in the order in which they are taken. */
  readonly fields: readonly string[];
  /** Bytes of the canonical body that are signed; undefined is all. */
  readonly bodyLength: number | undefined;
  /** i=: on whose behalf. */
  readonly identity: string;
}
/** A signature that cannot be verified, whatever its key is. */
export interface Unusable {
  readonly unusable: string;
  readonly domain: string | undefined;
  readonly selector: string | undefined;
}

/** Seconds by which a clock may be behind the signer's. */
const CLOCK_SKEW = 300;

/** Reads a DKIM-Signature's value; `now` in seconds. */
export function parseSignature(text: string, now: number): Signature | Unusable {
  const tags = parseTagList(text);
  const domain = tags?.get("d")?.toLowerCase();
  const selector = tags?.get("s")?.toLowerCase();
  const unusable = (reason: string): Unusable => ({ unusable: reason, domain, selector });
  if (tags === undefined) return unusable("a tag stands twice");
  if (tags.get("v") !== "1") return unusable("v= is not 1");
  const by = signedBy(tags);
  if (typeof by === "string") return unusable(by);
  const identity = (tags.get("i") ?? `@${by.domain}`).trim();
  const identityDomain = identity.slice(identity.lastIndexOf("@") + 1).toLowerCase();
  if (!identity.includes("@") || (identityDomain !== by.domain && !identityDomain.endsWith(`.${by.domain}`)))
    return unusable("i= is not within d=");
  const rest = signedParts(tags, now);
  return typeof rest === "string" ? unusable(rest) : { ...by, ...rest, identity };
}

/** a=, d=, s= and b=, or what is wrong with them. */
export function signedBy(tags: ReadonlyMap<string, string>): SignedBy | string {
  const algorithm = tags.get("a")?.toLowerCase();
  const domain = tags.get("d")?.toLowerCase();
  const selector = tags.get("s")?.toLowerCase();
  const value = tags.get("b");
  if (!algorithm || !domain || !selector || !value) return "a required tag is absent";
  // RFC 8301 §3.1: SHA-1 says nothing any more.
  if (algorithm !== "rsa-sha256" && algorithm !== "ed25519-sha256")
    return `algorithm ${algorithm.slice(0, 40)} is not accepted`;
  if (!isDomainName(`${selector}._domainkey.${domain}`)) return "d= or s= is no domain name";
  return { algorithm, domain, selector, value: Buffer.from(unspaced(value), "base64") };
}

/** What is signed and how: the tags that a seal does not have. */
export function signedParts(
  tags: ReadonlyMap<string, string>,
  now: number,
): Omit<Signature, keyof SignedBy | "identity"> | string {
  const bodyHash = tags.get("bh");
  const names = tags.get("h");
  if (!bodyHash || !names) return "a required tag is absent";
  const fields = names.split(":").map((name) => name.trim().toLowerCase());
  if (!fields.includes("from")) return "From is not signed";
  const [headerForm = "simple", bodyForm = "simple"] = (tags.get("c") ?? "simple/simple")
    .toLowerCase()
    .split("/");
  if (!isForm(headerForm) || !isForm(bodyForm)) return "c= is not known";
  const methods = tags.get("q");
  if (
    methods !== undefined &&
    !methods.split(":").some((method) => method.trim().toLowerCase() === "dns/txt")
  )
    return "q= is not known";
  const signedAt = numberIn(tags.get("t"));
  const expires = numberIn(tags.get("x"));
  const bodyLength = numberIn(tags.get("l"));
  if (signedAt === "bad" || expires === "bad" || bodyLength === "bad") return "a number is none";
  if (expires !== undefined && expires < now) return "the signature has expired";
  if (expires !== undefined && signedAt !== undefined && expires < signedAt) return "x= lies before t=";
  if (signedAt !== undefined && signedAt > now + CLOCK_SKEW) return "t= lies in the future";
  return {
    headerForm,
    bodyForm,
    bodyHash: Buffer.from(unspaced(bodyHash), "base64"),
    fields,
    bodyLength,
  };
}

function isForm(text: string): text is Canonicalization {
  return text === "simple" || text === "relaxed";
}
function numberIn(text: string | undefined): number | "bad" | undefined {
  if (text === undefined) return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : "bad";
}
