/** Keys that mail is signed with (DKIM). */
import { z } from "zod";
import { domainName, owner } from "./words.ts";

const selector = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/);

export const dkimOperations = {
  /** Makes the key pair when it is missing; only the public part is ever answered. */
  "dkim.put": {
    request: z.strictObject({
      domain: domainName,
      selector,
      algorithm: z.enum(["rsa-2048", "rsa-4096", "ed25519"]),
      active: z.boolean(),
      owner,
    }),
    answer: z.strictObject({
      /** base64: SubjectPublicKeyInfo for RSA, the raw 32 bytes for Ed25519 (RFC 8463). */
      publicKey: z.string(),
      created: z.boolean(),
    }),
  },
  "dkim.read": {
    request: z.strictObject({ domain: domainName, selector }),
    answer: z.strictObject({
      exists: z.boolean(),
      publicKey: z.string().optional(),
      algorithm: z.string().optional(),
      active: z.boolean().optional(),
      owner: owner.optional(),
    }),
  },
  /** Stops signing with the key; its file stays (mail under way must stay verifiable and a key may be declared again). */
  "dkim.remove": {
    request: z.strictObject({ domain: domainName, selector, owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
} as const;
