/** What others report about our domains. */
import { z } from "zod";
import { domainName } from "./words.ts";

export const reportsOperations = {
  /**
   * What others have reported about our domains in the last days (DMARC aggregate reports, TLS reports), the most telling
   * rows first; `lines` are the same for a person to read.
   */
  reports: {
    request: z.strictObject({
      domain: domainName.optional(),
      days: z.int().min(1).max(3650).default(30),
    }),
    answer: z.strictObject({
      reports: z.int(),
      /** Without a good signature: nobody stands behind them. */
      unverified: z.int(),
      dmarc: z.array(
        z.strictObject({
          domain: z.string(),
          /** The address that sent in the domain's name. */
          source: z.string(),
          messages: z.number(),
          passed: z.number(),
          quarantined: z.number(),
          rejected: z.number(),
          reporters: z.array(z.string()),
        }),
      ),
      tls: z.array(
        z.strictObject({
          domain: z.string(),
          reporter: z.string(),
          policy: z.string(),
          successful: z.number(),
          failed: z.number(),
          failures: z.array(z.string()),
        }),
      ),
      lines: z.array(z.string()),
    }),
  },
} as const;
