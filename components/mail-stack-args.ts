/**
 * What a MailStack is told: one argument, made to be filled in by completion. Names are plain text, so that every mistake in
 * them is found before anything is planned; what comes from other resources or is secret is an `Input`.
 */
import type * as pulumi from "@pulumi/pulumi";
import type { DkimAlgorithm } from "./accounts/dkim-key.ts";
import type { CertificateArgs } from "./certificate/certificate-args.ts";
import type { DnsArgs } from "./dns/dns-args.ts";
import type { DmarcPolicy, MtaStsPolicy, SpfInclude, SpfPolicy } from "./dns/plan-types.ts";
import type { DockerHostArgs } from "./host/docker/docker-args.ts";
import type { SshConnectionArgs } from "./host/ssh/ssh-args.ts";

export type * from "./dns/dns-args.ts";

export interface MailStackArgs {
  /** The mail host's full name, in its greeting, its certificate and the MX records; `mail.` and the first domain when absent. */
  readonly hostname?: string;
  /** The domains whose mail the server takes: names, or names with what differs from the defaults. */
  readonly domains: readonly (string | DomainDeclaration)[];
  /** The accounts: addresses, or addresses with what differs from the defaults. */
  readonly mailboxes?: readonly (string | MailboxDeclaration)[];
  /** Addresses that stand for others: `{"info@example.org": "anna@example.org"}`; `@example.org` takes what nothing else takes. */
  readonly aliases?: Readonly<Record<string, string | readonly string[]>>;
  /** Hosts that take outgoing mail; all of it goes to its MX when absent. The most specific rule counts. */
  readonly relays?: readonly RelayDeclaration[];
  /** Passwords of relays by their names, secret. */
  readonly relayPasswords?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Domains that the host takes mail for while their better MX is away: names, or names with what differs from the defaults. */
  readonly backups?: readonly (string | BackupDeclaration)[];
  /** Who gets a copy of which mail, unseen by sender and recipients (BCC, journal). */
  readonly copies?: readonly CopyDeclaration[];
  /** Passwords by address, secret. On the local host a missing one is made up once and kept beside the data. */
  readonly passwords?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Hashes by address in the place of passwords, with their scheme: `{SHA512-CRYPT}$6$...`. */
  readonly passwordHashes?: Readonly<Record<string, pulumi.Input<string>>>;
  /**
   * API tokens and keys by what they are for, secret: `acme` changes the zone for DNS-01, `cloudflare` publishes records, and
   * the secret of a TSIG key stands under the key's name.
   */
  readonly tokens?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Where the server runs. */
  readonly host: HostArgs;
  /** Addresses the host is known by outside; the local host's loopback when absent. */
  readonly addresses?: HostAddresses;
  /** Who publishes the records; the host's own name server when absent. A domain may have a publisher of its own. */
  readonly dns?: DnsArgs;
  /** Who issues the certificates; an authority of the host's own when absent. */
  readonly certificate?: CertificateArgs;
  /** What is answered by HTTP and HTTPS. */
  readonly web?: WebArgs;
  /** How incoming mail is examined. */
  readonly filtering?: FilteringArgs;
  /** Who is refused for a while after too many offences; on with fail2ban's rules when absent. */
  readonly banning?: BanningArgs;
  /** What accounts may send. */
  readonly sending?: SendingArgs;
  /** How mail leaves: pace, schedule, TLS. */
  readonly delivery?: DeliveryArgs;
  /** The server itself: ports, limits, log level. */
  readonly server?: ServerSettings;
}

export interface DomainDeclaration {
  /** The domain's name; IDN in either form. */
  readonly name: string;
  /** Another declared domain that this one stands for: mail to `x@` this domain goes to `x@` that one. */
  readonly aliasOf?: string;
  /** What receivers shall do with mail that only claims to come from here (RFC 7489); on the local host `reject` when absent. */
  readonly dmarc?: DmarcPolicy;
  /** Who else may send for the domain (RFC 7208); nobody when absent. */
  readonly spf?: SpfPolicy;
  /** Who publishes this domain's records; the stack's `dns` when absent. */
  readonly dns?: DnsArgs;
  /** The domain's DKIM keys. */
  readonly dkim?: DkimDeclaration;
  /** Whether senders must use TLS with the host's own certificate (RFC 8461); nothing is said when absent. */
  readonly mtaSts?: MtaStsPolicy;
  /** Who gets reports on failed TLS connections (RFC 8460): mail addresses. */
  readonly tlsRpt?: { readonly rua: readonly string[] };
}

export interface DkimDeclaration {
  /** Kinds of keys, a signature by each: one RSA and one Ed25519 at most; `["rsa-2048"]` when absent. */
  readonly algorithms?: readonly DkimAlgorithm[];
  /** Selector of the first key; `mk1` when absent. Later ones are named by `mailkeep dkim rotate`. */
  readonly current?: string;
  /** Selector of the key that follows it, published ahead of its use; `mk2` when absent. */
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

/** What takes some or all of the outgoing mail, by `type`. */
export type RelayDeclaration = SmarthostDeclaration | DirectDeclaration;

/** Whose mail a relay takes. The recipient's domain counts before the sender, and the sender before its domain. */
export interface RelayMatch {
  /** Mail to these domains. */
  readonly recipientDomains?: readonly string[];
  /** Mail of these senders. */
  readonly senders?: readonly string[];
  /** Mail of all senders in these domains. */
  readonly senderDomains?: readonly string[];
}

/** A host that takes mail and sends it on. */
export interface SmarthostDeclaration {
  readonly type: "smarthost";
  /** What it is called, here and in `relayPasswords`. */
  readonly name: string;
  readonly host: string;
  /** 587 when absent. */
  readonly port?: number;
  /** `implicit` at port 465, else `starttls` (required, certificate checked) when absent; `opportunistic` is as to any MX. */
  readonly tls?: "implicit" | "starttls" | "opportunistic";
  /** Ask for the host's MX records first; false when absent. */
  readonly lookupMx?: boolean;
  /** The login; its password stands in `relayPasswords`. */
  readonly username?: string;
  /** A file on the mail host with the authorities (PEM) that its certificate is checked against; the usual ones when absent. */
  readonly caFile?: string;
  /** The SPF policy its operator documents (`include:`), for the records of the domains whose mail it takes. */
  readonly spf?: SpfInclude;
  /** All mail that no other rule speaks of when absent. */
  readonly for?: RelayMatch;
}

/** Mail that goes to its MX, whatever the other relays say. */
export interface DirectDeclaration {
  readonly type: "direct";
  readonly name: string;
  readonly for: RelayMatch;
}

export interface BackupDeclaration {
  readonly domain: string;
  /** The addresses that are taken; every address of the domain when absent, and the primary's refusals become bounces. */
  readonly recipients?: readonly string[];
  /** Seconds that mail waits for the primary; 30 days when absent. */
  readonly lifetimeSeconds?: number;
}

export interface CopyDeclaration {
  /** Copies the mail of a sender: an address or `@domain`. */
  readonly sender?: string;
  /** Copies the mail to a recipient: an address or `@domain`. With neither of them every message is copied. */
  readonly recipient?: string;
  /** Who gets the copy: an address, here or elsewhere. */
  readonly to: string;
}

export interface ForwardingSettings {
  /** Rewrite the sender of what is forwarded to other hosts, so that SPF holds; true when absent. */
  readonly rewriteSenders?: boolean;
  /** Domain of rewritten senders; the host's own when absent. */
  readonly domain?: string;
  /** Sender domains that are never rewritten; `.example.org` means its subdomains. */
  readonly excludeDomains?: readonly string[];
}

/** Where the server runs, by `type`. */
export type HostArgs = LocalHostArgs | DockerHostArgs | SshHostArgs;

/** This machine, without root: the server listens on loopback only, on high ports. */
export interface LocalHostArgs {
  readonly type: "local";
  /** Where the data lies; `.mailkeep/<stack>` in the project when absent. */
  readonly directory?: string;
}

/** A machine with Debian 11 or Ubuntu 20.10 or newer, by ssh: nothing has to be on it but sshd, and sudo for a user who is not root. */
export interface SshHostArgs extends SshConnectionArgs {
  readonly type: "ssh";
  /**
   * The key its sshd must show: `SHA256:...` as `ssh-keygen -l` prints it, or `ssh-ed25519 AAAA...`. With `accept-first-use`
   * the first answer is trusted, kept in the state and required from then on.
   */
  readonly hostKey: pulumi.Input<string>;
  readonly directory?: string;
  /** What runs the server there; systemd when absent. */
  readonly runtime?: SystemdRuntimeArgs;
  /** Who may connect from outside; nftables with the declared listeners when absent. */
  readonly firewall?: FirewallArgs;
}

/** The server as a systemd unit, with a user of its own and no right but to bind low ports. */
export interface SystemdRuntimeArgs {
  readonly type: "systemd";
  /** Ceiling of the server's memory, in bytes or with a unit (`2G`); none when absent. */
  readonly memoryLimit?: number | string;
  /** How many older versions of the server's code stay there; 2 when absent. */
  readonly keepVersions?: number;
}

/** What the firewall of a machine does, by `type`. */
export type FirewallArgs =
  | {
      /** A table of its own, `inet mailkeep`: open are the listeners and sshd, and what is named here. */
      readonly type: "nftables";
      /** Further TCP ports of the machine that stay open: `[80, 443]`. */
      readonly alsoOpen?: readonly number[];
    }
  | {
      /** The machine's firewall is somebody else's. */
      readonly type: "none";
    };

/** The addresses of records; each may be an output of the resource that makes the host. */
export interface HostAddresses {
  readonly ipv4?: readonly pulumi.Input<string>[];
  readonly ipv6?: readonly pulumi.Input<string>[];
  /** Addresses or prefixes that mail leaves from, for SPF; those of the host when absent. */
  readonly outgoing?: readonly string[];
  /**
   * Whether `up` fails while a public address is not named after the host (PTR), with what to ask its owner for; `checked` when
   * absent. Much of the world refuses mail from an address without its name. Private addresses are passed over.
   */
  readonly reverse?: "checked" | "unchecked";
}

export interface WebArgs {
  /** Mail programs find their settings at `autoconfig.` and `autodiscover.` below each domain; true when absent. */
  readonly clientSettings?: boolean;
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
  /** Other programs that look at mail on the host, by `type`; milters in this order. None when absent: the server's own filter needs none. */
  readonly engines?: readonly EngineDeclaration[];
}

/** A program that looks at mail, by `type`. */
export type EngineDeclaration =
  | RspamdDeclaration
  | SpamdDeclaration
  | AmavisDeclaration
  | ClamdDeclaration
  | MilterDeclaration;

interface EngineCommon {
  /** What it is called in findings, metrics and the log; its type when absent. */
  readonly name?: string;
  /** Mail from outside, what users submit, or both; `incoming` when absent. */
  readonly looksAt?: "incoming" | "submitted" | "both";
  /** How long it may take for one message. */
  readonly timeLimitSeconds?: number;
  /** What happens when it fails; `accept` when absent: the mail goes on with a finding that says so. */
  readonly onFailure?: "accept" | "tempfail";
  /** Larger messages are not given to it. */
  readonly largestBytes?: number;
}

/** rspamd by HTTP. */
export interface RspamdDeclaration extends EngineCommon {
  readonly type: "rspamd";
  /** Host and port or a socket file; `127.0.0.1:11333` when absent. */
  readonly address?: string;
  /** Where its controller listens, which learns; `127.0.0.1:11334` when absent. */
  readonly controller?: string;
  /** Whether it is told what people move to Junk and out of it; true when absent. */
  readonly learn?: boolean;
}

/** SpamAssassin's spamd by SPAMC/1.5. */
export interface SpamdDeclaration extends EngineCommon {
  readonly type: "spamd";
  /** `127.0.0.1:783` when absent. */
  readonly address?: string;
  /** Whose preferences it reads. */
  readonly user?: string;
  /** As for rspamd. */
  readonly learn?: boolean;
}

/** amavisd-new by AM.PDP. */
export interface AmavisDeclaration extends EngineCommon {
  readonly type: "amavis";
  /** `127.0.0.1:9998` when absent. */
  readonly address?: string;
  /** Where messages lie while it reads them; `/var/lib/amavis/tmp` when absent. */
  readonly directory?: string;
}

/** ClamAV's clamd by INSTREAM. */
export interface ClamdDeclaration extends EngineCommon {
  readonly type: "clamd";
  /** `/run/clamav/clamd.ctl` when absent. */
  readonly address?: string;
  /** What happens to a virus; `reject` when absent. */
  readonly onVirus?: "reject" | "quarantine";
}

/** Any milter. */
export interface MilterDeclaration extends EngineCommon {
  readonly type: "milter";
  readonly address: string;
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
  /** `auto` (default): by nftables as well, where the server may use it. `never`: at accept alone. */
  readonly nftables?: "auto" | "never";
  /** A directory on the mail host by which several hosts tell each other whom they ban. */
  readonly sharedDirectory?: string;
  /** Addresses and networks that are never banned besides loopback: `192.0.2.1`, `192.0.2.0/24`. */
  readonly neverBanned?: readonly string[];
}

/** How much an account may send; 0 is no limit. What goes beyond is held, and postmaster is told. */
export interface SendingLimits {
  readonly messagesPerHour?: number;
  readonly messagesPerDay?: number;
  readonly recipientsPerHour?: number;
  readonly recipientsPerDay?: number;
  /** Recipients a day whom the account has never written to. */
  readonly newRecipientsPerDay?: number;
  /** Largest message, in bytes or with a unit (`25M`). */
  readonly messageSize?: number | string;
}

export interface SendingArgs {
  /** Every account's limits; the server's own when absent. */
  readonly limits?: SendingLimits;
  /** Other limits of single mailboxes, by their addresses. */
  readonly accountLimits?: Readonly<Record<string, SendingLimits>>;
  /** Longest time in seconds that a sender may have a message held (FUTURERELEASE); 30 days when absent, 0: none. */
  readonly futureReleaseSeconds?: number;
}

/** What one destination is asked at most. */
export interface DestinationCeilings {
  readonly connections?: number;
  readonly messagesPerHour?: number;
}

export interface DeliveryArgs extends DestinationCeilings {
  /** Other ceilings by recipient domain, relay host or organisation of MX hosts (`google.com`). */
  readonly destinations?: Readonly<Record<string, DestinationCeilings>>;
  /** Local addresses to send from; the system's choice when absent. */
  readonly addresses?: readonly string[];
  /** Send over IPv6: `auto` (default) where AAAA and PTR confirm each other. */
  readonly ipv6?: "auto" | "always" | "never";
  /** Rising ceilings for a host nobody knows yet. */
  readonly warmUp?: WarmUpArgs;
  /** Seconds between attempts to deliver; the last one repeats. */
  readonly retrySeconds?: readonly number[];
  /** Seconds after which undeliverable mail goes back to its sender; five days when absent. */
  readonly lifetimeSeconds?: number;
  /** Seconds after which a delay is told to the sender once; four hours when absent, 0: never. */
  readonly warnAfterSeconds?: number;
  /** What is asked of the TLS of hosts that mail goes to. */
  readonly tls?: TransportArgs;
}

export interface WarmUpArgs {
  /** Messages that an organisation gets on the first day. */
  readonly messagesPerDay: number;
  /** How much more it gets each day; 1.5 when absent. */
  readonly growth?: number;
  /** Days until there is no ceiling any more; 30 when absent. */
  readonly days?: number;
  /** Name of the declared relay that takes what is above the ceiling; it waits in the queue when absent. */
  readonly relay?: string;
}

export interface TransportArgs {
  /** Keep the TLSA records of destinations (RFC 7672); true when absent. */
  readonly dane?: boolean;
  /** Keep the MTA-STS policies of destinations (RFC 8461); true when absent. */
  readonly mtaSts?: boolean;
  /** A file on the mail host with authorities (PEM) beside the usual ones, for closed networks. */
  readonly authorities?: string;
}

/** The services of the server that have a port. */
export type Service = "smtp" | "submission" | "submissions" | "imap" | "imaps" | "http" | "https" | "dns";

export interface ServerSettings {
  /** Added to every service's standard port (25, 587, 465, 143, 993, 80, 443, 53); 20000 on the local host when absent. */
  readonly portBase?: number;
  /** Ports of single services, as they are. */
  readonly ports?: Readonly<Partial<Record<Service, number>>>;
  /** Name servers the host asks, as address or address:port; the system's when absent, and its own on the local host. */
  readonly resolvers?: readonly string[];
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
  /** Characters that begin the detail of an address (`anna+lists@`); `+` when absent, none when empty. */
  readonly recipientDelimiter?: string;
  /** How mail is forwarded to other hosts (SRS). */
  readonly forwarding?: ForwardingSettings;
  /** Whether a sender may use only addresses that are theirs; true when absent. */
  readonly spoofProtection?: boolean;
  /**
   * How submitted mail for another declared domain travels: `direct` into its mailboxes, or `mx` through queue and MX as on
   * the internet, which the local host does when absent.
   */
  readonly hostedDomains?: "direct" | "mx";
  /** Refuse outgoing mail of a domain without a DKIM key in place of sending it unsigned; false when absent. */
  readonly requireSignature?: boolean;
  /** `delivery.retrySeconds` under its old name. */
  readonly retrySeconds?: readonly number[];
  /** `delivery.lifetimeSeconds` under its old name. */
  readonly queueLifetimeSeconds?: number;
}
