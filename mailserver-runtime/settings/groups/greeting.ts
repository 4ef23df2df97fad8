/** The banner (`greeting`). */
import { z } from "zod";

export const greetingSettings = z
  .strictObject({
    delayMs: z
      .int()
      .min(0)
      .max(60_000)
      .default(0)
      .meta({ description: "How long the MX banner waits to see whether a client talks first." }),
    confirmedName: z.boolean().default(false).meta({
      description:
        "Refuse clients at the MX for now (450 4.7.25) whose address has no name that its own addresses confirm; silence of the DNS refuses nobody.",
      dms: "POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME",
    }),
  })
  .prefault({});
