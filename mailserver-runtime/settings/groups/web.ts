/** What `http` and `https` listeners answer (`web`). */
import { z } from "zod";
import { networkSchema } from "../network.ts";

export const webSettings = z
  .strictObject({
    behindProxy: z.boolean().default(false).meta({
      description:
        "A proxy in front of the `http` listener has ended the TLS; without one, profiles with settings are given by HTTPS only.",
    }),
    metricsFrom: z
      .array(networkSchema)
      .default(["127.0.0.0/8", "::1"])
      .meta({ description: "Who may read `/metrics`: addresses and networks." }),
    mtaSts: z
      .record(
        z.string().toLowerCase(),
        z
          .string()
          .max(65_536)
          .regex(/^version: *STSv1 *\r?\n/, { error: "does not begin with `version: STSv1`" }),
      )
      .default({})
      .meta({
        description:
          "The MTA-STS policy of each domain as text (RFC 8461 §3.2), served at `https://mta-sts.<domain>/.well-known/mta-sts.txt`.",
      }),
  })
  .prefault({})
  .meta({
    description: "What `http` and `https` listeners answer: ACME, MTA-STS, settings for mail clients.",
  });
