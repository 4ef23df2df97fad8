/**
 * Who publishes which zone: the stack's publisher, and those of domains that have one of their own. A function of what is
 * declared.
 */
import { domainName, isDomainName } from "../../mailserver-runtime/dns/records.ts";
import { type Mistake, quote } from "../mistakes.ts";
import type { DnsArgs } from "./dns-args.ts";
import { closest, defaultZones, registrableDomain } from "./zones.ts";

/** A publisher with the zones that are its own. */
export interface Publication {
  readonly dns: DnsArgs;
  /** Where it is declared: "dns", "domains[1].dns". */
  readonly where: string;
  /** Zone names, canonical. */
  readonly zones: readonly string[];
}

export interface PublishedNames {
  readonly hostname: string;
  /** The declared domains in their order, with the publisher of each that has its own. */
  readonly domains: readonly { readonly name: string; readonly dns?: DnsArgs; readonly where: string }[];
  /** For the rest. */
  readonly dns: DnsArgs | undefined;
  /** The names of the secrets that are declared. */
  readonly tokens: readonly string[];
}

/** One publication for each publisher that has a name to publish; the stack's comes first. */
export function planPublications(names: PublishedNames, mistakes: Mistake[]): Publication[] {
  const ofStack = { dns: names.dns ?? ({ type: "host" } as const), where: "dns" };
  const groups = new Map<string, Group>();
  const groupOf = (domain: PublishedNames["domains"][number] | undefined): Group => {
    const { dns, where } =
      domain?.dns === undefined ? ofStack : { dns: domain.dns, where: `${domain.where}.dns` };
    const group = groups.get(where) ?? { dns, where, domains: [], host: undefined };
    groups.set(where, group);
    return group;
  };
  for (const domain of names.domains) groupOf(domain).domains.push(domain.name);
  // A host without a name is told elsewhere.
  if (names.hostname === "") return [];
  const around = closest(names.hostname, (above) => names.domains.some(({ name }) => name === above));
  groupOf(names.domains.find(({ name }) => name === around)).host = names.hostname;

  const taken = new Map<string, string>();
  return [...groups.values()].map((group) => {
    const { dns, where } = group;
    checkSecrets(group, names.tokens, mistakes);
    const zones = declaredZones(group, mistakes) ?? impliedZones(group);
    for (const zone of zones) {
      const other = taken.get(zone);
      if (other !== undefined)
        mistakes.push({
          where: `${where}.zones`,
          what: `has ${zone}, and so has ${other}: a zone has one publisher`,
        });
      taken.set(zone, where);
    }
    return { dns, where, zones };
  });
}

interface Group {
  readonly dns: DnsArgs;
  readonly where: string;
  readonly domains: string[];
  /** The mail host's name, in the group that publishes it. */
  host: string | undefined;
}

/** Secrets are declared apart, and named here. Whatever looks like one is not repeated. */
function checkSecrets({ dns, where }: Group, tokens: readonly string[], mistakes: Mistake[]): void {
  const named =
    dns.type === "cloudflare" ? dns.tokenName : dns.type === "rfc2136" ? dns.key?.name : undefined;
  if (named === undefined || tokens.includes(named)) return;
  const place = dns.type === "cloudflare" ? `${where}.tokenName` : `${where}.key.name`;
  const shown = named.length < SHORTEST_TOKEN ? quote(named) : "what stands there";
  mistakes.push({
    where: place,
    what: `${shown} is the name of no secret in tokens; set it: pulumi config set --secret --path 'mailkeep:tokens["<name>"]'`,
  });
}

/** An API token has so many characters at least (a TSIG key's name has fewer in practice). */
const SHORTEST_TOKEN = 40;

function declaredZones({ dns, where }: Group, mistakes: Mistake[]): string[] | undefined {
  if (!("zones" in dns) || dns.zones === undefined) return undefined;
  return dns.zones.flatMap((zone, index) => {
    const name = typeof zone === "string" ? zone : zone.name;
    if (isDomainName(name)) return [domainName(name)];
    mistakes.push({ where: `${where}.zones[${index}]`, what: `${quote(name)} is no domain name` });
    return [];
  });
}

/** The zones that follow from the names. Cloudflare knows registrable domains alone; elsewhere a zone may begin at any name. */
function impliedZones({ dns, domains, host }: Group): string[] {
  const zones = defaultZones(host, domains);
  return dns.type === "cloudflare" ? [...new Set(zones.map(registrableDomain))] : zones;
}
