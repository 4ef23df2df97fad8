/** Quotas of accounts and domains (`mailbox`). */
import { z } from "zod";

export const mailboxSettings = z
  .strictObject({
    sizeLimit: z.int().min(0).default(0).meta({
      description: "Quota in bytes of accounts without one of their own; 0 is none.",
      dms: "POSTFIX_MAILBOX_SIZE_LIMIT",
    }),
    quotas: z.boolean().default(true).meta({
      description: "Whether quotas are held, told to clients and warned of at 80, 95 and 100 %.",
      dms: "ENABLE_QUOTAS",
    }),
    domainSizeLimits: z.record(z.string(), z.int().min(1)).default({}).meta({
      description: "Bytes that the accounts of a domain may use together, by domain.",
    }),
  })
  .prefault({});
