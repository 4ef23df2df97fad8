/** Whom the server asks, and what it believes (`dns`). */
import { z } from "zod";
import { portSchema } from "../port.ts";

export const dnsSettings = z
  .strictObject({
    servers: z
      .array(z.string())
      .default([])
      .meta({ description: "Name servers as address or address:port; empty: those of /etc/resolv.conf." }),
    authenticData: z.enum(["loopback", "always", "never"]).default("loopback").meta({
      description:
        "Whether to believe the servers' word that an answer is signed (the AD bit), on which DANE rests: when all are on the loopback (Docker's 127.0.0.11 does not count), always (they validate, and the way to them is safe), or never. Read at start.",
    }),
    authoritative: z
      .strictObject({
        address: z
          .string()
          .default("127.0.0.1")
          .meta({ description: "Address the name server answers on, UDP and TCP." }),
        port: portSchema.meta({ description: "Its port." }),
      })
      .optional()
      .meta({ description: "Serve the zone files of config/zones here (the local target)." }),
  })
  .prefault({});
