/**
 * DANE for SMTP (RFC 7672): the keys of a mail host stand in the DNS, signed by DNSSEC.
 *
 * A domain whose MX records are signed names hosts; a host whose addresses are signed may have TLSA records at
 * `_25._tcp.<host>` (RFC 6698) that say which certificate or authority it shows. Where there are such records, mail goes
 * there over TLS with a certificate that fits them, or it waits. No public authority is involved, and nobody who forges
 * answers or strips STARTTLS gets mail, not even the first time.
 *
 * All of it rests on knowing which answers are authentic: `secure` of our resolver, which is only ever true for a validating
 * resolver that we may believe (dns/resolver.ts). This room promises to never fall back: an answer that cannot be had
 * (SERVFAIL, which is what a validating resolver makes of a forged one, or silence) means that mail waits (§2.1.2). What is
 * provably unsigned, or provably not there, means that DANE does not apply. Records that cannot be used still ask for TLS,
 * with any certificate (§2.2).
 */
import { domainName, ipAddress, isDomainName, type TlsaRecord } from "../dns/records.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { TlsFailure } from "../queue/client/tls-policy.ts";
import { usableRecords } from "./tlsa.ts";

/** A host of a destination. */
export interface DaneHost {
  readonly host: string;
  /** The address that will be connected to. */
  readonly address: string;
  readonly port: number;
  /** DNSSEC authenticates that the host is the destination's. */
  readonly secure: boolean;
  /** The service's labels (RFC 6698 §3), `_587._tcp`, for a relay; where absent those of an MX host. */
  readonly service?: string;
}
export type DaneAnswer =
  | { readonly kind: "none" }
  /** It cannot be known now: mail waits. */
  | { readonly kind: "unknown"; readonly failure: TlsFailure }
  | {
      readonly kind: "records";
      /** The TLSA base domain: for SNI, and the first name a certificate may have (RFC 7672 §2.2.3, §8.1). */
      readonly base: string;
      /** Empty where none can be used. */
      readonly usable: readonly TlsaRecord[];
      /** Names of which an authority's certificate must have one (§3.2.3). */
      readonly names: readonly string[];
      /** All records as text, for reports. */
      readonly strings: readonly string[];
    };

const none: DaneAnswer = { kind: "none" };
const SMTP_PORT = 25;

/** The TLSA records for one host of the recipients' domain. Never rejects. */
export async function findDane(recipients: string, at: DaneHost, resolver: Resolver): Promise<DaneAnswer> {
  if (!at.secure || ipAddress(at.host) !== undefined) return none;
  const domain = isDomainName(recipients) ? domainName(recipients) : recipients;
  const bases = await baseDomains(at, resolver);
  if ("failure" in bases) return unknown(bases.failure);
  for (const base of bases.names)
    for (const service of at.service === undefined ? servicesOf(at.port) : [at.service]) {
      const name = `${service}.${base}`;
      const answer = await resolver.resolve(name, "TLSA");
      if (answer.status === "tempfail")
        return unknown(`the TLSA records of ${name} cannot be had: ${answer.reason ?? "no answer"}`);
      if (answer.status !== "ok" || !answer.secure) continue;
      return {
        kind: "records",
        base,
        usable: usableRecords(answer.records),
        names: [...new Set([base, domain, ...(await canonicalName(domain, resolver))])],
        strings: answer.records.map(
          ({ usage, selector, matchingType, certificate }) =>
            `${usage} ${selector} ${matchingType} ${certificate}`,
        ),
      };
    }
  return none;
}

/**
 * The names below which TLSA records are looked for (RFC 7672 §2.2.2): the end of the host's alias chain, then the host
 * itself; the host alone where the chain leaves what is signed; none where the host's own zone is not signed, since such
 * zones are served by name servers that cannot be relied upon to answer for TLSA.
 */
async function baseDomains(
  { host, address }: DaneHost,
  resolver: Resolver,
): Promise<{ readonly names: readonly string[] } | { readonly failure: string }> {
  const found = await resolver.resolve(host, ipAddress(address)?.family === 6 ? "AAAA" : "A");
  if (found.status === "tempfail")
    return { failure: `the addresses of ${host} cannot be had: ${found.reason ?? "no answer"}` };
  if (found.cname === undefined) return { names: found.secure ? [host] : [] };
  if (found.secure) return { names: [found.cname, host] };
  const alias = await resolver.resolve(host, "CNAME");
  if (alias.status === "tempfail")
    return { failure: `the alias ${host} cannot be looked up: ${alias.reason ?? "no answer"}` };
  return { names: alias.secure ? [host] : [] };
}

/**
 * The service's labels (RFC 6698 §3). `delivery.port` is another than 25 only in closed test networks, where it stands for
 * 25: records published for the real port count there as well.
 */
function servicesOf(port: number): readonly string[] {
  return port === SMTP_PORT ? [`_${SMTP_PORT}._tcp`] : [`_${port}._tcp`, `_${SMTP_PORT}._tcp`];
}

/** The domain's name at the end of its aliases, where it is one (RFC 7672 §3.2.3). */
async function canonicalName(domain: string, resolver: Resolver): Promise<readonly string[]> {
  const { cname, secure } = await resolver.resolve(domain, "MX");
  return cname === undefined || !secure ? [] : [cname];
}

const unknown = (text: string): DaneAnswer => ({
  kind: "unknown",
  failure: { type: "dnssec-invalid", text },
});
