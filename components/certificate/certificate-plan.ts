/**
 * Which certificates a stack has: one for the host's own name, and one for each domain's names that are fetched from by HTTPS,
 * so that a domain whose DNS is not right yet keeps nobody else's certificate from being issued. A function of its arguments.
 */
import { under } from "../../mailserver-runtime/dns/records.ts";
import {
  type DeclaredIssuer,
  declaredIssuerSchema,
  neededSecret,
} from "../../mailserver-runtime/settings/certificate-issuer.ts";
import { type Mistake, quote } from "../mistakes.ts";
import { misfits } from "../provider/validation.ts";
import type { CertificateArgs } from "./certificate-args.ts";

export interface PlannedCertificate {
  /** What its resource is called behind the stack's name. */
  readonly called: string;
  /** The first one is the subject. */
  readonly names: readonly string[];
}

export interface CertificatePlan {
  readonly issuer: DeclaredIssuer;
  /** The host's own first. */
  readonly certificates: readonly PlannedCertificate[];
  /** Every name that HTTPS answers for besides the host's. */
  readonly webNames: readonly string[];
}

export interface CertificatePlanInput {
  readonly certificate: CertificateArgs | undefined;
  /** Whether a secret is there for DNS-01. */
  readonly hasToken: boolean;
  readonly hostname: string;
  readonly domains: readonly { readonly name: string; readonly mtaSts: boolean }[];
  /** Whether mail programs find their settings below the domains. */
  readonly clientSettings: boolean;
}

export function planCertificates(input: CertificatePlanInput, mistakes: Mistake[]): CertificatePlan {
  const issuer = planIssuer(input, mistakes);
  const { hostname, domains, clientSettings } = input;
  // No authority of the world certifies it; the host's own does, for whoever connects from this machine.
  const ownNames = issuer.type === "acme" ? [hostname] : [hostname, "localhost"];
  const web = domains.flatMap(({ name, mtaSts }) => {
    const labels = [
      ...(clientSettings ? ["autoconfig", "autodiscover"] : []),
      ...(mtaSts ? ["mta-sts"] : []),
    ];
    const names = labels.map((label) => under(label, name)).filter((full) => full !== hostname);
    return names.length === 0 ? [] : [{ called: `certificate-${name}`, names }];
  });
  return {
    issuer,
    certificates: [{ called: "certificate", names: ownNames }, ...web],
    webNames: web.flatMap(({ names }) => names),
  };
}

function planIssuer(
  { certificate = { type: "local-ca" }, hasToken, hostname }: CertificatePlanInput,
  mistakes: Mistake[],
): DeclaredIssuer {
  const checked = declaredIssuerSchema.safeParse(certificate);
  if (!checked.success) {
    for (const { path, reason } of misfits(checked.error, declaredIssuerSchema, ["certificate"]))
      mistakes.push({ where: path, what: reason });
    return { type: "local-ca" };
  }
  const issuer = checked.data;
  const needed = neededSecret(issuer);
  if (needed !== undefined && !hasToken)
    mistakes.push({
      where: "tokens.acme",
      what: `is missing: the ${needed} by which certificate.challenge.publisher changes the zone`,
    });
  if (needed === undefined && hasToken)
    mistakes.push({
      where: "tokens.acme",
      what: "is for a certificate.challenge by dns-01 that needs a secret, and none is declared",
    });
  if (issuer.type === "acme" && hostname !== "" && !hostname.includes("."))
    mistakes.push({ where: "hostname", what: `${quote(hostname)} is no name that an authority certifies` });
  return issuer;
}
