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
  })
  .prefault({});
