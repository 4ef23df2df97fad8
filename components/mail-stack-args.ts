/**
 * What a MailStack is told: one argument, made to be filled in by completion. Names are plain text, so that every mistake in
 * them is found before anything is planned; what comes from other resources or is secret is an `Input`.
 */
import type * as pulumi from "@pulumi/pulumi";
import type { DkimAlgorithm } from "./accounts/dkim-key.ts";
import type { DmarcPolicy, SpfPolicy } from "./dns/plan-types.ts";

export interface MailStackArgs {
  /** The mail host's full name, in its greeting, its certificate and the MX records; `mail.` and the first domain when absent. */
  readonly hostname?: string;
  /** The domains whose mail the server takes: names, or names with what differs from the defaults. */
  readonly domains: readonly (string | DomainDeclaration)[];
  /** The accounts: addresses, or addresses with what differs from the defaults. */
  readonly mailboxes?: readonly (string | MailboxDeclaration)[];
  /** Addresses that stand for others: `{"info@example.org": "anna@example.org"}`; `@example.org` takes what nothing else takes. */
  readonly aliases?: Readonly<Record<string, string | readonly string[]>>;
  /** Passwords by address, secret. On the local host a missing one is made up once and kept beside the data. */
  readonly passwords?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Hashes by address in the place of passwords, with their scheme: `{SHA512-CRYPT}$6$...`. */
  readonly passwordHashes?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Where the server runs. */
  readonly host: HostArgs;
  /** Who publishes the records; the host's own name server when absent. */
  readonly dns?: DnsArgs;
  /** Who issues the host's certificate; an authority of the host's own when absent. */
  readonly certificate?: CertificateArgs;
  /** How incoming mail is examined. */
  readonly filtering?: FilteringArgs;
  /** Who is refused for a while after too many offences; on with fail2ban's rules when absent. */
  readonly banning?: BanningArgs;
  /** The server itself: ports, limits, log level. */
  readonly server?: ServerSettings;
}

export interface DomainDeclaration {
  /** The domain's name; IDN in either form. */
  readonly name: string;
  /** What receivers shall do with mail that only claims to come from here (RFC 7489); on the local host `reject` when absent. */
  readonly dmarc?: DmarcPolicy;
  /** Who else may send for the domain (RFC 7208); nobody when absent. */
  readonly spf?: SpfPolicy;
  /** The domain's DKIM keys. */
  readonly dkim?: DkimDeclaration;
  /** Who gets reports on failed TLS connections (RFC 8460): mail addresses. */
  readonly tlsRpt?: { readonly rua: readonly string[] };
}

export interface DkimDeclaration {
  /** Kind and size of both keys; `rsa-2048` when absent. */
  readonly algorithm?: DkimAlgorithm;
  /** Selector of the key that signs; `mk1` when absent. */
  readonly current?: string;
  /** Selector of the key that follows, published ahead of its use; `mk2` when absent. */
  readonly next?: string;
}

export interface MailboxDeclaration {
  /** The mailbox's address, which is its login name too. */
  readonly address: string;
  /** Most bytes of mail, as a number or with a unit (`500M`, `2G`); no limit when absent. */
  readonly quota?: number | string;
  /** The person's name. */
  readonly displayName?: string;
  /** `initial` (default): a password that its user has changed stays. `enforced`: the declared one always wins. */
  readonly passwordPolicy?: "initial" | "enforced";
}

/** Where the server runs, by `type`. */
export type HostArgs = LocalHostArgs;

/** This machine, without root: the server listens on loopback only, on high ports. */
export interface LocalHostArgs {
  readonly type: "local";
  /** Where the data lies; `.mailkeep/<stack>` in the project when absent. */
  readonly directory?: string;
}

/** Who publishes the DNS records, by `type`. */
export type DnsArgs = LocalDnsArgs;

/** The host's own name server on loopback: nothing leaves the machine, and SPF, DKIM, DMARC and MX work without internet. */
export interface LocalDnsArgs {
  readonly type: "local";
  /** Seconds that answers may be kept; 3600 when absent. */
  readonly ttl?: number;
}

/** Who issues the certificate, by `type`. */
export type CertificateArgs = LocalCertificateArgs;

/** An authority of the host's own; clients are told to trust its certificate. */
export interface LocalCertificateArgs {
  readonly type: "local-ca";
}

export interface FilteringArgs {
  /** Milliseconds that the greeting on the MX port waits, to see who talks first as only bots do; 0 when absent. */
  readonly greetingDelayMs?: number;
  /** From this score on a message carries the X-Spam fields; always when absent. */
  readonly tagScore?: number;
  /** From this score on a message goes to the Junk folder; 6 when absent. */
  readonly junkScore?: number;
  /** From this score on a message is refused; 11 when absent. */
  readonly rejectScore?: number;
}

export interface BanningArgs {
  /** false: nobody is banned; true when absent. */
  readonly enabled?: boolean;
  /** Offences within `findSeconds` that ban; 6 when absent. */
  readonly maxRetry?: number;
  /** Seconds that an offence counts; a week when absent. */
  readonly findSeconds?: number;
  /** Seconds of a first ban, each further one is longer; a week when absent. */
  readonly banSeconds?: number;
  /** Banned clients of one IPv4 /24 or IPv6 /48 that ban all of it; never when absent. */
  readonly networkAfter?: number;
  /** Addresses and networks that are never banned besides loopback: `192.0.2.1`, `192.0.2.0/24`. */
  readonly neverBanned?: readonly string[];
}

/** The services of the server that have a port. */
export type Service = "smtp" | "submission" | "submissions" | "imap" | "imaps" | "dns";

export interface ServerSettings {
  /** Added to every service's standard port (25, 587, 465, 143, 993, 53); 20000 on the local host when absent. */
  readonly portBase?: number;
  /** Ports of single services, as they are. */
  readonly ports?: Readonly<Partial<Record<Service, number>>>;
  /** How much the server says; `info` when absent. */
  readonly logLevel?: "error" | "warn" | "info" | "debug" | "trace";
  /** Cipher suites offered; `modern` when absent. */
  readonly tlsLevel?: "modern" | "intermediate";
  /** Who gets mail to postmaster and abuse where nobody is declared. */
  readonly postmasterAddress?: string;
  /** Largest message taken, in bytes or with a unit (`25M`). */
  readonly messageSizeLimit?: number | string;
  /** Most recipients of one message. */
  readonly recipientLimit?: number;
  /** Quota of mailboxes without one of their own; no limit when absent. */
  readonly defaultQuota?: number | string;
  /** Whether a sender may use only addresses that are theirs; true when absent. */
  readonly spoofProtection?: boolean;
  /**
   * How submitted mail for another declared domain travels: `direct` into its mailboxes, or `mx` through queue and MX as on
   * the internet, which the local host does when absent.
   */
  readonly hostedDomains?: "direct" | "mx";
  /** Refuse outgoing mail of a domain without a DKIM key in place of sending it unsigned; false when absent. */
  readonly requireSignature?: boolean;
  /** Seconds between attempts to deliver; the last one repeats. */
  readonly retrySeconds?: readonly number[];
  /** Seconds after which undeliverable mail goes back to its sender. */
  readonly queueLifetimeSeconds?: number;
}
