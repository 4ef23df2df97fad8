/** Where a domain wants its TLS reports: the TXT record at `_smtp._tls.<domain>` (RFC 8460 §3). */

import type { Resolver } from "../dns/resolver.ts";
import { canonicalAddress } from "../message/address.ts";

export type ReportTarget =
  | { readonly kind: "mailto"; readonly address: string }
  | { readonly kind: "https"; readonly url: URL };

const VERSION = /^v=TLSRPTv1[ \t]*;/;
/** Targets of one record that are used. */
const MAX_TARGETS = 5;

/** Empty where nobody wants reports; undefined where it cannot be known now. */
export async function reportingAddresses(
  domain: string,
  resolver: Resolver,
): Promise<readonly ReportTarget[] | undefined> {
  const answer = await resolver.resolve(`_smtp._tls.${domain}`, "TXT");
  if (answer.status === "tempfail") return undefined;
  const records = answer.records.map(({ strings }) => strings.join("")).filter((text) => VERSION.test(text));
  const [record] = records;
  // Several records are as none (RFC 8460 §3).
  return record === undefined || records.length > 1 ? [] : targetsOf(record);
}

/** The targets of one record; those that are not understood are passed over. */
export function targetsOf(record: string): readonly ReportTarget[] {
  const field = record
    .split(";")
    .slice(1)
    .map((part) => part.trim())
    .find((part) => part.startsWith("rua="));
  return (field?.slice("rua=".length) ?? "")
    .split(",")
    .flatMap((uri) => targetOf(uri.trim()) ?? [])
    .slice(0, MAX_TARGETS);
}

function targetOf(uri: string): ReportTarget | undefined {
  try {
    const url = new URL(uri);
    if (url.protocol === "https:" && url.username === "") return { kind: "https", url };
    if (url.protocol !== "mailto:") return undefined;
    const address = canonicalAddress(decodeURIComponent(url.pathname));
    return address === undefined ? undefined : { kind: "mailto", address };
  } catch {
    return undefined;
  }
}
