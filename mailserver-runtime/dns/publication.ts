/**
 * Whether the world is told what is declared: every authoritative name server of a zone is asked itself, so that no cache
 * answers and a secondary that lags is seen.
 */
import { delegationSigners } from "./delegation-signer.ts";
import { ask, type ServerAddress } from "./exchange.ts";
import { setName } from "./record-sets.ts";
import { type DnsRecord, ipAddress, parentName, type RecordType, rdataText, recordKey } from "./records.ts";
import { addresses, iprev, type Resolver, serverAddress } from "./resolver.ts";

export interface AuthoritativeServer extends ServerAddress {
  /** "ns1.example.net [192.0.2.53]". */
  readonly description: string;
}

export interface ServedZone {
  readonly zone: string;
  readonly servers: readonly AuthoritativeServer[];
  readonly dnssec: "signed" | "no-chain" | "unsigned" | "unknown";
  /** With `no-chain`: the DS records to enter at the registrar. */
  readonly ds: readonly string[];
}

export interface PublishedSet {
  /** "example.org MX". */
  readonly set: string;
  readonly zone: string;
  readonly state: "seen" | "missing" | "different" | "unreachable";
  readonly wanted: readonly string[];
  /** Answers that are not what is wanted. */
  readonly found: readonly {
    readonly server: string;
    readonly data: readonly string[];
    readonly failure?: string;
  }[];
}

export interface ReverseState {
  readonly address: string;
  readonly state: "right" | "missing" | "different" | "unreachable" | "outside";
  readonly names: readonly string[];
}

const QUERY_MS = 3_000;
const AT_ONCE = 16;

/** Asks for every declared record set. `nameServers` stand in the place of those the zones name. */
export async function lookAtSets(
  resolver: Resolver,
  records: readonly DnsRecord[],
  nameServers: readonly string[],
): Promise<{ readonly sets: readonly PublishedSet[]; readonly zones: readonly ServedZone[] }> {
  const zones = new Map<string, Promise<ServedZone>>();
  const zoneOf = async (name: string): Promise<ServedZone> => {
    const zone = await zoneAbove(resolver, name);
    const known = zones.get(zone) ?? servedZone(resolver, zone, nameServers);
    zones.set(zone, known);
    return known;
  };
  const bySet = Map.groupBy(records, setName);
  const waiting = [...bySet.values()];
  const sets = new Map<string, PublishedSet>();
  const work = async () => {
    for (let of = waiting.shift(); of !== undefined; of = waiting.shift()) {
      const { name } = of[0]!;
      sets.set(setName(of[0]!), await lookAtSet(await zoneOf(name), of));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { sets: [...bySet.keys()].map((set) => sets.get(set)!), zones: await Promise.all(zones.values()) };
}

/** Whether an address names the host. That the name has the address is one of the stack's own records. */
export async function lookAtReverse(
  resolver: Resolver,
  address: string,
  hostname: string,
): Promise<ReverseState> {
  if (!isPublic(address)) return { address, state: "outside", names: [] };
  const { status, names } = await iprev(resolver, address);
  if (status === "temperror") return { address, state: "unreachable", names };
  if (names.length === 0) return { address, state: "missing", names };
  return { address, state: names.includes(hostname) ? "right" : "different", names };
}

type Wrong = PublishedSet["found"][number] & { readonly state: Exclude<PublishedSet["state"], "seen"> };

async function lookAtSet({ zone, servers }: ServedZone, wanted: readonly DnsRecord[]): Promise<PublishedSet> {
  const { name, type } = wanted[0]!;
  const found = await Promise.all(servers.map((server) => askServer(server, name, type)));
  const keys = new Set(wanted.map(recordKey));
  const wrong = found.flatMap((answer): Wrong[] => {
    const shown = { server: answer.server, data: answer.records.map(rdataText) };
    if (answer.failure !== undefined)
      return [{ ...shown, failure: answer.failure, state: "unreachable" as const }];
    const has = new Set(answer.records.map(recordKey));
    if ([...keys].every((key) => has.has(key))) return [];
    return [
      { ...shown, state: sameKind(answer.records, wanted) ? ("different" as const) : ("missing" as const) },
    ];
  });
  const state =
    servers.length === 0
      ? "unreachable"
      : ((["different", "missing", "unreachable"] as const).find((one) =>
          wrong.some((each) => each.state === one),
        ) ?? "seen");
  return {
    set: setName(wanted[0]!),
    zone,
    state,
    wanted: wanted.map(rdataText),
    found: wrong.map(({ state: _, ...shown }) => shown),
  };
}

/** Whether something of the wanted kind stands there: another SPF record is a wrong one, a site's proof is none at all. */
function sameKind(found: readonly DnsRecord[], wanted: readonly DnsRecord[]): boolean {
  const kind = (record: DnsRecord) =>
    record.type === "TXT" ? record.strings.join("").split(/[; ]/)[0] : record.type;
  const kinds = new Set(wanted.map(kind));
  return found.some((record) => kinds.has(kind(record)));
}

async function askServer(
  server: AuthoritativeServer,
  name: string,
  type: RecordType,
): Promise<{ readonly server: string; readonly records: readonly DnsRecord[]; readonly failure?: string }> {
  const answer = await ask({
    server,
    name,
    type,
    timeoutMs: QUERY_MS,
    signal: AbortSignal.timeout(3 * QUERY_MS),
  });
  if ("failure" in answer) return { server: server.description, records: [], failure: answer.failure };
  const { rcode, answers, authoritative } = answer.message;
  if (rcode !== 0 && rcode !== 3)
    return { server: server.description, records: [], failure: `response code ${rcode}` };
  if (!authoritative && answers.length === 0)
    return { server: server.description, records: [], failure: "is not authoritative for the name" };
  return {
    server: server.description,
    records: answers.filter((record) => record.name === name && record.type === type),
  };
}

/** The closest zone above a name: where NS records stand. */
async function zoneAbove(resolver: Resolver, name: string): Promise<string> {
  for (let at = name; at !== "."; at = parentName(at)) {
    const { status, records } = await resolver.resolve(at, "NS");
    if (status === "ok" && records.some((record) => record.name === at)) return at;
  }
  return name;
}

async function servedZone(
  resolver: Resolver,
  zone: string,
  nameServers: readonly string[],
): Promise<ServedZone> {
  const soa = await resolver.resolve(zone, "SOA");
  const servers =
    nameServers.length > 0
      ? nameServers.map((text) => ({ ...serverAddress(text), description: text }))
      : await namedServers(resolver, zone);
  if (soa.status === "tempfail" || soa.secure)
    return { zone, servers, dnssec: soa.secure ? "signed" : "unknown", ds: [] };
  const ds = servers[0] === undefined ? [] : await delegationSigners(servers[0], zone);
  return { zone, servers, dnssec: ds.length > 0 ? "no-chain" : "unsigned", ds };
}

async function namedServers(resolver: Resolver, zone: string): Promise<AuthoritativeServer[]> {
  const { records } = await resolver.resolve(zone, "NS");
  const servers = await Promise.all(
    records.map(async ({ target }) =>
      (await addresses(resolver, target)).addresses.map(({ address }) => ({
        address,
        port: 53,
        description: `${target} [${address}]`,
      })),
    ),
  );
  return servers.flat();
}

/** Nets that nobody on the internet looks up: RFC 6890, RFC 5737, RFC 3849, RFC 4193. */
const CLOSED =
  /^(?:0|10|127)\.|^192\.168\.|^172\.(?:1[6-9]|2[0-9]|3[01])\.|^169\.254\.|^100\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|^192\.0\.[02]\.|^198\.51\.100\.|^198\.1[89]\.|^203\.0\.113\.|^(?:22[4-9]|2[3-5][0-9])\.|^::1?$|^f[cd]|^fe[89ab]|^ff|^2001:db8:/;

function isPublic(text: string): boolean {
  const address = ipAddress(text);
  return address !== undefined && !CLOSED.test(address.text);
}
