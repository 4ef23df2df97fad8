/** The settings that a stack declares. */
import { z } from "zod";
import { settingsSchema } from "../../settings/schema.ts";
import { owner } from "./words.ts";

export const settingsOperations = {
  /** Writes config/stack/settings.json and puts it into force. Answers with what needs a restart, if anything. */
  "settings.put": {
    request: z.strictObject({ settings: settingsSchema, owner }),
    answer: z.strictObject({ restartNeeded: z.array(z.string()) }),
  },
  "settings.read": {
    request: z.strictObject({}),
    answer: z.strictObject({ settings: settingsSchema.optional(), owner: owner.optional() }),
  },
  "settings.remove": { request: z.strictObject({ owner }), answer: z.strictObject({ removed: z.boolean() }) },
} as const;
