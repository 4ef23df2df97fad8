/** What is kept from its recipients until somebody looks (`quarantine`). */
import { z } from "zod";

export const quarantineSettings = z
  .strictObject({
    days: z.int().min(1).max(3650).default(7).meta({
      description: "How long a message is kept there.",
      dms: "VIRUSMAILS_DELETE_DELAY",
    }),
    maxBytes: z
      .int()
      .min(1)
      .default(1024 ** 3)
      .meta({
        description: "What all of it may take; beyond it spam for the quarantine is put off (452).",
      }),
    maxMessages: z.int().min(1).default(10_000).meta({ description: "The same in messages." }),
  })
  .prefault({})
  .meta({ description: "What is kept from its recipients until somebody looks: `mailkeep quarantine`." });
