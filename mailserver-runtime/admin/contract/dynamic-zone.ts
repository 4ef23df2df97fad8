/** Records of a stack in a zone elsewhere: dynamic updates (RFC 2136) that the host sends. */
import { z } from "zod";
import { domainName } from "./words.ts";

/** Records by owner and type, TTL first: {"example.org MX": ["3600 10 mail.example.org."]}. */
const recordSets = z.record(z.string().regex(/^\S+ [A-Z]+$/), z.array(z.string().regex(/^\d+ .+$/)));

const zone = {
  zone: domainName,
  /** Address or name of the zone's primary. */
  server: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
  /** The TSIG key (RFC 8945). */
  key: z
    .strictObject({
      name: domainName,
      algorithm: z.enum(["hmac-sha256", "hmac-sha384", "hmac-sha512"]),
      secret: z.base64(),
    })
    .optional(),
};

export const dynamicZoneOperations = {
  /** Makes the zone hold these records. What others have there stays; what of it contradicts them is a conflict, and nothing is changed. */
  "dynamic-zone.put": {
    request: z.strictObject({
      ...zone,
      recordSets,
      /** What this stack put there before. */
      previous: recordSets,
      /** Names of record sets of others that become the stack's. */
      adopt: z.array(z.string()),
    }),
    answer: z.strictObject({ changed: z.int() }),
  },
  /** What stands there of these record sets. */
  "dynamic-zone.read": {
    request: z.strictObject({ ...zone, recordSets }),
    answer: z.strictObject({ recordSets }),
  },
  "dynamic-zone.remove": {
    request: z.strictObject({ ...zone, recordSets }),
    answer: z.strictObject({ changed: z.int() }),
  },
} as const;
