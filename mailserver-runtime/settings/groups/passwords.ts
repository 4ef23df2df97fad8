/** How passwords are kept (`passwords`). */
import { z } from "zod";

export const passwordsSettings = z
  .strictObject({
    scheme: z.enum(["SHA512-CRYPT", "SCRAM-SHA-256"]).default("SHA512-CRYPT").meta({
      description:
        "How new passwords are kept. With SCRAM-SHA-256 a client need not send its password; it is offered once every account's password is kept so.",
    }),
  })
  .prefault({});
