/** Room that is kept free (`disk`). */
import { z } from "zod";

export const diskSettings = z
  .strictObject({
    reserveBytes: z.int().min(0).default(67_108_864).meta({
      description:
        "Bytes kept free on the volumes of mail and state: below, no new mail is taken (452 4.3.1), and what is there can still be read, flagged and expunged.",
    }),
  })
  .prefault({});
