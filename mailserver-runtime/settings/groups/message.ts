/** What a message may be (`message`). */
import { z } from "zod";

export const messageSettings = z
  .strictObject({
    sizeLimit: z.int().min(1024).default(10_240_000).meta({
      description: "Largest message taken, in bytes (SIZE, RFC 1870).",
      dms: "POSTFIX_MESSAGE_SIZE_LIMIT",
    }),
    recipientLimit: z
      .int()
      .min(1)
      .default(1000)
      .meta({ description: "Most recipients of one message (LIMITS RCPTMAX, RFC 9422)." }),
  })
  .prefault({});
