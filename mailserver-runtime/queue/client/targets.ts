/**
 * Where a delivery connects: the hosts of a destination in the order in which they are tried (RFC 5321 §5.1).
 *
 * - MX records by preference, equal ones shuffled; without MX the domain's own addresses; a null MX (RFC 7505) is final.
 * - If this server is among the hosts, itself and every host that is not preferred to it are left out, so that two backup
 *   servers never play ping-pong; if nothing is left, the mail would loop, and fails.
 * - IPv4 comes before IPv6, and IPv6 only where this server's own address is fit for it (source-addresses.ts).
 */
import { addresses, mxHosts } from "../../dns/mail-lookups.ts";
import { ipAddress } from "../../dns/records.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Relay } from "../relay.ts";
import { isPrivateIpv6, type Sources } from "../source-addresses.ts";

/**
 * Where a connection leads, and what the messages on it ask of TLS themselves: "required" is REQUIRETLS, "optional" is
 * `TLS-Required: No` (RFC 8689). A connection made for one kind is never used for another.
 */
export type RemoteDestination = (
  | { readonly kind: "mx"; readonly domain: string }
  | { readonly kind: "relay"; readonly relay: Relay }
) & { readonly tls?: "required" | "optional" };

export interface Target {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly localAddress: string | undefined;
  /** DNSSEC authenticates that this is a host of the destination: its MX records, or that it has none (RFC 7672 §2.2.1). */
  readonly secure: boolean;
}
export type Targets =
  | { readonly kind: "targets"; readonly targets: readonly Target[] }
  | {
      readonly kind: "temporary" | "permanent";
      /** RFC 3463. */
      readonly status: string;
      readonly text: string;
    };

/**
 * Whether a host of a domain is this very server: by its name, or because connecting to its address would lead here.
 * Behind a translated address only the name tells.
 */
export type IsOurself = (
  domain: string,
  host: string,
  at?: { readonly address: string; readonly port: number },
) => boolean;

export interface TargetOptions {
  readonly resolver: Resolver;
  /** Port of MX hosts. */
  readonly port: number;
  /** Local addresses to send from, and whether IPv6 is used at all. */
  readonly sources: Sources;
  readonly isOurself: IsOurself;
  readonly signal?: AbortSignal;
}

/** Addresses tried for one delivery; a destination with more has spread its load, not its reliability. */
export const MAX_TARGETS = 10;

export async function findTargets(destination: RemoteDestination, options: TargetOptions): Promise<Targets> {
  if (destination.kind === "relay") return relayTargets(destination.relay, options);
  const { domain } = destination;
  const literal = /^\[(?:IPv6:)?(.*)\]$/i.exec(domain)?.[1];
  if (literal !== undefined) return literalTargets(literal, options);
  return mxTargets(domain, options);
}

async function mxTargets(domain: string, options: TargetOptions): Promise<Targets> {
  const mx = await mxHosts(options.resolver, domain, { signal: options.signal });
  switch (mx.status) {
    case "tempfail":
      return failure(
        "temporary",
        "4.4.3",
        `the MX records of ${domain} cannot be found now: ${mx.reason ?? "no answer"}`,
      );
    case "nxdomain":
      return failure("permanent", "5.1.2", `the domain ${domain} does not exist`);
    case "null-mx":
      return failure("permanent", "5.1.10", `the domain ${domain} takes no mail (null MX, RFC 7505)`);
    case "ok":
  }
  const found: (Target & { readonly preference: number })[] = [];
  let unknown: string | undefined;
  let ourPreference = Number.POSITIVE_INFINITY;
  for (const { host, preference } of mx.hosts) {
    if (found.length >= MAX_TARGETS || preference >= ourPreference) break;
    if (options.isOurself(domain, host)) {
      ourPreference = Math.min(ourPreference, preference);
      continue;
    }
    const at = await addresses(options.resolver, host, { signal: options.signal });
    if (at.status === "tempfail") unknown ??= `${host}: ${at.reason ?? "no answer"}`;
    const { secure } = mx;
    for (const { address } of at.addresses) {
      if (options.isOurself(domain, host, { address, port: options.port }))
        ourPreference = Math.min(ourPreference, preference);
      else found.push({ host, address, port: options.port, localAddress: undefined, secure, preference });
    }
  }
  const targets = found.filter(({ preference }) => preference < ourPreference);
  if (targets.length > 0) return ordered(targets, options);
  if (ourPreference < Number.POSITIVE_INFINITY)
    return failure(
      "permanent",
      "5.4.6",
      `mail for ${domain} comes back to this server, which does not host it`,
    );
  if (unknown !== undefined)
    return failure(
      "temporary",
      "4.4.3",
      `no address of ${domain}'s mail hosts can be found now (${unknown})`,
    );
  return failure("permanent", "5.4.4", `no mail host of ${domain} has an address`);
}

function literalTargets(text: string, options: TargetOptions): Targets {
  const address = ipAddress(text)?.text;
  if (address === undefined) return failure("permanent", "5.1.2", `[${text}] is no address literal`);
  if (options.isOurself(`[${text}]`, address, { address, port: options.port }))
    return failure("permanent", "5.4.6", `[${address}] is this server, which does not host that address`);
  return ordered(
    [{ host: address, address, port: options.port, localAddress: undefined, secure: false }],
    options,
  );
}

async function relayTargets(relay: Relay, options: TargetOptions): Promise<Targets> {
  const { host, port } = relay;
  const literal = ipAddress(host)?.text;
  const make = (name: string, address: string, secure: boolean): Target => ({
    host: name,
    address,
    port,
    localAddress: undefined,
    secure,
  });
  if (literal !== undefined) return ordered([make(literal, literal, false)], options);
  const mx = relay.lookupMx === true ? await mxHosts(options.resolver, host, options) : undefined;
  const hosts = mx?.status === "ok" ? mx.hosts.slice(0, MAX_TARGETS).map((one) => one.host) : [host];
  const targets: Target[] = [];
  let missing = mx?.status === "tempfail" ? `its MX records: ${mx.reason ?? "no answer"}` : undefined;
  for (const name of missing === undefined ? hosts : []) {
    const at = await addresses(options.resolver, name, { signal: options.signal });
    if (at.status !== "ok") missing ??= at.reason ?? at.status;
    const secure = at.secure && mx?.secure !== false;
    targets.push(...at.addresses.slice(0, MAX_TARGETS).map(({ address }) => make(name, address, secure)));
  }
  // A relay that cannot be found is an error of configuration or of DNS: the mail waits for its repair.
  if (targets.length === 0)
    return failure("temporary", "4.4.3", `the relay ${host} has no address now: ${missing ?? "none"}`);
  return ordered(targets.slice(0, MAX_TARGETS), options);
}

/** The order of hosts stays; within it the preferred family comes first for each host. */
function ordered(found: readonly Target[], options: TargetOptions): Targets {
  const { v4, v6, noIpv6 } = options.sources;
  const isV6 = ({ address }: Target): boolean => ipAddress(address)?.family === 6;
  const targets = found.filter(
    (target) => noIpv6 === undefined || !isV6(target) || isPrivateIpv6(target.address),
  );
  if (targets.length === 0)
    return failure("temporary", "4.4.1", `${found[0]!.host} has IPv6 addresses only, and ${noIpv6}`);
  const rank = (target: Target): number => (isV6(target) ? 1 : 0);
  // A global source is no use on the way to loopback or a private network.
  const sourceFor = (target: Target): string | undefined =>
    !isV6(target) ? v4 : isPrivateIpv6(target.address) ? undefined : v6;
  const hosts = [...new Set(targets.map(({ host }) => host))];
  const sorted = hosts.flatMap((host) =>
    targets.filter((target) => target.host === host).sort((a, b) => rank(a) - rank(b)),
  );
  return {
    kind: "targets",
    targets: sorted.slice(0, MAX_TARGETS).map((target) => ({ ...target, localAddress: sourceFor(target) })),
  };
}

const failure = (kind: "temporary" | "permanent", status: string, text: string): Targets => ({
  kind,
  status,
  text,
});
