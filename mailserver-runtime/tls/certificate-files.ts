/**
 * The certificates of a host as files: `state/certificates/<first name>/` with
 *
 * - `fullchain.pem`: the server's certificate, then those above it;
 * - `privkey.pem`: its key;
 * - `next-privkey.pem`: the key of the certificate that will follow. It is made long before it is used, so
 *   that its TLSA record is in every cache when the certificate changes (RFC 7671 §8.1).
 *
 * `rsa/` below it has the same three files where RSA is declared beside ECDSA.
 *
 * A renewal takes the next key into use by writing the certificate first and the keys after. Killed in
 * between, the certificate's key is still there under its old name, so a reader tries both.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { readIfPresent, writeDurably } from "../config/durable-file.ts";
import { stackFileName } from "../config/stack/objects.ts";
import type { KeyType } from "../settings/certificate-issuer.ts";

/** A certificate with the key that fits it. */
export interface CertificatePair {
  /** PEM, leaf first. */
  readonly chain: string;
  /** PEM. */
  readonly privateKey: string;
  /** PEM; undefined when no successor has been made. */
  readonly nextPrivateKey: string | undefined;
  readonly leaf: X509Certificate;
}

/** A pair that cannot be served; the message names the file and what is wrong. */
export class BrokenCertificate extends Error {
  override name = "BrokenCertificate";
}

/** The folder of the certificate whose first name this is. */
export function certificateFolder(state: string, firstName: string): string {
  return join(state, "certificates", stackFileName(firstName).replace(/\.json$/, ""));
}

/** Where the certificate with an RSA key lies, beside the one with ECDSA. */
export function rsaFolder(folder: string): string {
  return join(folder, "rsa");
}

/** The folder of a certificate's key of this kind. */
export function keyFolder(state: string, firstName: string, type: KeyType): string {
  const folder = certificateFolder(state, firstName);
  return type === "rsa" ? rsaFolder(folder) : folder;
}

/**
 * The pair in a folder, or undefined when there is no certificate.
 *
 * @throws {BrokenCertificate} when it cannot be read or neither key fits
 */
export async function readCertificateFolder(folder: string): Promise<CertificatePair | undefined> {
  const [chain, current, next] = await Promise.all(
    ["fullchain.pem", "privkey.pem", "next-privkey.pem"].map((name) => readIfPresent(join(folder, name))),
  );
  if (chain === undefined) return undefined;
  const leaf = leafOf(chain, join(folder, "fullchain.pem"));
  if (current !== undefined && leaf.checkPrivateKey(keyOf(current, join(folder, "privkey.pem"))))
    return { chain, privateKey: current, nextPrivateKey: next, leaf };
  if (next !== undefined && leaf.checkPrivateKey(keyOf(next, join(folder, "next-privkey.pem"))))
    return { chain, privateKey: next, nextPrivateKey: undefined, leaf };
  throw new BrokenCertificate(
    current === undefined
      ? `${join(folder, "privkey.pem")} is missing`
      : `${join(folder, "privkey.pem")} is not the key of ${join(folder, "fullchain.pem")}`,
  );
}

/** Puts a pair into a folder; safe to be killed at every moment, see above. */
export async function writeCertificateFolder(
  folder: string,
  pair: { readonly chain: string; readonly privateKey: string; readonly nextPrivateKey: string },
): Promise<void> {
  const inPlace = (await readIfPresent(join(folder, "privkey.pem"))) === pair.privateKey;
  if (!inPlace) await writeDurably(join(folder, "next-privkey.pem"), pair.privateKey, 0o600);
  await writeDurably(join(folder, "fullchain.pem"), pair.chain, 0o644);
  if (!inPlace) await writeDurably(join(folder, "privkey.pem"), pair.privateKey, 0o600);
  await writeDurably(join(folder, "next-privkey.pem"), pair.nextPrivateKey, 0o600);
}

/** SHA-256 of the SubjectPublicKeyInfo of a private key's public half, hex: TLSA 3 1 1 (RFC 6698 §2.1). */
export function spkiSha256(privateKeyPem: string): string {
  const spki = createPublicKey(privateKeyPem).export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("hex");
}

/** @throws {BrokenCertificate} */
export function leafOf(chain: string, file: string): X509Certificate {
  try {
    return new X509Certificate(chain);
  } catch (error) {
    throw new BrokenCertificate(`${file} is not a certificate in PEM: ${reason(error)}`);
  }
}

/** @throws {BrokenCertificate} */
export function keyOf(privateKey: string, file: string): KeyObject {
  try {
    return createPrivateKey(privateKey);
  } catch (error) {
    throw new BrokenCertificate(`${file} is not a private key in PEM: ${reason(error)}`);
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
