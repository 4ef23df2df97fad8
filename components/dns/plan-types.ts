/**
 * What the record plan is asked and what it answers: plain values, so that a program with outputs (which may be unknown
 * in a preview) resolves them first and calls a pure function then.
 */
import type { DnsRecord } from "../../mailserver-runtime/dns/records.ts";

/** Everything the DNS of one mail host and its domains depends on. */
export interface PlanArgs {
  readonly host: PlanHost;
  readonly domains: readonly PlanDomain[];
  /** What answers today. A record that points at something not served is left out and listed. */
  readonly served: Served;
  /** Other ways mail leaves: smarthosts, and addresses that are not the host's own. They go into every SPF record. */
  readonly egress?: PlanEgress;
  /** The TLS keys of the host, for DANE (RFC 7672). Without them no TLSA is planned. */
  readonly tlsKeys?: TlsKeys;
  /** Who may issue the host's certificates (RFC 8659). Without it no CAA is planned. */
  readonly certificateAuthority?: PlanCertificateAuthority;
  /** Seconds, for every record; 3600 when absent. */
  readonly ttl?: number;
}

export interface PlanHost {
  /** The name of the mail host: the target of MX and SRV, and what its certificate is for. */
  readonly name: string;
  readonly ipv4?: readonly string[];
  readonly ipv6?: readonly string[];
}

/** Addresses mail leaves from besides the host's own. */
export interface PlanEgress {
  /** Addresses or prefixes, "192.0.2.1" or "2001:db8::/48". When given they stand in the place of the host's own. */
  readonly addresses?: readonly string[];
  /** Relays, by the SPF domain their operator documents ("spf.relay.example"). */
  readonly includes?: readonly SpfInclude[];
}

/** An SPF policy of somebody else, taken in by `include:` (RFC 7208 §5.2). */
export interface SpfInclude {
  readonly domain: string;
  /**
   * DNS look-ups that evaluating this policy costs beyond the include itself. Where it is absent none are counted, and
   * the plan warns when that leaves little room below the limit of ten.
   */
  readonly lookups?: number;
}

export interface PlanDomain {
  readonly name: string;
  /** The public DKIM keys: current and next of each algorithm, and those whose mail may be under way. */
  readonly dkim?: readonly DkimPublicKey[];
  readonly dmarc?: DmarcPolicy;
  readonly mtaSts?: MtaStsPolicy;
  readonly tlsRpt?: { readonly rua: readonly string[] };
  readonly spf?: SpfPolicy;
  /** Further mail exchangers behind the host, e.g. a backup MX somewhere else. */
  readonly backupMx?: readonly { readonly preference: number; readonly exchange: string }[];
  /** `false` for a domain that only sends: it gets a null MX (RFC 7505). Default true. */
  readonly receives?: boolean;
}

export interface DkimPublicKey {
  readonly selector: string;
  readonly algorithm: "rsa" | "ed25519";
  /**
   * Base64: the SubjectPublicKeyInfo for RSA (RFC 6376 §3.6.1), the 32 octets of the key for Ed25519 (RFC 8463 §4).
   * A SubjectPublicKeyInfo is accepted for Ed25519 too and reduced to its key. PEM armour is removed.
   * Empty for a key that is revoked.
   */
  readonly publicKey: string;
  readonly role: "current" | "next" | "retired" | "revoked";
}

export interface DmarcPolicy {
  readonly policy: "none" | "quarantine" | "reject";
  readonly subdomainPolicy?: "none" | "quarantine" | "reject";
  /** Mail addresses (with or without "mailto:") that get aggregate reports. */
  readonly rua?: readonly string[];
  /** Mail addresses that get failure reports. */
  readonly ruf?: readonly string[];
  readonly dkimAlignment?: "relaxed" | "strict";
  readonly spfAlignment?: "relaxed" | "strict";
}

/** RFC 8461 §3.2. */
export interface MtaStsPolicy {
  readonly mode: "none" | "testing" | "enforce";
  /** Seconds, at most 31557600; 604800 (a week) when absent. */
  readonly maxAge?: number;
}

export interface SpfPolicy {
  /** What to do with mail from elsewhere: "-all" (default) says fail, "~all" softfail, "?all" neutral. */
  readonly all?: "-all" | "~all" | "?all";
  /** Further policies of this domain alone, e.g. of a newsletter service. */
  readonly includes?: readonly SpfInclude[];
  /** Terms already published for this domain that must live on: they are merged into the one record. */
  readonly existing?: string;
}

/** The host's TLS keys as the SHA-256 of their SubjectPublicKeyInfo, hex (RFC 6698 §2.1, selector 1, matching type 1). */
export interface TlsKeys {
  readonly current: string;
  /** Published ahead of its use, so that the host may switch without a DNS change (RFC 7671 §8.1). */
  readonly next?: string;
  /** The same of the RSA keys, where the host shows clients either. */
  readonly rsa?: { readonly current: string; readonly next?: string };
}

export interface PlanCertificateAuthority {
  /** Issuer domains, e.g. ["letsencrypt.org"]. */
  readonly issuers: readonly string[];
  /** The ACME account that alone may issue (RFC 8657). */
  readonly accountUri?: string;
  readonly validationMethods?: readonly string[];
  /** Where an authority reports refused requests: a mail address. */
  readonly iodef?: string;
  /**
   * CAA forbids every authority it does not name. `"host"` (default) puts it at the mail host's name alone; `"domains"`
   * puts it at the domains too, which binds every other server below them: an explicit choice.
   */
  readonly scope?: "host" | "domains";
}

/** The services a client can find (RFC 6186, RFC 8314, RFC 5804), named by their SRV label. */
export type ClientService = "submission" | "submissions" | "imap" | "imaps" | "pop3" | "pop3s" | "sieve";

/** What answers today on the host. */
export interface Served {
  /** Port 25 takes mail. Without it no MX, TLSA or MTA-STS is published. */
  readonly smtp: boolean;
  /** Port 25 offers STARTTLS with the host's key: what TLSA and MTA-STS promise. */
  readonly smtpTls: boolean;
  /** The port of each service that answers. A service of RFC 6186 that is absent is declared as not offered ("."). */
  readonly services: Partial<Record<ClientService, number>>;
  /** Names that HTTPS answers for, with a valid certificate: "mta-sts.example.com", "autoconfig.example.com". */
  readonly https: readonly string[];
  /**
   * Names the host will answer for as soon as they resolve: a certificate by HTTP-01 or TLS-ALPN-01 needs the name
   * first. Their address records are planned; what promises an answer (the MTA-STS TXT) waits.
   */
  readonly httpsPending?: readonly string[];
}

/** A record with the reason why it is there. */
export interface PlannedRecord {
  readonly record: DnsRecord;
  /** The declared domain this record serves; undefined for the host's own. */
  readonly domain?: string;
  /** One sentence for the preview. */
  readonly reason: string;
}

/** A record that was not planned, and what would bring it. */
export interface LeftOut {
  /** Owner and type, e.g. "_mta-sts.example.com TXT". */
  readonly what: string;
  readonly reason: string;
}

/** The text that HTTPS must serve at https://mta-sts.<domain>/.well-known/mta-sts.txt, and its id in the DNS. */
export interface MtaStsText {
  readonly domain: string;
  readonly id: string;
  readonly text: string;
}

export interface RecordPlan {
  /** In zone order, no two alike. */
  readonly records: readonly PlannedRecord[];
  readonly leftOut: readonly LeftOut[];
  /** Things that work but deserve a look, one sentence each. */
  readonly warnings: readonly string[];
  readonly mtaSts: readonly MtaStsText[];
  /**
   * PTR records of the host's addresses. They belong to whoever owns the addresses, so no publisher of the domains
   * writes them; without them much of the world refuses mail.
   */
  readonly reverse: readonly PlannedRecord[];
}

/** Why there is no plan: a closed list. */
export type PlanErrorCode =
  | "invalid-name"
  | "invalid-address"
  | "duplicate-domain"
  | "spf-lookups"
  | "spf-syntax"
  | "dkim-key"
  | "report-address"
  | "policy"
  | "conflict";

/** Thrown by `planRecords`; the message names the field and the way out. */
export class PlanError extends Error {
  override name = "PlanError";
  readonly code: PlanErrorCode;
  /** Where in the arguments: "domains[1].dkim[0]". */
  readonly field: string;

  constructor(code: PlanErrorCode, field: string, message: string) {
    super(`${field}: ${message}`);
    this.code = code;
    this.field = field;
  }
}
