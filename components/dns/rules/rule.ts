/**
 * What a rule of the plan is: a function of the whole declared mail stack that yields findings, each a record with its
 * reason, a record left out with what would bring it, or a warning. Rules know nothing of each other.
 */
import {
  type DnsRecord,
  dnsRecord,
  domainName,
  hostName,
  InvalidName,
  InvalidRecord,
} from "../../../mailserver-runtime/dns/records.ts";
import { type PlanArgs, type PlanDomain, PlanError } from "../plan-types.ts";

/** The arguments with canonical names and addresses, and no domain twice. */
export interface MailStackFacts extends Omit<PlanArgs, "ttl"> {
  readonly host: {
    readonly name: string;
    readonly ipv4: readonly string[];
    readonly ipv6: readonly string[];
  };
  readonly domains: readonly DeclaredDomain[];
  readonly ttl: number;
}

export interface DeclaredDomain extends PlanDomain {
  /** Where it stands in the arguments, for errors: "domains[1]". */
  readonly field: string;
}

export type Finding =
  | { readonly kind: "record"; readonly record: DnsRecord; readonly domain?: string; readonly reason: string }
  | { readonly kind: "left-out"; readonly what: string; readonly reason: string }
  | { readonly kind: "warning"; readonly text: string };

export type Rule = (facts: MailStackFacts) => Iterable<Finding>;

/** A record for one declared domain, or for the host when `domain` is undefined. */
export function planned(record: DnsRecord, reason: string, domain?: string): Finding {
  return { kind: "record", record, reason, ...(domain === undefined ? {} : { domain }) };
}

export function leftOut(what: string, reason: string): Finding {
  return { kind: "left-out", what, reason };
}

export function warning(text: string): Finding {
  return { kind: "warning", text };
}

/** A canonical host name. @throws {PlanError} naming the field */
export function hostField(name: string, field: string): string {
  return checked(field, "invalid-name", () => hostName(name));
}

/** A canonical domain name. @throws {PlanError} naming the field */
export function nameField(name: string, field: string): string {
  return checked(field, "invalid-name", () => domainName(name));
}

/** A checked record. @throws {PlanError} naming the field */
export function recordField<R extends DnsRecord>(record: R, field: string): R {
  return checked(field, "policy", () => dnsRecord(record));
}

const MAILBOX = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@([^@\s,;]+)$/;

/** Where reports go: the address as a URI for the record, and the domain that receives them. */
export interface ReportAddress {
  readonly uri: string;
  readonly domain: string;
}

/**
 * Reads "reports@example.com" or "mailto:reports@example.com". Commas and exclamation marks would end the URI in a
 * DMARC record and are percent-encoded (RFC 7489 §6.2).
 *
 * @throws {PlanError}
 */
export function reportAddress(address: string, field: string): ReportAddress {
  const plain = address.replace(/^mailto:/i, "");
  const domain = MAILBOX.exec(plain)?.[1];
  if (domain === undefined)
    throw new PlanError(
      "report-address",
      field,
      `"${address}" is not a mail address; write reports@example.com`,
    );
  const canonical = hostField(domain, field);
  const local = plain
    .slice(0, plain.lastIndexOf("@"))
    .replace(/[%,!;?/]/g, (character) => encodeURIComponent(character).replace("!", "%21"));
  return { uri: `mailto:${local}@${canonical}`, domain: canonical };
}

function checked<T>(field: string, code: "invalid-name" | "policy", read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof InvalidName || error instanceof InvalidRecord)
      throw new PlanError(code, field, error.message);
    throw error;
  }
}
