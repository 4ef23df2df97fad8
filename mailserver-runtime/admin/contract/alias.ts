/** Aliases. */
import { z } from "zod";
import { owner } from "./words.ts";

export const aliasOperations = {
  "alias.put": {
    request: z.strictObject({
      address: z.string().min(2).max(320),
      targets: z.array(z.string().min(1)).min(1),
      owner,
    }),
    answer: z.strictObject({ created: z.boolean() }),
  },
  "alias.read": {
    request: z.strictObject({ address: z.string().min(2) }),
    answer: z.strictObject({ exists: z.boolean(), targets: z.array(z.string()), owner: owner.optional() }),
  },
  "alias.remove": {
    request: z.strictObject({ address: z.string().min(2), owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
} as const;
