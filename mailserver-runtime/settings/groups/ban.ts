/** Self-defence (`ban`). */
import { z } from "zod";
import { networkSchema } from "../network.ts";

export const banSettings = z
  .strictObject({
    enabled: z.boolean().default(true).meta({
      description: "Refuse connections from addresses that offend too often.",
      dms: "ENABLE_FAIL2BAN",
    }),
    blockType: z.enum(["drop", "reject"]).default("drop").meta({
      description: "How: end the connection without a word, or reset it.",
      dms: "FAIL2BAN_BLOCKTYPE",
    }),
    nftables: z.enum(["auto", "never"]).default("auto").meta({
      description:
        "Keep banned clients out by nftables as well, where `nft` is installed and the server may use it (NET_ADMIN); bans are enforced at accept in any case. Read at start.",
    }),
    offencesLog: z.boolean().default(true).meta({
      description:
        "Write each offence into offences.log beside mail.log, in the words of Postfix and Dovecot, for a fail2ban on the host. Read at start.",
    }),
    sharedDirectory: z.string().startsWith("/", { error: "is no absolute path" }).optional().meta({
      description:
        "Directory that several mail hosts see, by which they tell each other whom they ban; each writes a file of its own there. Read at start.",
    }),
    maxRetry: z
      .int()
      .min(1)
      .default(6)
      .meta({ description: "Offences within `ban.findSeconds` that ban; smaller ones count in part." }),
    findSeconds: z.int().min(1).default(604_800).meta({ description: "How long an offence counts." }),
    banSeconds: z.int().min(1).default(604_800).meta({ description: "How long a first ban lasts." }),
    growth: z
      .int()
      .min(1)
      .max(100)
      .default(2)
      .meta({ description: "Each further ban lasts so many times as long as the one before." }),
    longestBanSeconds: z.int().min(1).default(15_552_000).meta({ description: "No ban grows beyond this." }),
    networkAfter: z.int().min(0).default(0).meta({
      description:
        "So many banned clients of one IPv4 /24 or IPv6 /48 ban that whole network; 0: never. One client is an IPv4 address or an IPv6 /64.",
    }),
    neverBanned: z.array(networkSchema).default(["127.0.0.0/8", "::1"]).meta({
      description: "Addresses and networks that are never banned: monitors, relays, the office.",
    }),
    slowDownAfter: z.int().min(0).default(20).meta({
      description:
        "Failed logins to one account from strange addresses within ten minutes after which such attempts take turns; 0: never.",
    }),
  })
  .prefault({})
  .meta({ description: "Self-defence; fail2ban-jail.cf is laid over these." });
