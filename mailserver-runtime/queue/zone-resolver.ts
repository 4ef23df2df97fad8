/** A resolver that knows what it is told, for this room's tests. */
import type { AnswerStatus, Resolver } from "../dns/resolver.ts";

type Zone = Readonly<Record<string, readonly string[] | AnswerStatus>>;

/** Names by "TYPE name"; MX values are "preference host", TXT values one string. What is not listed does not exist. */
export function zoneResolver(zone: Zone): Resolver {
  const resolve = async (name: string, type: string): Promise<unknown> => {
    const found = zone[`${type} ${name}`];
    if (typeof found === "string")
      return { status: found, records: [], ttl: 1, secure: false, reason: found };
    const exists = Object.keys(zone).some((key) => key.endsWith(` ${name}`));
    if (found === undefined)
      return { status: exists ? "nodata" : "nxdomain", records: [], ttl: 1, secure: false };
    const records = found.map((value) => {
      const [preference, exchange] = value.split(" ");
      const data =
        type === "MX"
          ? { preference: Number(preference), exchange }
          : type === "TXT"
            ? { strings: [value] }
            : { address: value };
      return { type, name, ttl: 1, ...data };
    });
    return { status: "ok", records, ttl: 1, secure: false };
  };
  return { resolve: resolve as Resolver["resolve"] };
}
