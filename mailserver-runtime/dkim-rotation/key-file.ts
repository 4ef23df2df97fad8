/**
 * A declared DKIM key (RFC 6376, RFC 8463) as a file: `state/dkim/<domain>/<selector>.pem`, made on the host; only the public
 * half is ever told. A key that exists is used again, so that a record that is published stays true.
 */
import { createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { dkimKeyFile } from "../config/dkim-keys.ts";
import { readIfPresent, writeDurably } from "../config/durable-file.ts";
import { dkimName } from "../config/stack/objects.ts";
import type { DkimAlgorithm } from "../settings/dkim-selectors.ts";

/** A key file that cannot be used as declared; the message names it and the way out. */
export class UnusableDkimKey extends Error {
  override name = "UnusableDkimKey";
}

export interface DkimPublic {
  /** The record's p=: SubjectPublicKeyInfo for RSA (RFC 6376 §3.6.1), the bare 32 bytes for Ed25519 (RFC 8463 §4). */
  readonly publicKey: string;
  /** As the key is, whatever was declared. */
  readonly algorithm: string;
}

/**
 * The key of a selector, made when it is missing.
 *
 * @throws {UnusableDkimKey} when the file is no key, or one of another kind
 */
export async function ensureDkimKey(
  state: string,
  domain: string,
  selector: string,
  algorithm: DkimAlgorithm,
): Promise<DkimPublic & { readonly created: boolean }> {
  const found = await readDkimKey(state, domain, selector);
  if (found !== undefined && found.algorithm !== algorithm)
    throw new UnusableDkimKey(
      `the key of ${dkimName(domain, selector)} is ${found.algorithm}, not ${algorithm}: a selector's key never changes while its record may be in caches (RFC 6376 §3.1); choose a new selector`,
    );
  if (found !== undefined) return { ...found, created: false };
  return { ...(await renewDkimKey(state, domain, selector, algorithm)), created: true };
}

/** A new key for a selector that is revoked, in the place of the old one. */
export async function renewDkimKey(
  state: string,
  domain: string,
  selector: string,
  algorithm: DkimAlgorithm,
): Promise<DkimPublic> {
  const { privateKey } = await makers[algorithm]();
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  await writeDurably(dkimKeyFile(state, domain, selector), pem, 0o600);
  return { publicKey: publicText(createPublicKey(privateKey)), algorithm };
}

/** The key of a selector; undefined where there is none. @throws {UnusableDkimKey} */
export async function readDkimKey(
  state: string,
  domain: string,
  selector: string,
): Promise<DkimPublic | undefined> {
  const file = dkimKeyFile(state, domain, selector);
  const pem = await readIfPresent(file);
  if (pem === undefined) return undefined;
  const key = publicKeyOf(pem, file);
  return { publicKey: publicText(key), algorithm: algorithmOf(key) };
}

const makePair = promisify(generateKeyPair);

const makers: Readonly<Record<DkimAlgorithm, () => Promise<{ readonly privateKey: KeyObject }>>> = {
  "rsa-2048": () => makePair("rsa", { modulusLength: 2048 }),
  "rsa-4096": () => makePair("rsa", { modulusLength: 4096 }),
  ed25519: () => makePair("ed25519"),
};

function publicKeyOf(privateKeyPem: string, file: string): KeyObject {
  try {
    return createPublicKey(privateKeyPem);
  } catch (error) {
    throw new UnusableDkimKey(
      `${file} is not a private key in PEM (${error instanceof Error ? error.message : String(error)}); put the key back from a backup, or move the file away and declare a new selector`,
    );
  }
}

function algorithmOf(key: KeyObject): string {
  return key.asymmetricKeyType === "rsa"
    ? `rsa-${key.asymmetricKeyDetails?.modulusLength}`
    : (key.asymmetricKeyType ?? "unknown");
}

function publicText(key: KeyObject): string {
  const spki = key.export({ type: "spki", format: "der" });
  return (key.asymmetricKeyType === "ed25519" ? spki.subarray(-32) : spki).toString("base64");
}
