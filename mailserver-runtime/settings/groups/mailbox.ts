/** Quotas of accounts and domains (`mailbox`). */
import { z } from "zod";

const expiryRule = z.strictObject({
  mailbox: z.string().min(1).max(1000),
  days: z.int().min(1).max(36_500),
  for: z.string().min(1).max(320).optional(),
});

export const mailboxSettings = z
  .strictObject({
    sizeLimit: z.int().min(0).default(0).meta({
      description: "Quota in bytes of accounts without one of their own; 0 is none.",
      dms: "POSTFIX_MAILBOX_SIZE_LIMIT",
    }),
    quotas: z.boolean().default(true).meta({
      description: "Whether quotas are held, told to clients and warned of at 80, 95 and 100 %.",
      dms: "ENABLE_QUOTAS",
    }),
    gracePercent: z.int().min(0).max(100).default(10).meta({
      description:
        "So much of its quota the last message may exceed it by: mail is taken while the mailbox is below its quota (Dovecot's grace). For mail that arrives, not for what a client stores.",
    }),
    whenFull: z.enum(["refuse", "defer"]).default("refuse").meta({
      description:
        "Mail for a full mailbox: refused for good (552 5.2.2), as docker-mailserver does, or put off (452 4.2.2), so that senders try again for days.",
    }),
    domainSizeLimits: z.record(z.string(), z.int().min(1)).default({}).meta({
      description: "Bytes that the accounts of a domain may use together, by domain.",
    }),
    groups: z
      .record(z.string().regex(/^[^\s"\\]{1,100}$/), z.array(z.string().toLowerCase()))
      .default({})
      .meta({
        description:
          'Groups that access control lists of shared folders may name: addresses by name, `{"sales": ["anna@example.org"]}` for `SETACL Orders $sales lr`.',
      }),
    expiry: z.array(expiryRule).default([]).meta({
      description:
        "When messages of a mailbox expire: a list of `{mailbox, days, for}`, in which `mailbox` is a name, one that ends with `/*` for all below it, or a use like `\\Trash`; `days` count from when a message came into the mailbox, and `for` is an address or a domain. docker-mailserver has Dovecot's `autoexpunge` for it.",
    }),
    undelete: z
      .strictObject({
        days: z.int().min(0).max(3650).default(0).meta({
          description:
            "Days for which expunged messages and deleted mailboxes can be brought back (`mailbox undelete`); 0: they are gone at once.",
        }),
        bytes: z.int().min(0).default(1_073_741_824).meta({
          description:
            "Bytes that what is kept of one account may take, beside its quota; the oldest goes first.",
        }),
      })
      .prefault({})
      .meta({ description: "What was expunged, kept outside all mailboxes for a while." }),
  })
  .prefault({});
