/** What is made of the filter's findings (`filter`). */
import { z } from "zod";
import { networkSchema } from "../network.ts";

/** One entry of an allow or block list; filter/sender-lists.ts says what it means. */
const listedSenderSchema = z.union(
  [
    networkSchema,
    z
      .string()
      .max(320)
      .regex(/^(?:[^\s@/]+@|@)?\.?[^\s@/.]+(?:\.[^\s@/.]+)*$/),
  ],
  { error: "is no address, no domain and no network like 192.0.2.0/24" },
);
const dnsListSchema = z.strictObject({
  zone: z.string().min(1).max(200).meta({ description: "The zone that is asked." }),
  of: z.enum(["addresses", "domains"]).default("addresses").meta({ description: "What it lists." }),
  score: z
    .number()
    .min(-100)
    .max(100)
    .meta({ description: "What being listed weighs; below 0 for lists of trust." }),
});
/** Free of charge for small servers and known for few mistakes; each is left out where it does not answer as it should. */
const standardDnsLists: readonly z.infer<typeof dnsListSchema>[] = [
  { zone: "zen.spamhaus.org", of: "addresses", score: 4 },
  { zone: "bl.mailspike.net", of: "addresses", score: 2 },
  { zone: "psbl.surriel.com", of: "addresses", score: 2 },
  { zone: "list.dnswl.org", of: "addresses", score: -2 },
  { zone: "dbl.spamhaus.org", of: "domains", score: 4 },
];
const threshold = z.number().min(0.1).max(1000).optional();
const filterOverrideSchema = z.strictObject({
  for: z.string().min(1).max(320).meta({ description: "An address or a domain here." }),
  tagScore: z.number().min(-1_000_000).max(1000).optional().meta({ description: "As `filter.tagScore`." }),
  junkScore: threshold.meta({ description: "As `filter.junkScore`." }),
  quarantineScore: threshold.meta({ description: "As `filter.quarantineScore`." }),
  rejectScore: threshold.meta({ description: "As `filter.rejectScore`." }),
  deliverJunk: z.boolean().optional().meta({ description: "As `filter.deliverJunk`." }),
  allow: z.array(listedSenderSchema).default([]).meta({ description: "As `filter.allow`, and before it." }),
  block: z.array(listedSenderSchema).default([]).meta({ description: "As `filter.block`, and before it." }),
});

export const filterSettings = z
  .strictObject({
    tagScore: z.number().min(-1_000_000).max(1000).optional().meta({
      description: "Score from which the X-Spam fields are written; without it they always are.",
      dms: "SA_TAG",
    }),
    junkScore: z.number().min(0.1).max(1000).default(6).meta({
      description: "Score from which a message goes to Junk.",
      dms: "SA_TAG2",
    }),
    rejectScore: z.number().min(0.1).max(1000).default(11).meta({
      description: "Score from which a message is refused (550 5.7.1).",
      dms: "SA_KILL",
    }),
    quarantineScore: z.number().min(0.1).max(1000).optional().meta({
      description:
        "Score from which a message is kept in the quarantine instead of its recipients' Junk; without it none is by its score.",
    }),
    deliverJunk: z.boolean().default(true).meta({
      description: "Deliver what reaches `filter.junkScore`; false: refuse it.",
      dms: "SPAMASSASSIN_SPAM_TO_INBOX",
    }),
    moveToJunk: z.boolean().default(true).meta({
      description: "Deliver spam to the Junk folder; false: to INBOX, with its X-Spam fields.",
      dms: "MOVE_SPAM_TO_JUNK",
    }),
    markAsRead: z.boolean().default(false).meta({
      description: "Deliver spam as already read.",
      dms: "MARK_SPAM_AS_READ",
    }),
    subjectPrefix: z.string().max(100).default("").meta({
      description:
        "What stands before the subject of spam. Where the recipients of one message have different policies, its subject stays as it is.",
      dms: "SPAM_SUBJECT",
    }),
    allow: z.array(listedSenderSchema).default([]).meta({
      description:
        "Senders whose score does not count: addresses, domains (`.example.org`: with subdomains) whose mail is authentic (DMARC, DKIM or SPF), and clients' networks.",
    }),
    block: z
      .array(listedSenderSchema)
      .default([])
      .meta({ description: "Senders that are refused: addresses, domains and clients' networks." }),
    askDnsLists: z.boolean().default(false).meta({
      description: "Ask `filter.dnsLists`; a list only scores.",
      dms: "ENABLE_DNSBL",
    }),
    dnsLists: z
      .array(dnsListSchema)
      .default([...standardDnsLists])
      .meta({
        description: "Lists in the DNS (RFC 5782); each is asked only while its own test entries are right.",
      }),
    learn: z.boolean().default(true).meta({
      description: "Learn from what people move to Junk and out of it, or mark as `$Junk` and `$NotJunk`.",
      dms: "RSPAMD_LEARN",
    }),
    overrides: z
      .array(filterOverrideSchema)
      .default([])
      .meta({ description: "What is different for a domain or an address." }),
  })
  .prefault({})
  .meta({
    description: "What is made of the filter's findings; the defaults are rspamd's in docker-mailserver.",
  });
