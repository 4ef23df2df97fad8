/**
 * What one may ask of a mail host, typed for both sides. Pure (zod only): the provider and the command line
 * build requests, the runtime answers them.
 *
 * A request is one JSON line, its answer another. It reaches the running server by its local socket, or,
 * where no server runs, `mailserver-runtime/cli/main.ts admin` performs the same operation on the same
 * files: the text files are the truth and a running server only reads them again. Every operation is
 * idempotent. `owner` is the URN of the declaring resource: a put takes an existing object over, a remove
 * does nothing where the owner written on the object is another (Pulumi creates before it deletes when a
 * resource moves). Secrets travel only in requests; no answer carries a password, hash or private key.
 */
import { z } from "zod";
import { certificateIssuerSchema } from "../settings/certificate-issuer.ts";
import { networkSchema, settingsSchema } from "../settings/schema.ts";

const address = z.string().min(3).max(320);
const domainName = z.string().min(1).max(255);
const owner = z.string().max(2048);
const selector = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/);

const relayName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
const relayHost = {
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
  tls: z.enum(["implicit", "starttls", "opportunistic"]),
  lookupMx: z.boolean(),
  username: z.string().min(1).max(512).optional(),
};
/** Whose mail a relay takes; all of it where every list is empty. */
const relayMatch = z.strictObject({
  recipientDomains: z.array(domainName),
  senders: z.array(address),
  senderDomains: z.array(domainName),
});

const queueId = z.string().min(1).max(100);
const queueEntry = z.strictObject({
  id: z.string(),
  from: z.string(),
  recipients: z.array(
    z.strictObject({ address: z.string(), status: z.string(), lastReply: z.string().optional() }),
  ),
  size: z.number(),
  /** Milliseconds since the epoch, as `nextAttemptAt`. */
  queuedAt: z.number(),
  nextAttemptAt: z.number(),
  attempts: z.int(),
  held: z.boolean(),
  /** Why it was held as it came. */
  heldBecause: z.string().optional(),
  /** Why it is not tried at the moment: a ceiling, or a receiver that asked for less. */
  waitsFor: z.string().optional(),
  /** The account that submitted it. */
  account: z.string().optional(),
});
/** Messages that any of these names. */
const queueSelection = z.strictObject({
  ids: z.array(queueId).optional(),
  /** Reverse-paths; "" is the null reverse-path. */
  senders: z.array(z.string().max(1000)).optional(),
  recipients: z.array(z.string().max(1000)).optional(),
  recipientDomains: z.array(z.string().max(255)).optional(),
  /** Every message. */
  all: z.boolean().optional(),
});
const queueAction = {
  request: z.strictObject({ select: queueSelection }),
  /** Messages to which something was done. */
  answer: z.strictObject({ count: z.int() }),
};

const quarantineId = z.string().min(1).max(100);
const quarantined = z.strictObject({
  id: z.string(),
  receivedAt: z.string(),
  expires: z.string(),
  from: z.string(),
  recipients: z.array(
    z.strictObject({ kind: z.enum(["account", "forward"]), address: z.string(), original: z.string() }),
  ),
  smtpUtf8: z.boolean().optional(),
  body: z.enum(["7BIT", "8BITMIME"]).optional(),
  client: z.string(),
  helo: z.string(),
  subject: z.string(),
  reason: z.string(),
  score: z.number(),
  findings: z.array(
    z.strictObject({ check: z.string(), symbol: z.string(), score: z.number(), reason: z.string() }),
  ),
  size: z.number(),
});
const quarantineSelection = z.strictObject({ ids: z.array(quarantineId).min(1).max(100_000) });
/** How far an order by ACME is; with the host's own authority it is `issued` at once. */
const acmeProgress = {
  issued: z.boolean().optional(),
  /** When it is ordered next, ISO 8601. */
  nextOrder: z.string().optional(),
  /** Why the last order failed. */
  lastError: z.string().optional(),
};

const mailboxExamination = {
  request: z.strictObject({ address }),
  answer: z.strictObject({
    address: z.string(),
    /** What counts, and the limit; 0 is none. */
    bytes: z.number(),
    messages: z.int(),
    quotaBytes: z.number(),
    mailboxes: z.array(
      z.strictObject({
        name: z.string(),
        messages: z.int(),
        unseen: z.int(),
        bytes: z.number(),
        uidValidity: z.int(),
        uidNext: z.int(),
        highestModSeq: z.int(),
        index: z.enum(["current", "stale", "damaged", "absent", "in-use"]),
      }),
    ),
    problems: z.array(
      z.strictObject({ mailbox: z.string(), file: z.string().optional(), reason: z.string() }),
    ),
  }),
};

/** The operations: request and answer of each, in one table. */
export const operations = {
  /** Who runs here, what it serves and what is wrong in its files. */
  status: {
    request: z.strictObject({}),
    answer: z.strictObject({
      running: z.boolean(),
      version: z.string(),
      /** Made once per data directory; tells one host from another. */
      machineId: z.string(),
      pid: z.int().optional(),
      startedAt: z.string().optional(),
      listeners: z.array(z.strictObject({ protocol: z.string(), address: z.string(), port: z.int() })),
      accounts: z.int(),
      problems: z.array(z.strictObject({ file: z.string(), line: z.int(), reason: z.string() })),
    }),
  },
  /** Writes config/stack/settings.json and puts it into force. Answers with what needs a restart, if anything. */
  "settings.put": {
    request: z.strictObject({ settings: settingsSchema, owner }),
    answer: z.strictObject({ restartNeeded: z.array(z.string()) }),
  },
  "settings.read": {
    request: z.strictObject({}),
    answer: z.strictObject({ settings: settingsSchema.optional(), owner: owner.optional() }),
  },
  "settings.remove": { request: z.strictObject({ owner }), answer: z.strictObject({ removed: z.boolean() }) },
  "domain.put": {
    request: z.strictObject({ domain: domainName, owner }),
    answer: z.strictObject({ domain: domainName, created: z.boolean() }),
  },
  "domain.read": {
    request: z.strictObject({ domain: domainName }),
    answer: z.strictObject({ exists: z.boolean(), owner: owner.optional() }),
  },
  "domain.remove": {
    request: z.strictObject({ domain: domainName, owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
  /**
   * Declares a mailbox. `password` with policy "initial" is set only when the account has none (a later change by its
   * user stays); "enforced" sets it whenever it does not match. `passwordHash` is written as it is.
   */
  "mailbox.put": {
    request: z.strictObject({
      address,
      owner,
      password: z
        .strictObject({ text: z.string().min(1), policy: z.enum(["initial", "enforced"]) })
        .optional(),
      passwordHash: z
        .string()
        .regex(/^\{[A-Z0-9.-]+\}.+$/)
        .optional(),
      quotaBytes: z.int().min(0).default(0),
      displayName: z.string().max(256).optional(),
    }),
    answer: z.strictObject({ address, created: z.boolean(), adoptedFrom: owner.optional() }),
  },
  "mailbox.read": {
    request: z.strictObject({ address, password: z.string().optional() }),
    answer: z.strictObject({
      exists: z.boolean(),
      enabled: z.boolean(),
      owner: owner.optional(),
      quotaBytes: z.int(),
      displayName: z.string().optional(),
      /** Whether the password given in the request is the account's. */
      passwordMatches: z.boolean().optional(),
    }),
  },
  /** Refuses logins and new mail from now on; the Maildir stays where it is. */
  "mailbox.remove": {
    request: z.strictObject({ address, owner }),
    answer: z.strictObject({ removed: z.boolean(), mailDirectory: z.string() }),
  },
  /** Deletes the mail of an address that is not declared any more. The only operation that deletes mail. */
  "mailbox.purge": {
    request: z.strictObject({ address }),
    answer: z.strictObject({ purged: z.boolean(), messages: z.int(), bytes: z.number() }),
  },
  /** How an account's mail stands: its mailboxes with their indexes as they were found. */
  "mailbox.stat": mailboxExamination,
  /** Also reads every message and holds index and UID list against the disk; `problems` name what is wrong and the way out. */
  "mailbox.check": mailboxExamination,
  /** Makes the indexes anew from the mail; loses nothing, and MODSEQ only grows. */
  "mailbox.rebuild": mailboxExamination,
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
  /** Declares a host that takes outgoing mail; without `relay` what matches is sent directly. */
  "relay.put": {
    request: z.strictObject({
      name: relayName,
      owner,
      relay: z.strictObject({ ...relayHost, password: z.string().min(1).max(1024).optional() }).optional(),
      match: relayMatch,
    }),
    answer: z.strictObject({ created: z.boolean() }),
  },
  "relay.read": {
    request: z.strictObject({ name: relayName, password: z.string().optional() }),
    answer: z.strictObject({
      exists: z.boolean(),
      owner: owner.optional(),
      relay: z.strictObject(relayHost).optional(),
      match: relayMatch.optional(),
      /** Whether the password given in the request is the relay's. */
      passwordMatches: z.boolean().optional(),
    }),
  },
  "relay.remove": {
    request: z.strictObject({ name: relayName, owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
  /** Makes the key pair when it is missing; only the public part is ever answered. */
  "dkim.put": {
    request: z.strictObject({
      domain: domainName,
      selector,
      algorithm: z.enum(["rsa-2048", "rsa-4096", "ed25519"]),
      active: z.boolean(),
      owner,
    }),
    answer: z.strictObject({
      /** base64: SubjectPublicKeyInfo for RSA, the raw 32 bytes for Ed25519 (RFC 8463). */
      publicKey: z.string(),
      created: z.boolean(),
    }),
  },
  "dkim.read": {
    request: z.strictObject({ domain: domainName, selector }),
    answer: z.strictObject({
      exists: z.boolean(),
      publicKey: z.string().optional(),
      algorithm: z.string().optional(),
      active: z.boolean().optional(),
      owner: owner.optional(),
    }),
  },
  /** Stops signing with the key; its file stays (mail under way must stay verifiable and a key may be declared again). */
  "dkim.remove": {
    request: z.strictObject({ domain: domainName, selector, owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
  /**
   * Makes sure a certificate for these names is there: by the host's own CA ("local-ca"), or ordered by ACME; then the answer does not wait
   * for the authority, and `issued` says whether its certificate is in place.
   */
  "certificate.put": {
    request: z.strictObject({
      names: z.array(domainName).min(1),
      issuer: certificateIssuerSchema,
      owner,
    }),
    answer: z.strictObject({
      notAfter: z.string(),
      /** SHA-256 of the SubjectPublicKeyInfo, hex: TLSA 3 1 1 (RFC 6698) of the key in use and of the next one. */
      spkiSha256: z.string(),
      nextSpkiSha256: z.string(),
      fingerprint: z.string(),
      caCertificatePem: z.string(),
      created: z.boolean(),
      ...acmeProgress,
    }),
  },
  "certificate.read": {
    request: z.strictObject({ names: z.array(domainName).min(1) }),
    answer: z.strictObject({
      exists: z.boolean(),
      notAfter: z.string().optional(),
      spkiSha256: z.string().optional(),
      nextSpkiSha256: z.string().optional(),
      fingerprint: z.string().optional(),
      caCertificatePem: z.string().optional(),
      ...acmeProgress,
      owner: owner.optional(),
    }),
  },
  "certificate.remove": {
    request: z.strictObject({ names: z.array(domainName).min(1), owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
  /** What each port serves, by a real handshake for each name (default: the host's and the declared ones), and the state of the orders. */
  "tls.status": {
    request: z.strictObject({ names: z.array(domainName).min(1).max(100).optional() }),
    answer: z.strictObject({
      ports: z.array(
        z.strictObject({
          protocol: z.string(),
          port: z.int(),
          name: z.string(),
          issuer: z.string().optional(),
          names: z.string().optional(),
          notAfter: z.string().optional(),
          /** Kind and size of the key. */
          key: z.string().optional(),
          fingerprint: z.string().optional(),
          /** Of TLS. */
          version: z.string().optional(),
          /** What a client that checks would say; absent where it is content. */
          problem: z.string().optional(),
        }),
      ),
      certificates: z.array(
        z.strictObject({ names: z.array(z.string()), issuer: z.string(), ...acmeProgress }),
      ),
      lines: z.array(z.string()),
    }),
  },
  /** Writes config/zones/<origin>.zone; the serial is made to grow here when the text differs. */
  "zone.put": {
    request: z.strictObject({ origin: domainName, text: z.string(), owner }),
    answer: z.strictObject({ serial: z.int(), changed: z.boolean() }),
  },
  "zone.read": {
    request: z.strictObject({ origin: domainName }),
    answer: z.strictObject({ exists: z.boolean(), text: z.string().optional(), owner: owner.optional() }),
  },
  "zone.remove": {
    request: z.strictObject({ origin: domainName, owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
  /** Reads all files again; answers when the new state is in force. */
  reload: { request: z.strictObject({}), answer: z.strictObject({ generation: z.int(), accounts: z.int() }) },
  /** Queued messages, oldest first: at most `limit` of `total`. */
  "queue.list": {
    request: z.strictObject({
      select: queueSelection.default({ all: true }),
      limit: z.int().min(1).max(100_000).default(10_000),
    }),
    answer: z.strictObject({ entries: z.array(queueEntry), total: z.int() }),
  },
  /** One queued message: its header section, and a transcript line for each attempt and recipient. */
  "queue.show": {
    request: z.strictObject({ id: queueId }),
    answer: z.strictObject({
      entry: queueEntry.optional(),
      headers: z.string(),
      transcript: z.array(z.string()),
    }),
  },
  /** Leaves messages alone until they are released. */
  "queue.hold": queueAction,
  /** Lets held messages go, whoever or whatever held them. */
  "queue.release": queueAction,
  /** Tries messages now that are not held. */
  "queue.retry": queueAction,
  /** Gives messages up and tells their senders (RFC 3464). */
  "queue.bounce": queueAction,
  /** Takes messages out of the queue without telling their senders. */
  "queue.delete": queueAction,
  /** Messages that the filter's policy keeps from their recipients, oldest first. */
  "quarantine.list": {
    request: z.strictObject({}),
    answer: z.strictObject({ entries: z.array(quarantined) }),
  },
  /** One of them with its header section; without `entry` there is none of that id. */
  "quarantine.show": {
    request: z.strictObject({ id: quarantineId }),
    answer: z.strictObject({ entry: quarantined.optional(), headers: z.string() }),
  },
  /** Delivers messages by routing as it is now, unfiltered. `refused` says of each that stays why. */
  "quarantine.release": {
    request: quarantineSelection,
    answer: z.strictObject({ count: z.int(), refused: z.array(z.string()) }),
  },
  /** Teaches the classifier that messages are ham; they stay where they are. */
  "quarantine.learn": { request: quarantineSelection, answer: z.strictObject({ count: z.int() }) },
  "quarantine.delete": { request: quarantineSelection, answer: z.strictObject({ count: z.int() }) },
  /**
   * Teaches the classifier that the messages of a file or folder on the host (absolute), or of an account's mailbox, are
   * spam or ham; for everybody, and for `account` as well. Each message counts once.
   */
  learn: {
    request: z.strictObject({
      as: z.enum(["spam", "ham"]),
      path: z.string().min(1).max(4096).optional(),
      account: address.optional(),
      mailbox: z.string().min(1).max(1000).optional(),
    }),
    answer: z.strictObject({ learnt: z.int(), known: z.int() }),
  },
  /** The server's figures in Prometheus' text format. */
  metrics: { request: z.strictObject({}), answer: z.strictObject({ text: z.string() }) },
  /** The way of an address: every step with the file and line it comes from, in words; a line each. */
  explain: {
    request: z.strictObject({
      address: z.string().min(1).max(1000),
      /** The reverse-path; "" is the null one. */
      from: z.string().max(1000).optional(),
    }),
    answer: z.strictObject({ lines: z.array(z.string()) }),
  },
  /**
   * What the filter finds in a message file on the host (absolute path), a line each: every symbol with its weight and
   * reason. Client, HELO, sender and recipient are those of the file's own trace, unless they are said.
   */
  "message.explain": {
    request: z.strictObject({
      path: z.string().min(1).max(4096),
      client: z.union([z.ipv4(), z.ipv6()]).optional(),
      helo: z.string().max(1000).optional(),
      from: z.string().max(1000).optional(),
      recipient: z.string().max(1000).optional(),
    }),
    answer: z.strictObject({ lines: z.array(z.string()) }),
  },
  /**
   * The way of the messages that a Message-ID, a queue id, a sender or a recipient names, from the log and its rotated
   * files; empty when they do not know any. `lines` are the same for a person to read.
   */
  trace: {
    request: z.strictObject({ about: z.string().min(1).max(998) }),
    answer: z.strictObject({
      events: z.array(
        z.strictObject({
          /** Milliseconds since the epoch. */
          at: z.number(),
          event: z.string(),
          fields: z.record(z.string(), z.unknown()),
        }),
      ),
      lines: z.array(z.string()),
    }),
  },
  /**
   * What others have reported about our domains in the last days (DMARC aggregate reports, TLS reports), the most telling
   * rows first; `lines` are the same for a person to read.
   */
  reports: {
    request: z.strictObject({
      domain: domainName.optional(),
      days: z.int().min(1).max(3650).default(30),
    }),
    answer: z.strictObject({
      reports: z.int(),
      /** Without a good signature: nobody stands behind them. */
      unverified: z.int(),
      dmarc: z.array(
        z.strictObject({
          domain: z.string(),
          /** The address that sent in the domain's name. */
          source: z.string(),
          messages: z.number(),
          passed: z.number(),
          quarantined: z.number(),
          rejected: z.number(),
          reporters: z.array(z.string()),
        }),
      ),
      tls: z.array(
        z.strictObject({
          domain: z.string(),
          reporter: z.string(),
          policy: z.string(),
          successful: z.number(),
          failed: z.number(),
          failures: z.array(z.string()),
        }),
      ),
      lines: z.array(z.string()),
    }),
  },
  /** Who is banned, and what each jail has counted since the start. */
  "ban.list": {
    request: z.strictObject({}),
    answer: z.strictObject({
      enabled: z.boolean(),
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
  /** Ends the server after the answer: no new connections, deliveries under way get `graceMs`. */
  stop: {
    request: z.strictObject({ graceMs: z.int().min(0).default(10_000) }),
    answer: z.strictObject({ stopping: z.boolean() }),
  },
} as const;

export type OperationName = keyof typeof operations;
export type OperationRequest<N extends OperationName> = z.input<(typeof operations)[N]["request"]>;
export type OperationAnswer<N extends OperationName> = z.output<(typeof operations)[N]["answer"]>;

/** Why an operation failed; `message` names the object, the place and the way out. */
export const failureCodes = [
  "invalid",
  "conflict",
  "not-found",
  "not-running",
  "no-space",
  "permission",
  "internal",
] as const;
export type FailureCode = (typeof failureCodes)[number];

/** A request as it travels: one line of JSON. */
export const requestLine = z.strictObject({ operation: z.string(), request: z.unknown() });
/** An answer as it travels: one line of JSON. */
export const answerLine = z.union([
  z.strictObject({ ok: z.literal(true), answer: z.unknown() }),
  z.strictObject({ ok: z.literal(false), code: z.enum(failureCodes), message: z.string() }),
]);
