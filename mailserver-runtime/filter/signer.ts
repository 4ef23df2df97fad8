/** Signs what this host sends: one DKIM-Signature for each active key of the author's domain (RFC 6376). */
import { createPrivateKey, type KeyObject } from "node:crypto";
import type { DkimKey, Snapshot } from "../config/snapshot.ts";
import type { Log } from "../net/log.ts";
import { dkimSignatures, type SigningKey } from "./dkim/sign.ts";
import type { Signer } from "./pipeline.ts";

/**
 * A signer over the keys of the current snapshot; a key that cannot be read is logged and left out. `onUnsigned` hears of a
 * domain here whose mail no key could sign.
 */
export function createSigner(
  snapshot: () => Snapshot,
  log: Log,
  onUnsigned: (domain: string) => void = () => {},
): Signer {
  // Parsing a PEM costs more than an Ed25519 signature; a key lives as long as its snapshot entry.
  const parsed = new WeakMap<DkimKey, Promise<KeyObject>>();
  function keyObject(key: DkimKey): Promise<KeyObject> {
    let found = parsed.get(key);
    if (!found) {
      found = key.privateKey().then((pem) => createPrivateKey(pem));
      parsed.set(key, found);
    }
    return found;
  }
  async function usable(key: DkimKey): Promise<SigningKey[]> {
    try {
      const privateKey = await keyObject(key);
      // OpenDKIM's tables and rspamd's files do not say what kind of key it is; the key does.
      const algorithm = privateKey.asymmetricKeyType === "ed25519" ? "ed25519-sha256" : "rsa-sha256";
      return [{ ...key, algorithm, privateKey }];
    } catch (error) {
      parsed.delete(key);
      const reason = error instanceof Error ? error.message : String(error);
      log.error({ event: "signing-key-unusable", domain: key.domain, selector: key.selector, reason });
      return [];
    }
  }
  return {
    async sign(domain, prefix, content) {
      const now = snapshot();
      const active = now.dkimKeys(domain).filter((key) => key.active);
      const keys = (await Promise.all(active.map(usable))).flat();
      if (keys.length === 0) {
        const hosted = now.domain(domain);
        if (hosted !== undefined) onUnsigned(hosted.name);
        return Buffer.alloc(0);
      }
      return Buffer.from(await dkimSignatures(keys, prefix, content, new Date()), "latin1");
    },
  };
}
