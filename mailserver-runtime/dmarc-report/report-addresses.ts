/**
 * Where a domain wants its aggregate reports, and whether those who are to get them agree (RFC 7489 §6.2, §7.1; RFC 9990
 * §4): an address at a foreign domain counts only when that domain says so at `<domain>._report._dmarc.<its own name>`,
 * so that nobody can have a stranger flooded with reports.
 */
import { getDomain } from "tldts";
import type { Resolver } from "../dns/resolver.ts";
import { canonicalAddress, domainOf } from "../message/address.ts";
import { dmarcTags } from "./dmarc-row.ts";

export interface AggregateTarget {
  readonly address: string;
  /** The most octets its reports may have. */
  readonly maxBytes: number;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };
/** Targets of one record that are used. */
const MAX_TARGETS = 5;
const VERSION = /^v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/;

/** Empty where nobody wants reports; undefined where it cannot be known now. */
export async function aggregateTargets(
  domain: string,
  resolver: Resolver,
): Promise<readonly AggregateTarget[] | undefined> {
  const answer = await resolver.resolve(`_dmarc.${domain}`, "TXT");
  if (answer.status === "tempfail") return undefined;
  const records = answer.records.map(({ strings }) => strings.join("")).filter((text) => VERSION.test(text));
  const [record] = records;
  if (record === undefined || records.length > 1) return [];
  const agreed: AggregateTarget[] = [];
  for (const target of targetsOf(dmarcTags(record).get("rua") ?? "")) {
    const agrees = await agreesTo(domain, domainOf(target.address), resolver);
    if (agrees === undefined) return undefined;
    if (agrees) agreed.push(target);
  }
  return agreed;
}

/** The mail addresses of a `rua` value, with their limits (`!10m`). Other URIs are passed over. */
export function targetsOf(rua: string): readonly AggregateTarget[] {
  return rua
    .split(",")
    .flatMap((uri) => targetOf(uri.trim()) ?? [])
    .slice(0, MAX_TARGETS);
}

function targetOf(uri: string): AggregateTarget | undefined {
  const parts = /^mailto:([^!?]+)(?:\?[^!]*)?(?:!(\d{1,12})([kmgt]?))?$/i.exec(uri);
  if (parts === null) return undefined;
  try {
    const address = canonicalAddress(decodeURIComponent(parts[1]!));
    if (address === undefined) return undefined;
    const limit = parts[2];
    const unit = UNITS[parts[3]?.toLowerCase() ?? ""] ?? 1;
    return { address, maxBytes: limit === undefined ? Number.POSITIVE_INFINITY : Number(limit) * unit };
  } catch {
    // A percent sign that encodes nothing.
    return undefined;
  }
}

async function agreesTo(domain: string, receiver: string, resolver: Resolver): Promise<boolean | undefined> {
  if (organization(domain) === organization(receiver)) return true;
  const answer = await resolver.resolve(`${domain}._report._dmarc.${receiver}`, "TXT");
  if (answer.status === "tempfail") return undefined;
  return answer.records.some(({ strings }) => VERSION.test(strings.join("")));
}

/** The organisational domain by the public suffix list; the name itself where the list knows none above it. */
const organization = (domain: string): string =>
  getDomain(domain, { allowPrivateDomains: true }) ?? domain.toLowerCase();
