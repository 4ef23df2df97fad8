/** Keys that mail is signed with (DKIM). */
import { z } from "zod";
import { domainName, owner } from "./words.ts";

const selector = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/);

const algorithm = z.enum(["rsa-2048", "rsa-4096", "ed25519"]);
/** One RSA key and one Ed25519 key at most: more say nothing that these do not. */
const algorithms = z
  .array(algorithm)
  .min(1)
  .refine((list) => new Set(list.map((one) => one.split("-")[0])).size === list.length, {
    error: "has one RSA and one Ed25519 key at most",
  });
const role = z.enum(["current", "next", "retired", "revoked"]);
const ringKey = z.strictObject({
  selector: z.string(),
  role,
  algorithm: z.string(),
  /** The record's p=; empty where it is revoked. */
  publicKey: z.string(),
});

export const dkimOperations = {
  /**
   * A domain's keys as one thing that rotates: for each algorithm one that signs, one that follows, and a third
   * selector that is revoked; made where they are missing. `first` names the first two.
   */
  "dkim.ring.put": {
    request: z.strictObject({
      domain: domainName,
      algorithms,
      first: z.strictObject({ current: selector, next: selector }).optional(),
      owner,
    }),
    answer: z.strictObject({ keys: z.array(ringKey), outlook: z.string() }),
  },
  "dkim.ring.read": {
    request: z.strictObject({ domain: domainName }),
    answer: z.strictObject({
      exists: z.boolean(),
      algorithms: z.array(algorithm),
      keys: z.array(ringKey),
      /** What comes next in a rotation, and when; a clause. */
      outlook: z.string().optional(),
      owner: owner.optional(),
    }),
  },
  /** Ends signing with all of them; the files stay. */
  "dkim.ring.remove": {
    request: z.strictObject({ domain: domainName, owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
  /** Which keys each domain has, what they do, and how far a rotation is. */
  "dkim.status": {
    request: z.strictObject({ domain: domainName.optional() }),
    answer: z.strictObject({
      domains: z.array(
        z.strictObject({
          domain: z.string(),
          keys: z.array(
            z.strictObject({
              selector: z.string(),
              role,
              algorithm: z.string().optional(),
              publicKey: z.string().optional(),
              /** The file that declares it, of a key kept by hand. */
              place: z.string().optional(),
            }),
          ),
          phase: z.enum(["idle", "publishing", "seen", "retiring"]).optional(),
          /** ISO 8601. */
          due: z.string().optional(),
          outlook: z.string().optional(),
        }),
      ),
      lines: z.array(z.string()),
    }),
  },
  /** Begins a rotation of a domain's keys, or does its next phase where that is due: one at most. */
  "dkim.rotate": {
    request: z.strictObject({ domain: domainName }),
    answer: z.strictObject({ changed: z.boolean(), lines: z.array(z.string()) }),
  },
  /** Does what is due in the rotations under way, one phase a domain at most; the lines are of those that went on. */
  "dkim.advance": {
    request: z.strictObject({}),
    answer: z.strictObject({ lines: z.array(z.string()) }),
  },
  /** Makes the key pair when it is missing; only the public part is ever answered. */
  "dkim.put": {
    request: z.strictObject({
      domain: domainName,
      selector,
      algorithm,
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
