/** Whether the world is told what a stack declares; see dns/publication.ts. */
import { readStackSettings } from "../config/stack/files.ts";
import { lookAtReverse, lookAtSets } from "../dns/publication.ts";
import { InvalidRecordSet, recordsIn } from "../dns/record-sets.ts";
import { createResolver, InvalidServer, type StubResolver } from "../dns/resolver.ts";
import { MAX_SPF_LOOKUPS, spfCost } from "../dns/spf-cost.ts";
import { type AdminContext, OperationError, type Performers } from "./context.ts";
import type { OperationAnswer } from "./contract.ts";

type Answer = OperationAnswer<"dns.check">;

/** Beyond these nobody reads them; a stack has some dozens. */
const MOST_SPF = 100;

export const dnsCheckOperations: Performers<"dns.check"> = {
  "dns.check": {
    effect: "reads",
    async perform({ recordSets, addresses, hostname, nameServers }, context) {
      // Of its own, so that no answer is one that was kept.
      const resolver = await freshResolver(context);
      try {
        const records = recordsIn(recordSets);
        const policies = records.flatMap((record) =>
          record.type === "TXT" && /^v=spf1( |$)/.test(record.strings.join("")) ? [record.name] : [],
        );
        const [{ sets, zones }, reverse, spf] = await Promise.all([
          lookAtSets(resolver, records, nameServers),
          Promise.all(
            hostname === undefined
              ? []
              : addresses.map((address) => lookAtReverse(resolver, address, hostname)),
          ),
          Promise.all(policies.slice(0, MOST_SPF).map((domain) => costOf(resolver, domain))),
        ]);
        const found: Omit<Answer, "lines" | "ok"> = {
          sets: sets.map(({ zone: _, ...set }) => ({
            ...set,
            wanted: [...set.wanted],
            found: set.found.map((one) => ({ ...one, data: [...one.data] })),
          })),
          reverse: reverse.map((one) => ({
            ...one,
            names: [...one.names],
            ...(["missing", "different"].includes(one.state) && {
              ask: request(one.address, hostname ?? ""),
            }),
          })),
          zones: zones.map(({ zone, dnssec, servers, ds }) => ({
            zone,
            dnssec,
            nameServers: servers.map(({ description }) => description),
            ds: [...ds],
          })),
          spf: spf.flat(),
        };
        const ok =
          found.sets.every(({ state }) => state === "seen") &&
          found.reverse.every(({ state }) => state === "right" || state === "outside");
        return { ok, ...found, lines: linesOf(found) };
      } catch (error) {
        if (error instanceof InvalidRecordSet || error instanceof InvalidServer)
          throw new OperationError("invalid", error.message);
        throw error;
      } finally {
        resolver.close();
      }
    },
  },
};

async function freshResolver({ live, directories }: AdminContext): Promise<StubResolver> {
  const dns =
    live?.configuration.current().settings.dns ?? (await readStackSettings(directories.config))?.settings.dns;
  return createResolver(
    dns === undefined ? {} : { servers: dns.servers, trustAuthenticData: dns.authenticData },
  );
}

async function costOf(resolver: StubResolver, domain: string): Promise<Answer["spf"]> {
  const cost = await spfCost(resolver, domain);
  return cost === undefined ? [] : [{ domain, lookups: cost.lookups, problems: [...cost.problems] }];
}

/** What to write to whoever owns an address. */
function request(address: string, hostname: string): string {
  return `Please set the reverse DNS (PTR) of ${address} to ${hostname}.`;
}

const SET_WORDS = {
  missing: "is missing",
  different: "says something else",
  unreachable: "could not be asked for",
} as const;

const ZONE_WORDS = {
  signed: "is signed, and its resolver vouches for it: TLSA records count",
  "no-chain": "is signed, but its parent does not say so; enter at the registrar:",
  unsigned: "is not signed (DNSSEC), or the host's resolver does not validate: TLSA records count for nobody",
  unknown: "could not be looked up",
} as const;

function linesOf({ sets, reverse, zones, spf }: Omit<Answer, "lines" | "ok">): string[] {
  const lines: string[] = [];
  const seen = sets.filter(({ state }) => state === "seen").length;
  lines.push(`${seen} of ${sets.length} record sets are seen at every authoritative name server.`);
  for (const { set, state, wanted, found } of sets) {
    if (state === "seen") continue;
    lines.push(`✗ ${set} ${SET_WORDS[state]}`, ...wanted.map((data) => `    wanted  ${data}`));
    for (const { server, data, failure } of found)
      lines.push(`    ${server}: ${failure ?? (data.length === 0 ? "nothing" : data.join(" | "))}`);
    if (found.length === 0) lines.push("    no authoritative name server is known: is the domain delegated?");
  }
  for (const { address, state, names, ask } of reverse) {
    if (state === "right") lines.push(`✓ ${address} is called ${names.join(", ")}`);
    if (state === "unreachable") lines.push(`? the name of ${address} could not be looked up`);
    if (ask === undefined) continue;
    const has = names.length === 0 ? "has no name (PTR)" : `is called ${names.join(", ")}`;
    lines.push(
      `✗ ${address} ${has}, and much of the world refuses mail from it. Ask whoever owns the address (usually the hoster):`,
      `    ${ask}`,
    );
  }
  for (const { zone, dnssec, ds } of zones)
    lines.push(
      `${dnssec === "signed" ? "✓" : "·"} ${zone} ${ZONE_WORDS[dnssec]}`,
      ...ds.map((record) => `    ${record}`),
    );
  for (const { domain, lookups, problems } of spf) {
    const over = lookups > MAX_SPF_LOOKUPS;
    lines.push(
      `${over ? "✗" : "✓"} the SPF policy of ${domain} costs ${lookups} of ${MAX_SPF_LOOKUPS} look-ups${over ? ", which makes it an error everywhere (RFC 7208 §4.6.4): take an include out or write its addresses" : ""}`,
      ...problems.map((problem) => `    ${problem}`),
    );
  }
  return lines;
}
