/** Who gets a copy of which mail (`copies`). */
import { z } from "zod";

/** A rule that gives somebody a copy (BCC map, journal). */
const copySchema = z.strictObject({
  sender: z.string().optional().meta({
    description: "Copies the mail of this sender, an address or `@domain`.",
  }),
  recipient: z.string().optional().meta({
    description: "Copies the mail to this recipient, an address or `@domain`. Neither: every message.",
  }),
  to: z.string().min(3).meta({ description: "Who gets the copy: an address, here or elsewhere." }),
});

export const copiesSettings = z
  .array(copySchema)
  .default([])
  .meta({ description: "Who gets a copy of which mail, unseen by sender and recipients (BCC, journal)." });
