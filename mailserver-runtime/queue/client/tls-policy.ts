/**
 * What a delivery asks of TLS. Without a policy it is opportunistic (RFC 7435): STARTTLS where it is offered, any
 * certificate, plain text where there is none, since refusing plain text would only mean less mail and no more secrecy.
 * MTA-STS (RFC 8461), DANE (RFC 7672), REQUIRETLS (RFC 8689) and relays with a login ask for more, each by a value of this
 * type and nothing else.
 */
import type { PeerCertificate } from "node:tls";

export type TlsPolicy =
  | { readonly level: "none" }
  | { readonly level: "opportunistic" }
  /** TLS or no delivery; any certificate. */
  | { readonly level: "encrypt" }
  /** TLS with a certificate of a known authority, valid for one of these names (`*.` for one label). */
  | { readonly level: "verify"; readonly names: readonly string[] }
  /** TLS with a certificate that this judges (DANE): undefined when it fits, else what is wrong with it. */
  | { readonly level: "judge"; readonly problem: (certificate: PeerCertificate) => string | undefined };

/** How a connection ended up, for logs and TLS reports (RFC 8460). */
export interface TlsOutcome {
  readonly policy: TlsPolicy["level"];
  readonly protocol: string | undefined;
  readonly cipher: string | undefined;
  /** Why there is no TLS though it was tried. */
  readonly failure: string | undefined;
}

/** Whether mail may go in plain text when TLS cannot be had. */
export function plainTextAllowed(policy: TlsPolicy): boolean {
  return policy.level === "none" || policy.level === "opportunistic";
}
