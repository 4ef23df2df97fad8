/** Domains this host is a backup for (`backup`). */
import { z } from "zod";

/** A domain that this host is a backup for. */
const backupSchema = z.strictObject({
  domain: z.string().min(1).meta({ description: "The domain; its better MX is the primary." }),
  recipients: z.array(z.string()).default([]).meta({
    description:
      "Addresses that are taken; without any, every recipient of the domain is, and the primary's refusals become bounces.",
  }),
  lifetimeSeconds: z
    .int()
    .min(60)
    .default(2_592_000)
    .meta({ description: "How long its mail waits for the primary; 30 days." }),
});

export const backupSettings = z
  .array(backupSchema)
  .default([])
  .meta({ description: "Domains that this host takes mail for while their primary is away (backup MX)." });
