/** A signer's public key: its record in the DNS (RFC 6376 §3.6.1, RFC 8463 §4), read once and kept as a key object. */
import { createPublicKey, type KeyObject } from "node:crypto";
import type { ResolveOptions, Resolver } from "../../dns/resolver.ts";
import { parseTagList, unspaced } from "../tag-list.ts";
import type { SignedBy } from "./signature.ts";

export interface PublicKey {
  readonly key: KeyObject;
  readonly kind: "rsa" | "ed25519";
  /** Bits of an RSA modulus. */
  readonly bits: number;
  /** Verifying takes so little that it is done at once, without the thread pool. */
  readonly isCheap: boolean;
  /** t=y: the signer is testing. */
  readonly isTest: boolean;
  /** t=s: i= must be the very domain. */
  readonly isExact: boolean;
}
/** No key: the signer is to be asked again, or never. */
export interface NoKey {
  readonly result: "temperror" | "permerror";
  readonly reason: string;
}

/** RFC 8301 §3.2; the upper bound keeps a hostile key from costing more than a message. */
const MIN_RSA_BITS = 1024;
const MAX_RSA_BITS = 8192;
const MAX_KEPT = 2000;
const kept = new Map<string, PublicKey | NoKey>();

/** Looks the key of a signature up. */
export async function publicKeyOf(
  resolver: Resolver,
  { algorithm, domain, selector }: SignedBy,
  options?: ResolveOptions,
): Promise<PublicKey | NoKey> {
  const name = `${selector}._domainkey.${domain}`;
  const answer = await resolver.resolve(name, "TXT", options);
  if (answer.status === "tempfail") return { result: "temperror", reason: "the key could not be asked for" };
  if (answer.status !== "ok") return { result: "permerror", reason: `no key at ${name}` };
  // §3.6.2.2 leaves several records undefined: the first that is a key counts.
  const keys = answer.records.map(({ strings }) => keyIn(strings.join("")));
  const found = keys.find((key) => "key" in key) ?? keys[0]!;
  if ("key" in found && found.kind !== (algorithm === "rsa-sha256" ? "rsa" : "ed25519"))
    return { result: "permerror", reason: `the key at ${name} is not for ${algorithm}` };
  return found;
}

/** The key of a record's text. */
function keyIn(text: string): PublicKey | NoKey {
  const known = kept.get(text);
  if (known !== undefined) return known;
  const key = readKey(text);
  if (kept.size >= MAX_KEPT) kept.clear();
  kept.set(text, key);
  return key;
}

function readKey(text: string): PublicKey | NoKey {
  const bad = (reason: string): NoKey => ({ result: "permerror", reason });
  const tags = parseTagList(text);
  if (tags === undefined) return bad("the key record has a tag twice");
  const version = tags.get("v");
  if (version !== undefined && (version !== "DKIM1" || [...tags.keys()][0] !== "v"))
    return bad("the key record's version is not known");
  const data = tags.get("p");
  if (data === undefined) return bad("the record holds no key");
  if (data === "") return bad("the key has been revoked");
  const words = (name: string) =>
    tags
      .get(name)
      ?.split(":")
      .map((word) => word.trim().toLowerCase());
  if (words("h")?.includes("sha256") === false) return bad("the key is not for SHA-256");
  if (words("s")?.some((word) => word === "*" || word === "email") === false)
    return bad("the key is not for mail");
  const kind = (tags.get("k") ?? "rsa").toLowerCase();
  if (kind !== "rsa" && kind !== "ed25519") return bad("the key's type is not known");
  const flags = words("t") ?? [];
  const bytes = Buffer.from(unspaced(data), "base64");
  const key = kind === "rsa" ? rsaKey(bytes) : ed25519Key(bytes);
  if (key === undefined) return bad("the key cannot be read");
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (kind === "rsa" && modulusLength < MIN_RSA_BITS) return bad(`the key has only ${modulusLength} bits`);
  if (modulusLength > MAX_RSA_BITS) return bad(`the key has ${modulusLength} bits`);
  return {
    key,
    kind,
    bits: modulusLength,
    isCheap: kind === "ed25519" || (modulusLength <= 2048 && publicExponent <= 0xffff_ffffn),
    isTest: flags.includes("y"),
    isExact: flags.includes("s"),
  };
}

/** SubjectPublicKeyInfo as everybody writes it, or the bare RSAPublicKey of the RFC's own words. */
function rsaKey(der: Buffer): KeyObject | undefined {
  for (const type of ["spki", "pkcs1"] as const) {
    try {
      const key = createPublicKey({ key: der, format: "der", type });
      return key.asymmetricKeyType === "rsa" ? key : undefined;
    } catch {
      // The other form is tried, then it is no key.
    }
  }
  return undefined;
}
const ed25519Header = Buffer.from("302a300506032b6570032100", "hex");
function ed25519Key(raw: Buffer): KeyObject | undefined {
  const der = raw.length === 32 ? Buffer.concat([ed25519Header, raw]) : raw;
  try {
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    return key.asymmetricKeyType === "ed25519" ? key : undefined;
  } catch {
    return undefined;
  }
}
