/** Hosted domains and their zones. */
import { z } from "zod";
import { domainName, owner } from "./words.ts";

export const domainOperations = {
  "domain.put": {
    request: z.strictObject({ domain: domainName, owner }),
    answer: z.strictObject({ domain: domainName, created: z.boolean() }),
  },
  "domain.read": {
    request: z.strictObject({ domain: domainName }),
    answer: z.strictObject({ exists: z.boolean(), owner: owner.optional() }),
  },
  "domain.remove": {
    request: z.strictObject({ domain: domainName, owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
  /** Writes config/zones/<origin>.zone; the serial is made to grow here when the text differs. */
  "zone.put": {
    request: z.strictObject({ origin: domainName, text: z.string(), owner }),
    answer: z.strictObject({ serial: z.int(), changed: z.boolean() }),
  },
  "zone.read": {
    request: z.strictObject({ origin: domainName }),
    answer: z.strictObject({ exists: z.boolean(), text: z.string().optional(), owner: owner.optional() }),
  },
  "zone.remove": {
    request: z.strictObject({ origin: domainName, owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
} as const;
