/**
 * The public keys that verify a domain's signatures (RFC 6376 §3.6.1, Ed25519 by RFC 8463): the one in use and the next
 * one, so that the host can switch without a DNS change.
 */
import { createPublicKey } from "node:crypto";
import { characterStrings, under } from "../../../mailserver-runtime/dns/records.ts";
import { type DkimPublicKey, PlanError } from "../plan-types.ts";
import { type Finding, leftOut, nameField, planned, type Rule, warning } from "./rule.ts";

/** Verifiers must refuse shorter keys (RFC 8301 §3.2). */
const MIN_RSA_BITS = 1024;
const GOOD_RSA_BITS = 2048;
const ED25519_OCTETS = 32;

const ROLE_REASON: Readonly<Record<DkimPublicKey["role"], string>> = {
  current: "signs its mail now",
  next: "will sign its mail after the next rotation",
  retired: "has signed mail that may still be under way",
  revoked: "is revoked, and will be another one's in its turn",
};

export const signingKeys: Rule = function* ({ domains, ttl }) {
  for (const domain of domains) {
    const keys = domain.dkim ?? [];
    if (keys.length === 0)
      yield leftOut(`*._domainkey.${domain.name} TXT`, `${domain.name} has no DKIM key yet`);
    const selectors = new Set<string>();
    for (const [index, key] of keys.entries()) {
      const field = `${domain.field}.dkim[${index}]`;
      const selector = nameField(key.selector, `${field}.selector`);
      if (selectors.has(selector))
        throw new PlanError(
          "dkim-key",
          field,
          `the selector "${selector}" stands twice at ${domain.name}; each key has its own`,
        );
      selectors.add(selector);
      const { value, notes } = keyValue(key, field);
      yield* notes;
      yield planned(
        {
          type: "TXT",
          name: under(`${selector}._domainkey`, domain.name),
          ttl,
          strings: characterStrings(`v=DKIM1; k=${key.algorithm}; p=${value}`),
        },
        `The ${key.algorithm === "rsa" ? "RSA" : "Ed25519"} key "${selector}" of ${domain.name} ${ROLE_REASON[key.role]}.`,
        domain.name,
      );
    }
  }
};

/** The p= value: what the record of this key holds, checked to be such a key. */
function keyValue(key: DkimPublicKey, field: string): { value: string; notes: Finding[] } {
  // An empty p= says so itself (RFC 6376 §3.6.1).
  if (key.role === "revoked") return { value: "", notes: [] };
  const base64 = key.publicKey.replace(/-----[A-Z ]+-----/g, "").replace(/\s+/g, "");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw notAKey(key, field);
  const octets = Buffer.from(base64, "base64");
  if (key.algorithm === "ed25519" && octets.length === ED25519_OCTETS)
    return { value: octets.toString("base64"), notes: [] };
  const parsed = readSpki(octets);
  if (parsed === undefined || parsed.asymmetricKeyType !== key.algorithm) throw notAKey(key, field);
  if (key.algorithm === "ed25519")
    return { value: octets.subarray(octets.length - ED25519_OCTETS).toString("base64"), notes: [] };
  const bits = parsed.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < MIN_RSA_BITS)
    throw new PlanError(
      "dkim-key",
      field,
      `the RSA key has ${bits} bits; verifiers refuse fewer than ${MIN_RSA_BITS} (RFC 8301)`,
    );
  const notes =
    bits < GOOD_RSA_BITS
      ? [warning(`${field}: the RSA key has ${bits} bits; make one of ${GOOD_RSA_BITS}.`)]
      : [];
  return { value: octets.toString("base64"), notes };
}

function readSpki(octets: Buffer) {
  try {
    return createPublicKey({ key: octets, format: "der", type: "spki" });
  } catch {
    return undefined;
  }
}

function notAKey(key: DkimPublicKey, field: string): PlanError {
  const wanted =
    key.algorithm === "rsa" ? "the base64 of its SubjectPublicKeyInfo" : "the base64 of its 32 octets";
  return new PlanError("dkim-key", field, `the public key is not an ${key.algorithm} key; give ${wanted}`);
}
