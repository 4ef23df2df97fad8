/**
 * A zone that the host's own name server answers for (the local target). Declared as record sets, so that a preview shows
 * which names change; written as a master file (RFC 1035 §5). The serial is the host's: it grows whenever the text changes.
 */
import { z } from "zod";
import { absolute, parseMasterFile, rdataText } from "../../../mailserver-runtime/dns/records.ts";
import { domain } from "../fields.ts";
import { recordSetsSchema } from "../record-set-fields.ts";
import { resourceType } from "../resource-type.ts";

const inputs = z.object({
  origin: domain.meta({ description: "The zone's name." }),
  recordSets: recordSetsSchema,
});

export const zone = resourceType({
  token: "mailkeep:index:Zone",
  description: "A zone that the host's own name server answers for.",
  inputs,
  facts: z.object({}),
  identity: ["origin"],
  secrets: [],
  id: (declared) => declared.origin,
  async put({ host, owner, limit }, declared) {
    await host.perform("zone.put", { origin: declared.origin, text: masterFile(declared), owner }, limit);
    return {};
  },
  async read({ host, limit }, id, declared) {
    const answer = await host.perform("zone.read", { origin: id }, limit);
    if (!answer.exists || answer.text === undefined) return undefined;
    return {
      inputs: { origin: id, recordSets: recordSetsOf(answer.text, declared?.recordSets) },
      facts: {},
      owner: answer.owner,
    };
  },
  async remove({ host, owner, limit }, { origin }) {
    await host.perform("zone.remove", { origin, owner }, limit);
  },
});

type RecordSets = Readonly<Record<string, readonly string[]>>;

/** The zone's text: absolute names, one record a line, in the order of the record sets. */
export function masterFile({ origin, recordSets }: { origin: string; recordSets: RecordSets }): string {
  const lines = Object.entries(recordSets).flatMap(([set, records]) => {
    const [owner = "", type] = set.split(" ");
    return records.map((record) => {
      const [ttl, ...data] = record.split(" ");
      return `${absolute(owner)} ${ttl} IN ${type} ${data.join(" ")}`;
    });
  });
  return `$ORIGIN ${absolute(origin)}\n${lines.join("\n")}\n`;
}

/** The record sets of a zone's text. Where only the serial differs, which is the host's own, the declared SOA stands. */
export function recordSetsOf(text: string, declared: RecordSets | undefined): Record<string, string[]> {
  const origin = /^\$ORIGIN (\S+)/.exec(text)?.[1] ?? ".";
  const sets: Record<string, string[]> = {};
  for (const { record } of parseMasterFile(text, { origin }).entries) {
    const set = `${record.name} ${record.type}`;
    const known = record.type === "SOA" ? declared?.[set]?.[0] : undefined;
    const value = `${record.ttl} ${rdataText(record)}`;
    sets[set] ??= [];
    sets[set].push(known !== undefined && withoutSerial(known) === withoutSerial(value) ? known : value);
  }
  return sets;
}

/** TTL, mname, rname, *serial*, refresh, retry, expire, minimum. */
const withoutSerial = (soa: string) => soa.split(" ").toSpliced(3, 1).join(" ");
