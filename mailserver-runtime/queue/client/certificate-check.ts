/** Whether the certificate a server showed is the one a policy asks for. Pure but for the socket's own verdict. */
import { checkServerIdentity, type TLSSocket } from "node:tls";
import type { TlsFailure, TlsPolicy } from "./tls-policy.ts";

/** What the policy has against the certificate of this connection; undefined: nothing. */
export function certificateProblem(secure: TLSSocket, policy: TlsPolicy): TlsFailure | undefined {
  if (policy.level === "judge") return policy.problem(secure.getPeerCertificate(true));
  if (policy.level === "refuse") return policy.failure;
  if (policy.level !== "verify") return undefined;
  if (!secure.authorized) return untrusted(secure.authorizationError);
  const certificate = secure.getPeerCertificate();
  const fits = policy.names.some((name) =>
    name.startsWith("*.")
      ? wildcardFits(name, certificate.subjectaltname ?? "")
      : checkServerIdentity(name, certificate) === undefined,
  );
  return fits
    ? undefined
    : { type: "certificate-host-mismatch", text: `it is not for ${policy.names.join(" or ")}` };
}

/** Node gives the error of the chain's verification, or OpenSSL's name for it. */
function untrusted(error: unknown): TlsFailure {
  const text = String(error ?? "it is not trusted");
  const expired = /CERT_HAS_EXPIRED|has expired/i.test(text);
  return { type: expired ? "certificate-expired" : "certificate-not-trusted", text };
}

/** A policy's `*.example.org` fits a certificate with a name of one label below it, or with that very wildcard. */
function wildcardFits(pattern: string, alternativeNames: string): boolean {
  return alternativeNames.split(/,\s*/).some((entry) => {
    const name = entry.startsWith("DNS:") ? entry.slice(4).toLowerCase() : "";
    const dot = name.indexOf(".");
    return dot > 0 && name.slice(dot) === pattern.slice(1).toLowerCase();
  });
}
