/**
 * REQUIRETLS (RFC 8689 §4.2.1): a message that says so goes only to a host whose name DNSSEC or MTA-STS vouches for, whose
 * certificate is verified, and that offers REQUIRETLS itself. Where no host of a destination does all that, the message
 * fails for good: to wait would not change it, and its sender is to know.
 */
import { TlsError } from "./tls-error.ts";
import type { TlsDemand } from "./tls-policy.ts";
import { ClientError } from "./wire.ts";

/** The host would take the message, but promises nothing for its further way. */
export class RequireTlsNotOffered extends ClientError {
  override name = "RequireTlsNotOffered";
  constructor(host: string) {
    super("tls", `${host} does not offer REQUIRETLS over TLS (RFC 8689)`);
  }
}

/** The demand with a verified certificate in it; `host` is the name that the certificate has to show. */
export function requiredDemand(demand: TlsDemand, host: string): TlsDemand {
  const { level } = demand.policy;
  if (level === "judge" || level === "verify" || level === "refuse") return demand;
  if (demand.hostAuthenticated) return { ...demand, policy: { level: "verify", names: [host] } };
  const text = `neither DNSSEC nor MTA-STS says that ${host} is the right host, and the message has REQUIRETLS`;
  return { ...demand, policy: { level: "refuse", failure: { type: "validation-failure", text } } };
}

/**
 * The status (RFC 8689 §4.2.1) where an attempt shows that a host cannot keep REQUIRETLS; undefined where it shows nothing
 * of the kind: a connection that failed, or DNS that did not answer, may do better later.
 */
export function unmetRequirement(error: ClientError): string | undefined {
  if (error instanceof RequireTlsNotOffered) return "5.7.30";
  return error instanceof TlsError && error.failure.type !== "dnssec-invalid" ? "5.7.10" : undefined;
}
