/** A resolver that knows what a test tells it. */
import type { AnswerStatus, Resolver } from "./resolver.ts";

/** Records by "TYPE name" as a zone file writes their data ("10 mx.test" of MX; each TXT one string), or a status. */
export type TestZone = Readonly<Record<string, readonly string[] | AnswerStatus>>;

/** What is not listed does not exist; `queries` counts the questions by "TYPE name". */
export function zoneResolver(zone: TestZone): Resolver & { readonly queries: Map<string, number> } {
  const names = new Set(Object.keys(zone).map((key) => key.slice(key.indexOf(" ") + 1)));
  const queries = new Map<string, number>();
  const resolve = async (asked: string, type: string): Promise<unknown> => {
    const name = asked.toLowerCase();
    queries.set(`${type} ${name}`, (queries.get(`${type} ${name}`) ?? 0) + 1);
    const found = zone[`${type} ${name}`];
    if (typeof found === "string")
      return { status: found, records: [], ttl: 1, secure: false, reason: found };
    if (found === undefined)
      return { status: names.has(name) ? "nodata" : "nxdomain", records: [], ttl: 1, secure: false };
    const records = found.map((text) => ({ type, name, ttl: 1, ...dataOf(type, text) }));
    return { status: "ok", records, ttl: 1, secure: false };
  };
  return { resolve: resolve as Resolver["resolve"], queries };
}

function dataOf(type: string, text: string): object {
  switch (type) {
    case "TXT":
      return { strings: [text] };
    case "MX": {
      const [preference, exchange] = text.split(" ");
      return { preference: Number(preference), exchange };
    }
    case "TLSA": {
      const [usage, selector, matchingType, certificate] = text.split(" ");
      return {
        usage: Number(usage),
        selector: Number(selector),
        matchingType: Number(matchingType),
        certificate,
      };
    }
    case "PTR":
    case "CNAME":
      return { target: text };
    default:
      return { address: text };
  }
}
