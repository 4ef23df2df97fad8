/**
 * What a delivery asks of TLS, and how a connection ended up.
 *
 * Without a demand TLS is opportunistic (RFC 7435): STARTTLS where it is offered, any certificate, plain text where there
 * is none, since refusing plain text would only mean less mail and no more secrecy. MTA-STS (RFC 8461), DANE (RFC 7672),
 * REQUIRETLS (RFC 8689) and relays with a login ask for more, each by a value of these types and nothing else.
 */
import type { PeerCertificate } from "node:tls";

export type TlsPolicy =
  | { readonly level: "none" }
  | { readonly level: "opportunistic" }
  /** TLS or no delivery; any certificate. */
  | { readonly level: "encrypt" }
  /** TLS with a certificate of a known authority, valid for one of these names (`*.` for one label). */
  | { readonly level: "verify"; readonly names: readonly string[] }
  /**
   * TLS with a certificate that `problem` judges (DANE): undefined when it fits, else what is wrong with it. The
   * certificate carries its issuers. `serverName` is for SNI; the host's own name where it is absent.
   */
  | {
      readonly level: "judge";
      readonly serverName?: string;
      readonly problem: (certificate: PeerCertificate) => TlsFailure | undefined;
    }
  /** No connection: what the host must offer cannot be found out, or it is no host of the destination's. */
  | { readonly level: "refuse"; readonly failure: TlsFailure };

/** What went wrong, by the names of RFC 8460 §4.3. */
export const tlsFailureTypes = [
  "starttls-not-supported",
  "certificate-host-mismatch",
  "certificate-not-trusted",
  "certificate-expired",
  "validation-failure",
  "tlsa-invalid",
  "dnssec-invalid",
  "dane-required",
  "sts-policy-fetch-error",
  "sts-policy-invalid",
  "sts-webpki-invalid",
] as const;
export type TlsFailureType = (typeof tlsFailureTypes)[number];
export interface TlsFailure {
  readonly type: TlsFailureType;
  /** What was wrong, for logs, transcripts and DSNs. */
  readonly text: string;
}

/** What a destination asks for one of its hosts, and where that is written. */
export interface TlsDemand {
  readonly policy: TlsPolicy;
  /** Looked at and reported, not enforced: MTA-STS in mode "testing" (RFC 8461 §5). */
  readonly observed?: TlsPolicy;
  /**
   * The host's name is known to be the destination's, by DNSSEC or MTA-STS: with its certificate verified, REQUIRETLS can
   * be kept (RFC 8689 §4.2.1).
   */
  readonly hostAuthenticated: boolean;
  readonly basis: TlsBasis;
}
/** The published policy behind a demand, as TLS reports name it (RFC 8460 §4.4). */
export interface TlsBasis {
  readonly type: "tlsa" | "sts" | "no-policy-found";
  /** The policy's text: its TLSA records, or the lines of its file. */
  readonly strings: readonly string[];
  /** The host patterns of an MTA-STS policy. */
  readonly mxHosts: readonly string[];
  /** Policies that could not be had or used, and why: reported, though mail went on without them. */
  readonly failures: readonly TlsFailure[];
}

/** Nothing is published. */
export const noBasis: TlsBasis = { type: "no-policy-found", strings: [], mxHosts: [], failures: [] };
/** What is asked where nobody asks anything. */
export const opportunisticDemand: TlsDemand = {
  policy: { level: "opportunistic" },
  hostAuthenticated: false,
  basis: noBasis,
};

/** How a connection ended up, for logs and TLS reports (RFC 8460). */
export interface TlsOutcome {
  readonly policy: TlsPolicy["level"];
  readonly protocol: string | undefined;
  readonly cipher: string | undefined;
  /** Why there is no TLS, or what a policy that is only observed would have refused. */
  readonly failure: TlsFailure | undefined;
}

const LEVEL_WORDS: { readonly [L in TlsPolicy["level"]]: string } = {
  none: "opportunistic",
  opportunistic: "opportunistic",
  encrypt: "any certificate",
  verify: "verified",
  judge: "DANE",
  refuse: "refused",
};

/** "TLSv1.3, DANE", "TLSv1.3, opportunistic", "plain text": for transcripts and logs. */
export function tlsWords({ protocol, policy }: TlsOutcome): string {
  return protocol === undefined ? "plain text" : `${protocol}, ${LEVEL_WORDS[policy]}`;
}

/** Whether mail may go in plain text when TLS cannot be had. */
export function plainTextAllowed(policy: TlsPolicy): boolean {
  return policy.level === "none" || policy.level === "opportunistic";
}
