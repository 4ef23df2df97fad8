/** Who is kept out. */
import { z } from "zod";
import { networkSchema } from "../../settings/schema.ts";

export const banOperations = {
  /** Who is banned, and what each jail has counted since the start. */
  "ban.list": {
    request: z.strictObject({}),
    answer: z.strictObject({
      enabled: z.boolean(),
      /** By nftables and at accept, or at accept alone, and why. */
      enforcement: z.union([
        z.strictObject({ by: z.literal("nftables"), table: z.string() }),
        z.strictObject({ by: z.literal("accept"), because: z.string() }),
      ]),
      jails: z.array(
        z.strictObject({
          name: z.string(),
          /** Clients whose offences count now; all offences and all bans since the start. */
          counted: z.int(),
          offences: z.int(),
          bansSet: z.int(),
          /** Bans in force. */
          banned: z.int(),
        }),
      ),
      /** Bans in force, at most the first ten thousand. */
      bans: z.array(
        z.strictObject({
          network: z.string(),
          jail: z.string(),
          reason: z.string(),
          /** ISO 8601; no `until`: it never ends. */
          since: z.string(),
          until: z.string().optional(),
          times: z.int(),
          /** The host that told of it, where it was another. */
          from: z.string().optional(),
        }),
      ),
      /** Who offended enough and was not banned all the same, and why. */
      withheld: z.array(z.strictObject({ network: z.string(), reason: z.string() })),
    }),
  },
  /** Bans an address or a network by hand, 180 days when nothing else is said; on disk when it is answered. */
  "ban.add": {
    request: z.strictObject({
      network: networkSchema,
      seconds: z.int().min(1).max(3_155_760_000).optional(),
      reason: z.string().max(500).optional(),
    }),
    answer: z.strictObject({ network: z.string(), added: z.boolean() }),
  },
  /** Ends the bans of an address or a network and of everything in it; answers with the jail of each. */
  "ban.remove": {
    request: z.strictObject({ network: networkSchema }),
    answer: z.strictObject({ removed: z.array(z.strictObject({ network: z.string(), jail: z.string() })) }),
  },
} as const;
