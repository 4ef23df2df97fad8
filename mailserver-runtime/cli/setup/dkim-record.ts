/** A DKIM key pair and its DNS record (RFC 6376 §3.6.1, RFC 8463 §4). */
import { createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";

const makePair = promisify(generateKeyPair);

export interface DkimPair {
  /** PEM, PKCS#8. */
  readonly privateKey: string;
  /** The record's p=. */
  readonly publicText: string;
}

export async function makeDkimPair(keytype: "rsa" | "ed25519", keysize: number): Promise<DkimPair> {
  const { privateKey } =
    keytype === "rsa" ? await makePair("rsa", { modulusLength: keysize }) : await makePair("ed25519");
  return {
    privateKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicText: publicText(createPublicKey(privateKey)),
  };
}

/** One TXT record in a zone file's form, in strings of at most 255 bytes (RFC 1035 §3.3.14). */
export function zoneRecord(selector: string, domain: string, tags: string, publicKey: string): string {
  const strings = publicKey.match(/.{1,240}/g) ?? [];
  const parts = [`"${tags}p=${strings[0] ?? ""}"`, ...strings.slice(1).map((text) => `"${text}"`)];
  return `${selector}._domainkey IN TXT ( ${parts.join("\n\t")} ) ; ----- DKIM key ${selector} for ${domain}\n`;
}

function publicText(key: KeyObject): string {
  const spki = key.export({ type: "spki", format: "der" });
  return (key.asymmetricKeyType === "ed25519" ? spki.subarray(-32) : spki).toString("base64");
}
