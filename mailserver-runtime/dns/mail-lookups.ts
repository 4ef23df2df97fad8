/**
 * What mail asks the DNS: where a domain's mail goes, which addresses a host has, and whether an address's name is
 * confirmed by that name's addresses.
 */
import type { AaaaRecord, ARecord } from "./records.ts";
import { domainName, InvalidName, ipAddress, reverseName } from "./records.ts";
import type { AnswerStatus, ResolveOptions, Resolver } from "./resolver.ts";

export interface MailExchanger {
  /** Canonical host name. */
  readonly host: string;
  readonly preference: number;
}

export interface MxHosts {
  /**
   * `ok`: try `hosts` in order. `null-mx`: the domain takes no mail (RFC 7505): 556 5.1.10. `nxdomain`: no such domain.
   * `tempfail`: try later.
   */
  readonly status: "ok" | "null-mx" | "nxdomain" | "tempfail";
  /** By preference; equal ones in random order, to spread the load (RFC 5321 §5.1). */
  readonly hosts: readonly MailExchanger[];
  /** No MX record stands there: the domain itself is the host, if it has an address (RFC 5321 §5.1). */
  readonly implicit: boolean;
  /** The answer is authenticated: DANE may be used (RFC 7672 §2.2.1). */
  readonly secure: boolean;
  /** Seconds. */
  readonly ttl: number;
  readonly reason?: string;
}

/** Hosts kept of one MX set; a sender tries a few, and a set of thousands is an attack. */
const MAX_EXCHANGERS = 50;
/** PTR names looked at for one address (RFC 7208 §4.6.4 has the same bound). */
const MAX_PTR_NAMES = 10;

/** Where mail for a domain goes. Address literals are the caller's business. `random` gives 0 ≤ x < 1. */
export async function mxHosts(
  resolver: Resolver,
  domain: string,
  options?: ResolveOptions & { readonly random?: () => number },
): Promise<MxHosts> {
  const answer = await resolver.resolve(domain, "MX", options);
  const { ttl, secure, reason } = answer;
  const none = { hosts: [], implicit: false, secure, ttl, reason };
  switch (answer.status) {
    case "tempfail":
    case "nxdomain":
      return { status: answer.status, ...none };
    case "nodata":
      return { status: "ok", ...none, hosts: [{ host: canonical(domain), preference: 0 }], implicit: true };
    case "ok": {
      // RFC 7505 §3: a null MX stands alone. Beside others "." leads nowhere and is passed over.
      const hosts = answer.records.filter((record) => record.exchange !== ".");
      if (hosts.length === 0) return { status: "null-mx", ...none };
      const sorted = shuffled(hosts, options?.random ?? Math.random).sort(
        (a, b) => a.preference - b.preference,
      );
      return {
        status: "ok",
        ...none,
        hosts: sorted
          .slice(0, MAX_EXCHANGERS)
          .map(({ exchange, preference }) => ({ host: exchange, preference })),
      };
    }
  }
}

export interface HostAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

export interface HostAddresses {
  /** `ok` when one family has an address; `tempfail` when none has and one could not be asked. */
  readonly status: AnswerStatus;
  /** IPv6 before IPv4, each as the server ordered them. */
  readonly addresses: readonly HostAddress[];
  /** Both families' answers are authenticated. */
  readonly secure: boolean;
  readonly ttl: number;
  /** The end of the alias chain, where the host is an alias. */
  readonly cname?: string;
  readonly reason?: string;
}

/** The addresses of a host. */
export async function addresses(
  resolver: Resolver,
  host: string,
  options?: ResolveOptions,
): Promise<HostAddresses> {
  const [aaaa, a] = await Promise.all([
    resolver.resolve(host, "AAAA", options),
    resolver.resolve(host, "A", options),
  ]);
  const found = [
    ...aaaa.records.map(({ address }: AaaaRecord) => ({ address, family: 6 as const })),
    ...a.records.map(({ address }: ARecord) => ({ address, family: 4 as const })),
  ];
  const statuses = [aaaa.status, a.status];
  const status = (["ok", "tempfail", "nodata", "nxdomain"] as const).find((each) => statuses.includes(each))!;
  return {
    status,
    addresses: found,
    secure: aaaa.secure && a.secure,
    ttl: Math.min(aaaa.ttl, a.ttl),
    cname: a.cname ?? aaaa.cname,
    reason: [aaaa.reason, a.reason].filter((reason) => reason !== undefined).join("; ") || undefined,
  };
}

export interface ReverseConfirmation {
  /** The results of RFC 8601 §2.7.3. `permerror`: no PTR record at all. */
  readonly status: "pass" | "fail" | "temperror" | "permerror";
  /** With `pass` the first name whose addresses include the client's. */
  readonly name?: string;
  /** Every PTR name, confirmed or not. */
  readonly names: readonly string[];
}

/** The "iprev" method (RFC 8601 §3): the address's PTR names, confirmed by their own addresses. */
export async function iprev(
  resolver: Resolver,
  address: string,
  options?: ResolveOptions,
): Promise<ReverseConfirmation> {
  const client = ipAddress(address);
  const pointer = reverseName(address);
  if (client === undefined || pointer === undefined) return { status: "permerror", names: [] };
  const answer = await resolver.resolve(pointer, "PTR", options);
  if (answer.status === "tempfail") return { status: "temperror", names: [] };
  const names = [...new Set(answer.records.map((record) => record.target))].slice(0, MAX_PTR_NAMES);
  if (names.length === 0) return { status: "permerror", names };
  const type = client.family === 6 ? "AAAA" : "A";
  const forward = await Promise.all(names.map((name) => resolver.resolve(name, type, options)));
  const confirmed = names.find((_, index) =>
    (forward[index]?.records ?? []).some((record) => record.address === client.text),
  );
  if (confirmed !== undefined) return { status: "pass", name: confirmed, names };
  return { status: forward.some(({ status }) => status === "tempfail") ? "temperror" : "fail", names };
}

function canonical(domain: string): string {
  try {
    return domainName(domain);
  } catch (error) {
    // The resolver has answered for it, so it is valid; kept total all the same.
    if (error instanceof InvalidName) return domain;
    throw error;
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const shuffle = [...items];
  for (let last = shuffle.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [shuffle[last], shuffle[other]] = [shuffle[other]!, shuffle[last]!];
  }
  return shuffle;
}
