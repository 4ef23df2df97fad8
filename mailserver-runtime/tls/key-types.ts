/** The kinds of keys that certificates have: how one is made, and which kind a key is. */
import { generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import type { KeyType } from "../settings/certificate-issuer.ts";
import { makePrivateKey } from "./x509.ts";

const makePair = promisify(generateKeyPair);

const makers: Readonly<Record<KeyType, () => Promise<string>>> = {
  ecdsa: makePrivateKey,
  async rsa() {
    const { privateKey } = await makePair("rsa", { modulusLength: 2048 });
    return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  },
};

/** A new private key, PKCS#8 PEM. */
export function makeKeyOf(type: KeyType): Promise<string> {
  return makers[type]();
}

/** What OpenSSL chooses by: one certificate of each kind can be served at a time. */
export function kindOf(key: KeyObject): string {
  return key.asymmetricKeyType ?? "unknown";
}
