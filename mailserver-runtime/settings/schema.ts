/**
 * Every setting of the server: its type, default, DMS variable and one sentence of documentation.
 *
 * Pure: the stack, the command line, the runtime and the reference in docs/ all read this one schema. A
 * settings file is JSON (`config/stack/settings.json`, written by the stack); where a DMS variable is named,
 * the environment supplies the value that the file leaves out. Unknown keys are errors that name the
 * nearest known one.
 */
import { z } from "zod";

export const protocols = [
  "smtp",
  "submission",
  "submissions",
  "lmtp",
  "imap",
  "imaps",
  "pop3",
  "pop3s",
  "managesieve",
  "http",
  "https",
] as const;
/** The protocol a listener speaks; `submissions`, `imaps`, `pop3s` and `https` begin with TLS (RFC 8314). */
export type Protocol = (typeof protocols)[number];

const port = z.int().min(0).max(65535);

/** An IP address or a network: `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`. */
export const networkSchema = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], {
  error: "is no IP address and no network like 192.0.2.0/24",
});

export const listenerSchema = z
  .strictObject({
    protocol: z.enum(protocols).meta({ description: "What the listener speaks." }),
    address: z.string().default("::").meta({ description: "Address to bind; `::` takes IPv4 as well." }),
    port: port.optional().meta({ description: "TCP port; 0 lets the system choose (tests)." }),
    path: z.string().startsWith("/", { error: "is no absolute path" }).max(107).optional().meta({
      description: "Instead of address and port, for `lmtp`: the socket file to listen on.",
    }),
    mode: z
      .string()
      .regex(/^0?[0-7]{3}$/, { error: "is no file mode like 660" })
      .optional()
      .meta({
        description: "Who may connect to the socket file, as a file mode; `660` where none is given.",
      }),
    proxyProtocol: z.array(z.string()).default([]).meta({
      description: "Addresses or networks that must send a PROXY header; nobody else may connect then.",
    }),
  })
  .superRefine((listener, context) => {
    const problem = placeProblem(listener);
    if (problem !== undefined) context.addIssue({ code: "custom", ...problem });
  })
  .transform(({ port: given = 0, ...listener }) => ({ ...listener, port: given }));

/** A listener has a port or a socket file, and what belongs to it; undefined where that is so. */
function placeProblem(listener: {
  readonly protocol: Protocol;
  readonly port?: number | undefined;
  readonly path?: string | undefined;
  readonly mode?: string | undefined;
  readonly proxyProtocol: readonly string[];
}): { readonly path: string[]; readonly message: string } | undefined {
  const { protocol, path, mode, proxyProtocol } = listener;
  if (path === undefined) {
    if (listener.port === undefined) return { path: ["port"], message: "must be given, or a path" };
    return mode === undefined ? undefined : { path: ["mode"], message: "belongs to a path" };
  }
  if (protocol !== "lmtp") return { path: ["path"], message: `is for lmtp; ${protocol} needs a port` };
  if (listener.port) return { path: ["port"], message: "cannot stand beside a path" };
  if (proxyProtocol.length > 0) return { path: ["proxyProtocol"], message: "cannot stand beside a path" };
  return undefined;
}
/** One place where the server listens; with a `path` its port is 0 and means nothing. */
export type Listener = z.infer<typeof listenerSchema>;

/** A domain that this host is a backup for. */
export const backupSchema = z.strictObject({
  domain: z.string().min(1).meta({ description: "The domain; its better MX is the primary." }),
  recipients: z.array(z.string()).default([]).meta({
    description:
      "Addresses that are taken; without any, every recipient of the domain is, and the primary's refusals become bounces.",
  }),
  lifetimeSeconds: z
    .int()
    .min(60)
    .default(2_592_000)
    .meta({ description: "How long its mail waits for the primary; 30 days." }),
});
/** A domain that this host is a backup for. */
export type BackupDomain = z.infer<typeof backupSchema>;

export const copySchema = z.strictObject({
  sender: z.string().optional().meta({
    description: "Copies the mail of this sender, an address or `@domain`.",
  }),
  recipient: z.string().optional().meta({
    description: "Copies the mail to this recipient, an address or `@domain`. Neither: every message.",
  }),
  to: z.string().min(3).meta({ description: "Who gets the copy: an address, here or elsewhere." }),
});
/** A rule that gives somebody a copy (BCC map, journal). */
export type CopyRule = z.infer<typeof copySchema>;

/** One entry of an allow or block list; filter/sender-lists.ts says what it means. */
export const listedSenderSchema = z.union(
  [
    networkSchema,
    z
      .string()
      .max(320)
      .regex(/^(?:[^\s@/]+@|@)?\.?[^\s@/.]+(?:\.[^\s@/.]+)*$/),
  ],
  { error: "is no address, no domain and no network like 192.0.2.0/24" },
);
export const dnsListSchema = z.strictObject({
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
export const filterOverrideSchema = z.strictObject({
  for: z.string().min(1).max(320).meta({ description: "An address or a domain here." }),
  tagScore: z.number().min(-1_000_000).max(1000).optional().meta({ description: "As `filter.tagScore`." }),
  junkScore: threshold.meta({ description: "As `filter.junkScore`." }),
  quarantineScore: threshold.meta({ description: "As `filter.quarantineScore`." }),
  rejectScore: threshold.meta({ description: "As `filter.rejectScore`." }),
  deliverJunk: z.boolean().optional().meta({ description: "As `filter.deliverJunk`." }),
  allow: z.array(listedSenderSchema).default([]).meta({ description: "As `filter.allow`, and before it." }),
  block: z.array(listedSenderSchema).default([]).meta({ description: "As `filter.block`, and before it." }),
});

/** The ports of RFC 5321, 6409, 8314 and 9051, on every address. */
export const standardListeners: readonly Listener[] = [
  { protocol: "smtp", address: "::", port: 25, proxyProtocol: [] },
  { protocol: "submission", address: "::", port: 587, proxyProtocol: [] },
  { protocol: "submissions", address: "::", port: 465, proxyProtocol: [] },
  { protocol: "imap", address: "::", port: 143, proxyProtocol: [] },
  { protocol: "imaps", address: "::", port: 993, proxyProtocol: [] },
];

/** How much one account may send; `submission.accountLimits` has the same without defaults. */
const submissionLimits = {
  messagesPerHour: z.int().min(0).meta({ description: "Messages an hour; 0: no limit." }),
  messagesPerDay: z.int().min(0).meta({ description: "Messages a day; 0: no limit." }),
  recipientsPerHour: z.int().min(0).meta({ description: "Recipients an hour; 0: no limit." }),
  recipientsPerDay: z.int().min(0).meta({ description: "Recipients a day; 0: no limit." }),
  newRecipientsPerDay: z
    .int()
    .min(0)
    .meta({ description: "Recipients a day whom the account has never written to; 0: no limit." }),
  messageBytes: z
    .int()
    .min(0)
    .meta({ description: "Largest message, in bytes; 0: `message.sizeLimit` alone counts." }),
};

export const settingsSchema = z.strictObject({
  hostname: z.string().min(1).meta({
    description: "The server's full name: banner, EHLO, Received, the certificate's first name.",
    dms: "OVERRIDE_HOSTNAME",
  }),
  postmasterAddress: z.string().optional().meta({
    description:
      "Who gets mail to postmaster and abuse where nobody is declared; default postmaster@ the host's domain.",
    dms: "POSTMASTER_ADDRESS",
  }),
  logLevel: z
    .enum(["error", "warn", "info", "debug", "trace"])
    .default("info")
    .meta({ description: "How much the server says.", dms: "LOG_LEVEL" }),
  listeners: z
    .array(listenerSchema)
    .prefault([...standardListeners])
    .meta({ description: "Where the server listens." }),
  tls: z
    .strictObject({
      level: z
        .enum(["modern", "intermediate"])
        .default("modern")
        .meta({ description: "Cipher suites offered.", dms: "TLS_LEVEL" }),
    })
    .prefault({})
    .meta({ description: "Transport security; certificates lie in state/certificates." }),
  message: z
    .strictObject({
      sizeLimit: z.int().min(1024).default(10_240_000).meta({
        description: "Largest message taken, in bytes (SIZE, RFC 1870).",
        dms: "POSTFIX_MESSAGE_SIZE_LIMIT",
      }),
      recipientLimit: z
        .int()
        .min(1)
        .default(1000)
        .meta({ description: "Most recipients of one message (LIMITS RCPTMAX, RFC 9422)." }),
    })
    .prefault({}),
  passwords: z
    .strictObject({
      scheme: z.enum(["SHA512-CRYPT", "SCRAM-SHA-256"]).default("SHA512-CRYPT").meta({
        description:
          "How new passwords are kept. With SCRAM-SHA-256 a client need not send its password; it is offered once every account's password is kept so.",
      }),
    })
    .prefault({}),
  oauth2: z
    .strictObject({
      enabled: z.boolean().default(false).meta({
        description: "Offer OAUTHBEARER and XOAUTH2: logins with an access token.",
        dms: "ENABLE_OAUTH2",
      }),
      introspectionUrl: z
        .url({ protocol: /^https?$/ })
        .optional()
        .meta({
          description:
            "Asked with the token as its bearer: the issuer's userinfo (OpenID Connect) or introspection address.",
          dms: "OAUTH2_INTROSPECTION_URL",
        }),
      jwks: z.string().min(1).optional().meta({
        description:
          "The issuer's public keys (JWKS): an address, or a file on the host. With them tokens that are JWTs are checked here, and nobody is asked.",
      }),
      issuer: z.string().optional().meta({ description: "The only `iss` a JWT may have." }),
      audience: z
        .array(z.string())
        .default([])
        .meta({ description: "A JWT is for one of these (`aud`); none: for anybody." }),
      usernameClaim: z
        .string()
        .min(1)
        .default("email")
        .meta({ description: "Where a token or an answer has the account's address." }),
      timeoutMs: z
        .int()
        .min(100)
        .max(60_000)
        .default(5000)
        .meta({ description: "How long the issuer may take to answer." }),
    })
    .prefault({})
    .meta({ description: "Access tokens as logins (RFC 7628)." }),
  disk: z
    .strictObject({
      reserveBytes: z.int().min(0).default(67_108_864).meta({
        description:
          "Bytes kept free on the volumes of mail and state: below, no new mail is taken (452 4.3.1), and what is there can still be read, flagged and expunged.",
      }),
    })
    .prefault({}),
  mailbox: z
    .strictObject({
      sizeLimit: z.int().min(0).default(0).meta({
        description: "Quota in bytes of accounts without one of their own; 0 is none.",
        dms: "POSTFIX_MAILBOX_SIZE_LIMIT",
      }),
      quotas: z.boolean().default(true).meta({
        description: "Whether quotas are held, told to clients and warned of at 80, 95 and 100 %.",
        dms: "ENABLE_QUOTAS",
      }),
      domainSizeLimits: z.record(z.string(), z.int().min(1)).default({}).meta({
        description: "Bytes that the accounts of a domain may use together, by domain.",
      }),
    })
    .prefault({}),
  submission: z
    .strictObject({
      spoofProtection: z.boolean().default(true).meta({
        description: "A sender may use only addresses that are theirs: account, alias, master user.",
        dms: "SPOOF_PROTECTION",
      }),
      hostedDomains: z.enum(["direct", "mx"]).default("direct").meta({
        description:
          "Where submitted mail for another hosted domain goes: into the store, or through queue and MX as on the internet.",
      }),
      limits: z
        .strictObject({
          messagesPerHour: submissionLimits.messagesPerHour.default(2000),
          messagesPerDay: submissionLimits.messagesPerDay.default(5000),
          recipientsPerHour: submissionLimits.recipientsPerHour.default(3000),
          recipientsPerDay: submissionLimits.recipientsPerDay.default(10_000),
          newRecipientsPerDay: submissionLimits.newRecipientsPerDay.default(1000),
          messageBytes: submissionLimits.messageBytes.default(0),
        })
        .prefault({})
        .meta({ description: "What one account may send; what goes beyond is held and postmaster is told." }),
      accountLimits: z.record(z.string(), z.strictObject(submissionLimits).partial()).default({}).meta({
        description: "Other limits for single accounts: by address, with the names of `submission.limits`.",
      }),
      futureReleaseSeconds: z.int().min(0).max(999_999_999).default(2_592_000).meta({
        description:
          "Longest time a message may be held at its sender's wish (FUTURERELEASE, RFC 4865); 0: not offered.",
      }),
      permitDocker: z
        .enum(["none", "container", "host", "network", "connected-networks"])
        .default("none")
        .meta({
          description:
            "Networks whose clients may relay without a login, as in docker-mailserver; anything but `none` is named as a problem.",
          dms: "PERMIT_DOCKER",
        }),
      requireSignature: z.boolean().default(false).meta({
        description:
          "Refuse outgoing mail of a hosted domain that has no DKIM key instead of sending it unsigned.",
      }),
    })
    .prefault({}),
  dns: z
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
          port: port.meta({ description: "Its port." }),
        })
        .optional()
        .meta({ description: "Serve the zone files of config/zones here (the local target)." }),
    })
    .prefault({}),
  delivery: z
    .strictObject({
      port: port.default(25).meta({
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
    .prefault({}),
  routing: z
    .strictObject({
      recipientDelimiter: z.string().max(8).default("+").meta({
        description:
          "Characters that begin the detail of an address (`ann+lists@`); empty: there are no details.",
      }),
    })
    .prefault({}),
  relay: z
    .strictObject({
      host: z.string().optional().meta({
        description:
          "Relay of the mail of all hosted domains that postfix-relaymap.cf has no line for: a host, or `[host]`.",
        dms: "RELAY_HOST",
      }),
      port: port.default(25).meta({ description: "Port of `relay.host`.", dms: "RELAY_PORT" }),
      user: z.string().optional().meta({ description: "Login at `relay.host`.", dms: "RELAY_USER" }),
      password: z.string().optional().meta({
        description: "Its password. A stack declares relays with their secrets as resources instead.",
        dms: "RELAY_PASSWORD",
      }),
      tls: z.enum(["opportunistic", "starttls", "implicit"]).optional().meta({
        description:
          "TLS of `relay.host` and `relay.defaultHost`; default: `implicit` at port 465, `starttls` (required, certificate checked) with a login, else `opportunistic`.",
      }),
      defaultHost: z.string().optional().meta({
        description:
          "Relay of all mail that no other rule speaks of: `[host]:port`, or `host:port` whose MX is asked for first.",
        dms: "DEFAULT_RELAY_HOST",
      }),
    })
    .prefault({})
    .meta({ description: "Relay hosts of docker-mailserver's variables; a stack declares `relays`." }),
  srs: z
    .strictObject({
      enabled: z.boolean().default(true).meta({
        description:
          "Rewrite the reverse-path of what is forwarded to other hosts (SRS). Unlike in docker-mailserver it is on unless it is switched off.",
        dms: "ENABLE_SRS",
      }),
      domain: z.string().optional().meta({
        description: "Domain of rewritten senders; default the host's own domain.",
        dms: "SRS_DOMAINNAME",
      }),
      secrets: z.array(z.string().min(1)).default([]).meta({
        description: "The first signs, all verify; default a secret made at the first start.",
        dms: "SRS_SECRET",
      }),
      excludeDomains: z.array(z.string()).default([]).meta({
        description: "Sender domains that are never rewritten; `.example.org` means its subdomains.",
        dms: "SRS_EXCLUDE_DOMAINS",
      }),
    })
    .prefault({}),
  backup: z
    .array(backupSchema)
    .default([])
    .meta({ description: "Domains that this host takes mail for while their primary is away (backup MX)." }),
  copies: z
    .array(copySchema)
    .default([])
    .meta({ description: "Who gets a copy of which mail, unseen by sender and recipients (BCC, journal)." }),
  reports: z
    .strictObject({
      tls: z.boolean().default(true).meta({
        description: "Tell domains that ask for it how TLS with their hosts went, daily (TLS-RPT, RFC 8460).",
      }),
      dmarc: z.boolean().default(true).meta({
        description:
          "Tell domains that ask for it who sent mail in their name, and whether it was theirs, daily (DMARC aggregate reports, RFC 9990).",
      }),
      addresses: z.array(z.string()).default([]).meta({
        description:
          "Addresses here at which reports about our own domains come in: the `rua` of their DMARC and TLS-RPT records. What comes there is delivered as all mail, and read for `mailkeep reports`.",
      }),
    })
    .prefault({})
    .meta({ description: "Reports to other domains, and from them." }),
  filter: z
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
          description:
            "Lists in the DNS (RFC 5782); each is asked only while its own test entries are right.",
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
    }),
  greylist: z
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
    }),
  quarantine: z
    .strictObject({
      days: z.int().min(1).max(3650).default(7).meta({
        description: "How long a message is kept there.",
        dms: "VIRUSMAILS_DELETE_DELAY",
      }),
      maxBytes: z
        .int()
        .min(1)
        .default(1024 ** 3)
        .meta({
          description: "What all of it may take; beyond it spam for the quarantine is put off (452).",
        }),
      maxMessages: z.int().min(1).default(10_000).meta({ description: "The same in messages." }),
    })
    .prefault({})
    .meta({ description: "What is kept from its recipients until somebody looks: `mailkeep quarantine`." }),
  workers: z
    .strictObject({
      most: z.int().min(0).max(256).default(0).meta({
        description:
          "Processes that serve at most, the first one among them; 0: one a core. More than one run only under load.",
      }),
      least: z.int().min(1).max(256).default(1).meta({
        description:
          "Processes that serve at least, whatever the load: more memory at rest, no wait for a start under load.",
      }),
      idleSeconds: z
        .int()
        .min(1)
        .default(60)
        .meta({ description: "A further process ends when it has had no connection for this long." }),
    })
    .prefault({})
    .meta({ description: "How the server spreads over the cores." }),
  web: z
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
    }),
  greeting: z
    .strictObject({
      delayMs: z
        .int()
        .min(0)
        .max(60_000)
        .default(0)
        .meta({ description: "How long the MX banner waits to see whether a client talks first." }),
    })
    .prefault({}),
  ban: z
    .strictObject({
      enabled: z.boolean().default(true).meta({
        description: "Refuse connections from addresses that offend too often.",
        dms: "ENABLE_FAIL2BAN",
      }),
      blockType: z.enum(["drop", "reject"]).default("drop").meta({
        description: "How: end the connection without a word, or reset it.",
        dms: "FAIL2BAN_BLOCKTYPE",
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
      longestBanSeconds: z
        .int()
        .min(1)
        .default(15_552_000)
        .meta({ description: "No ban grows beyond this." }),
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
    .meta({ description: "Self-defence; fail2ban-jail.cf is laid over these." }),
});

/** All settings, with defaults filled in. */
export type Settings = z.infer<typeof settingsSchema>;
/** What a settings file may hold: everything optional that has a default. */
export type SettingsInput = z.input<typeof settingsSchema>;
