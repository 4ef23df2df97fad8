/**
 * DKIM keys (RFC 6376, RFC 8463): made on the host, kept in `state/dkim/<domain>/<selector>.pem`; only the
 * public half is ever answered. A key that exists is used again, so that a record that is published stays
 * true; a remove stops the signing and leaves the key.
 */
import { createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { mailDomain } from "../config/address.ts";
import { dkimKeyFile } from "../config/dkim-keys.ts";
import { readIfPresent, writeDurably } from "../config/durable-file.ts";
import { readStackObject, removeStackObject, writeStackObject } from "../config/stack/files.ts";
import { dkimName, type StackObject } from "../config/stack/objects.ts";
import { OperationError, type Performers } from "./context.ts";

type Algorithm = StackObject<"dkim">["algorithm"];

export const dkimOperations: Performers<"dkim.put" | "dkim.read" | "dkim.remove"> = {
  "dkim.put": {
    effect: "changes",
    async perform({ domain: text, selector, algorithm, active, owner }, { directories }) {
      const domain = mailDomain(text);
      const file = dkimKeyFile(directories.state, domain, selector);
      let key = await readIfPresent(file);
      const created = key === undefined;
      if (key === undefined) {
        key = await makeKey(algorithm);
        await writeDurably(file, key, 0o600);
      }
      const found = algorithmOf(publicKeyOf(key, file));
      if (found !== algorithm)
        throw new OperationError(
          "conflict",
          `the key of ${dkimName(domain, selector)} is ${found}, not ${algorithm}: a selector's key never changes while its record may be in caches (RFC 6376 §3.1); choose a new selector`,
        );
      await writeStackObject(directories.config, "dkim", { domain, selector, algorithm, active, owner });
      return { publicKey: publicText(publicKeyOf(key, file)), created };
    },
  },
  "dkim.read": {
    effect: "reads",
    async perform({ domain: text, selector }, { directories }) {
      const domain = mailDomain(text);
      const object = await readStackObject(directories.config, "dkim", dkimName(domain, selector));
      const file = dkimKeyFile(directories.state, domain, selector);
      const key = await readIfPresent(file);
      if (object === undefined || key === undefined) return { exists: false };
      const publicKey = publicKeyOf(key, file);
      return {
        exists: true,
        publicKey: publicText(publicKey),
        algorithm: algorithmOf(publicKey),
        active: object.active,
        owner: object.owner,
      };
    },
  },
  "dkim.remove": {
    effect: "changes",
    async perform({ domain: text, selector, owner }, { directories }) {
      const name = dkimName(mailDomain(text), selector);
      const object = await readStackObject(directories.config, "dkim", name);
      if (object?.owner !== owner) return { removed: false };
      return { removed: await removeStackObject(directories.config, "dkim", name) };
    },
  },
};

const makePair = promisify(generateKeyPair);

const makers: Readonly<Record<Algorithm, () => Promise<{ readonly privateKey: KeyObject }>>> = {
  "rsa-2048": () => makePair("rsa", { modulusLength: 2048 }),
  "rsa-4096": () => makePair("rsa", { modulusLength: 4096 }),
  ed25519: () => makePair("ed25519"),
};

async function makeKey(algorithm: Algorithm): Promise<string> {
  const { privateKey } = await makers[algorithm]();
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

function publicKeyOf(privateKeyPem: string, file: string): KeyObject {
  try {
    return createPublicKey(privateKeyPem);
  } catch (error) {
    throw new OperationError(
      "conflict",
      `${file} is not a private key in PEM (${error instanceof Error ? error.message : String(error)}); put the key back from a backup, or move the file away and declare a new selector`,
    );
  }
}

function algorithmOf(key: KeyObject): string {
  return key.asymmetricKeyType === "rsa"
    ? `rsa-${key.asymmetricKeyDetails?.modulusLength}`
    : (key.asymmetricKeyType ?? "unknown");
}

/** The record's p=: SubjectPublicKeyInfo for RSA (RFC 6376 §3.6.1), the bare 32 bytes for Ed25519 (RFC 8463 §4). */
function publicText(key: KeyObject): string {
  const spki = key.export({ type: "spki", format: "der" });
  return (key.asymmetricKeyType === "ed25519" ? spki.subarray(-32) : spki).toString("base64");
}
