/**
 * Who publishes the records of a domain, by `type`: what a program is asked for. The records themselves are the plan's and the
 * same for every publisher.
 */
import type * as pulumi from "@pulumi/pulumi";

export type DnsArgs = HostDnsArgs | CloudflareDnsArgs | Rfc2136DnsArgs | ZoneFileDnsArgs | ManualDnsArgs;

interface CommonDnsArgs {
  /** Seconds that answers may be kept; 3600 when absent. */
  readonly ttl?: number;
  /**
   * Whether the zones are signed (DNSSEC). TLSA records count in signed zones alone (RFC 7672 §2.2) and are left out of
   * `unsigned` ones. Cloudflare is asked when it is absent; elsewhere they are published.
   */
  readonly dnssec?: "signed" | "unsigned";
}

/** The host's own name server on loopback: nothing leaves the machine, and SPF, DKIM, DMARC and MX work without internet. */
export interface HostDnsArgs extends CommonDnsArgs {
  /** `local` is the same. */
  readonly type: "host" | "local";
}

/** Cloudflare's name servers, by the `cloudflare` plugin of Pulumi. */
export interface CloudflareDnsArgs extends CommonDnsArgs {
  readonly type: "cloudflare";
  /** The zones, by name or by name and id; the registrable domains of the declared names when absent. */
  readonly zones?: readonly (string | { readonly name: string; readonly id?: string })[];
  /** Which of `tokens` is the API token, with Zone Read and DNS Edit for the zones; `cloudflare` when absent, and without that one CLOUDFLARE_API_TOKEN of the environment. */
  readonly tokenName?: string;
  /** Ids of records that stand there already and become this stack's: they are changed into what is declared, and imported. */
  readonly adopt?: readonly string[];
  /** Another address of the API. */
  readonly baseUrl?: pulumi.Input<string>;
}

/** A name server that takes dynamic updates (RFC 2136): knot, BIND, PowerDNS and others. The mail host sends them. */
export interface Rfc2136DnsArgs extends CommonDnsArgs {
  readonly type: "rfc2136";
  /** Address of the zones' primary. */
  readonly server: pulumi.Input<string>;
  /** 53 when absent. */
  readonly port?: pulumi.Input<number>;
  /** The TSIG key (RFC 8945); its secret, in base64, stands in `tokens` under the key's name. Without it the server has to know the host by its address. */
  readonly key?: {
    readonly name: string;
    readonly algorithm?: "hmac-sha256" | "hmac-sha384" | "hmac-sha512";
  };
  /** The zones on that server; the declared domains that are below no other one when absent. */
  readonly zones?: readonly string[];
  /** Record sets, as in "example.org MX", that others made and this stack takes over with all that is in them. */
  readonly adopt?: readonly string[];
}

/** Master files (RFC 1035 §5) in a directory of the machine that runs the program. */
export interface ZoneFileDnsArgs extends CommonDnsArgs {
  readonly type: "zone-file";
  /** Where the files are written, as `<zone>.zone`. */
  readonly directory: string;
  /** `zone` (default): a whole zone with SOA and NS. `include`: the records alone, for $INCLUDE in a zone of yours. */
  readonly form?: "zone" | "include";
  /** The zones' name servers, the primary first; needed for whole zones. */
  readonly nameServers?: readonly string[];
  /** The zones; the declared domains that are below no other one when absent. */
  readonly zones?: readonly string[];
}

/** A person enters the records: the stack's output `dnsToEnter` says which. */
export interface ManualDnsArgs extends CommonDnsArgs {
  readonly type: "manual";
  readonly zones?: readonly string[];
  /** Seconds that `up` waits until every authoritative name server has the records, and fails with what is missing; 0, which does not wait, when absent. */
  readonly waitSeconds?: number;
}
