/** How mail leaves: pace, schedule, TLS (`delivery`). */
import { z } from "zod";
import { portSchema } from "../port.ts";

export const deliverySettings = z
  .strictObject({
    port: portSchema.default(25).meta({
      description:
        "Port of the MX hosts mail is delivered to; only a closed test network has another than 25.",
    }),
    addresses: z
      .array(z.string())
      .default([])
      .meta({ description: "Local addresses to send from; empty: the system's choice." }),
    ipv6: z.enum(["auto", "always", "never"]).default("auto").meta({
      description:
        "Send over IPv6: `auto` where the host name's AAAA and the address's PTR record confirm each other.",
    }),
    connections: z.int().min(1).max(100).default(20).meta({
      description:
        "Connections at most to one recipient domain, and to one organisation behind many domains' MX hosts.",
    }),
    messagesPerHour: z.int().min(0).max(10_000_000).default(0).meta({
      description: "Messages at most within an hour to one domain or organisation; 0: no ceiling.",
    }),
    destinations: z
      .record(
        z.string().toLowerCase().min(1).max(255),
        z.strictObject({
          connections: z.int().min(1).max(100).optional(),
          messagesPerHour: z.int().min(0).max(10_000_000).optional(),
        }),
      )
      .default({})
      .meta({
        description:
          'Other ceilings by recipient domain, relay host or organisation of MX hosts: `{"google.com": {"connections": 5, "messagesPerHour": 500}}`.',
      }),
    warmUp: z
      .strictObject({
        messagesPerDay: z.int().min(0).max(10_000_000).default(0).meta({
          description:
            "Messages that an organisation gets at most on the first day it hears of this server; 0: no warm-up.",
        }),
        growth: z.number().min(1).max(10).default(1.5).meta({
          description: "How much more it gets each day.",
        }),
        days: z.int().min(1).max(365).default(30).meta({
          description: "After so many days there is no ceiling any more.",
        }),
        relay: z
          .string()
          .regex(/^\[?[^\s[\]]+\]?(:\d{1,5})?$/, { error: "is no relay like [smtp.example.org]:587" })
          .optional()
          .meta({
            description:
              "Relay that takes what is above the ceiling: the name of a declared one, or `[smtp.example.org]:587`; without one it waits in the queue.",
          }),
      })
      .prefault({}),
    retrySeconds: z
      .array(z.int().min(1))
      .default([300, 900, 1800, 3600, 7200, 14400])
      .meta({ description: "Waits between attempts; the last one repeats (RFC 5321 §4.5.4.1)." }),
    lifetimeSeconds: z
      .int()
      .min(60)
      .default(432_000)
      .meta({ description: "After this long a message goes back to its sender." }),
    warnAfterSeconds: z
      .int()
      .min(0)
      .default(14_400)
      .meta({ description: "A delay is reported to the sender once after this long; 0: never." }),
    tls: z
      .strictObject({
        mtaSts: z.boolean().default(true).meta({
          description: "Keep the MTA-STS policies of destinations (RFC 8461).",
          dms: "ENABLE_MTA_STS",
        }),
        dane: z.boolean().default(true).meta({
          description:
            "Keep the TLSA records of destinations (DANE, RFC 7672); needs a validating resolver, see `dns.authenticData`.",
        }),
        authorities: z.string().optional().meta({
          description:
            "File with certificates (PEM) of authorities that MX and MTA-STS hosts are trusted by, beside the usual ones; for closed networks. Read at start.",
        }),
      })
      .prefault({})
      .meta({ description: "What is asked of the TLS of hosts that mail goes to." }),
  })
  .prefault({});
