/** How the server spreads over the cores (`workers`). */
import { z } from "zod";

export const workersSettings = z
  .strictObject({
    most: z.int().min(0).max(256).default(0).meta({
      description:
        "Processes that serve at most, the first one among them; 0: one a core. More than one run only under load.",
    }),
    least: z.int().min(1).max(256).default(1).meta({
      description:
        "Processes that serve at least, whatever the load: more memory at rest, no wait for a start under load.",
    }),
    idleSeconds: z
      .int()
      .min(1)
      .default(60)
      .meta({ description: "A further process ends when it has had no connection for this long." }),
  })
  .prefault({})
  .meta({ description: "How the server spreads over the cores." });
