/** How addresses are read (`routing`). */
import { z } from "zod";

export const routingSettings = z
  .strictObject({
    recipientDelimiter: z.string().max(8).default("+").meta({
      description:
        "Characters that begin the detail of an address (`ann+lists@`); empty: there are no details.",
    }),
  })
  .prefault({});
