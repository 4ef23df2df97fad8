/** Who is asked to come again (`greylist`). */
import { z } from "zod";

export const greylistSettings = z
  .strictObject({
    all: z.boolean().default(false).meta({
      description: "Ask everybody who writes to somebody for the first time to come again (450 at RCPT).",
      dms: "ENABLE_POSTGREY",
    }),
    suspicious: z.boolean().default(false).meta({
      description: "Ask so only who sends what reaches `greylist.score` (451 at the end of the message).",
      dms: "RSPAMD_GREYLISTING",
    }),
    score: z.number().min(-1000).max(1000).default(4).meta({ description: "See `greylist.suspicious`." }),
    delaySeconds: z.int().min(1).max(86_400).default(300).meta({
      description: "How soon a sender may come again.",
      dms: "POSTGREY_DELAY",
    }),
    maxAgeDays: z.int().min(1).max(3650).default(35).meta({
      description: "How long a sender is known after his last message.",
      dms: "POSTGREY_MAX_AGE",
    }),
    autoAllowAfter: z.int().min(0).max(10_000).default(5).meta({
      description:
        "A network, or a domain that SPF passes for, waits no more after it came again so often, counted once an hour; 0: it always waits.",
      dms: "POSTGREY_AUTO_WHITELIST_CLIENTS",
    }),
    text: z.string().max(200).default("Delayed by Postgrey").meta({
      description: "What a client hears at RCPT.",
      dms: "POSTGREY_TEXT",
    }),
  })
  .prefault({})
  .meta({
    description:
      "Greylisting, off by default; `whitelist_clients.local` and `whitelist_recipients` exempt, and are read at a start and at a reload.",
  });
