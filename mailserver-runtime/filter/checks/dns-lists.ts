/** What lists in the DNS say of the client's address, and of the domains of sender and links (RFC 5782). */
import { getDomain } from "tldts";
import { domainOf } from "../../message/address.ts";
import { fromDomain } from "../../message/headers.ts";
import { isPublicAddress } from "../../net/public-address.ts";
import type { Check, Facts } from "../check.ts";
import { type DnsList, reversedAddress } from "../dns-lists/dns-list.ts";
import type { Finding, InboundMessage } from "../pipeline.ts";

/** Domains of one message that are asked about. */
const MAX_DOMAINS = 20;

export function dnsListsCheck(lists: () => readonly DnsList[]): Check {
  return {
    name: "dns-lists",
    timeLimit: 8_000,
    onFailure: "accept",
    async run(message, facts) {
      const usable = lists().filter(({ isUsable }) => isUsable);
      if (usable.length === 0) return { findings: [] };
      const ofAddresses = usable.filter(({ settings }) => settings.of === "addresses");
      const ofDomains = usable.filter(({ settings }) => settings.of === "domains");
      const domains = ofDomains.length === 0 ? [] : await domainsOf(message, facts);
      const { address } = message.client;
      const asked = isPublicAddress(address)
        ? ofAddresses.map((list) => finding(list, address, reversedAddress(address)))
        : [];
      const found = await Promise.all([
        ...asked,
        ...ofDomains.map(async (list) => {
          // A list says what it thinks of a message once, however many of its domains it knows.
          const all = await Promise.all(domains.map((domain) => finding(list, domain, domain)));
          return all.find((one) => one !== undefined);
        }),
      ]);
      return { findings: found.filter((one) => one !== undefined) };
    },
  };
}

async function finding(list: DnsList, what: string, entry: string): Promise<Finding | undefined> {
  const listing = await list.find(entry);
  if (listing === undefined) return undefined;
  const { zone, score, codes } = listing;
  const kind = score < 0 ? "DNSWL" : list.settings.of === "addresses" ? "RBL" : "DBL";
  const symbol = `${kind}_${zone.replace(/\W/g, "_").toUpperCase()}`;
  return { check: "dns-lists", symbol, score, reason: `${what} is on ${zone} (${codes.join(" ")})` };
}

async function domainsOf(message: InboundMessage, facts: Facts): Promise<readonly string[]> {
  const author = fromDomain(await facts.headers());
  const { urls } = await facts.readable();
  const hosts = [
    ...(author.ok ? [author.domain] : []),
    ...(message.from.includes("@") ? [domainOf(message.from.toLowerCase())] : []),
    ...urls.map(({ host }) => host),
  ];
  const domains = new Set(hosts.flatMap((host) => getDomain(host) ?? []));
  return [...domains].slice(0, MAX_DOMAINS);
}
