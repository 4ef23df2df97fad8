/**
 * The runtime's one way to ask the DNS.
 *
 * A `Resolver` turns a name and a type into an `Answer`, and never throws for what the DNS says or fails to say: "no
 * such name", "no such record" and "no answer just now" are three statuses, because a mail server bounces on the first
 * two and retries on the third (RFC 5321 §5.1, RFC 7208 §4.4). It follows CNAMEs, keeps answers as long as their TTL
 * allows (RFC 1035 §7.4, negative ones by RFC 2308), and says whether a validating server vouched for the answer with
 * the AD bit (RFC 4035 §3.2.3), on which DANE depends.
 *
 * It validates no DNSSEC signature itself: `secure` is only ever true for servers the operator declared trusted, which
 * means a validating resolver on loopback or behind an authenticated path (RFC 7672 §2.2.1 expects exactly that).
 *
 * This file is the room's front door: the interface, and what stands behind it.
 */
import type { DnsRecord, RecordOf, RecordType } from "./records.ts";

/**
 * - `ok`: at least one record of the asked type.
 * - `nodata`: the name exists, without records of that type.
 * - `nxdomain`: the name does not exist.
 * - `tempfail`: no usable answer (SERVFAIL, REFUSED, time-out, a malformed or endless reply); ask again later.
 */
export type AnswerStatus = "ok" | "nodata" | "nxdomain" | "tempfail";

export interface Answer<R extends DnsRecord = DnsRecord> {
  readonly status: AnswerStatus;
  /** Records of the asked type; empty unless `ok`. Their owner is the end of the CNAME chain. */
  readonly records: readonly R[];
  /** Seconds for which the answer may be kept. */
  readonly ttl: number;
  /** A trusted validating server says that the whole answer is authentic. */
  readonly secure: boolean;
  /** For `tempfail`: what happened at which server, for logs and DSNs. */
  readonly reason?: string;
  /** The canonical name, where the asked name is an alias. */
  readonly cname?: string;
}

export interface ResolveOptions {
  /** Gives up waiting when aborted; the answer is then `tempfail`. */
  readonly signal?: AbortSignal;
}

export interface Resolver {
  /**
   * Looks records up. A name that is not a valid domain name is `nxdomain` with a reason. Never rejects.
   */
  resolve<T extends RecordType>(
    name: string,
    type: T,
    options?: ResolveOptions,
  ): Promise<Answer<RecordOf<T>>>;
}

export {
  addresses,
  type HostAddress,
  type HostAddresses,
  iprev,
  type MailExchanger,
  type MxHosts,
  mxHosts,
  type ReverseConfirmation,
} from "./mail-lookups.ts";
export { LookupError, type MailauthResolver, toMailauthResolver } from "./mailauth-resolver.ts";
export {
  createResolver,
  InvalidServer,
  type StubResolver,
  type StubResolverOptions,
  serverAddress,
} from "./stub-resolver.ts";
