/**
 * Records by owner and type, as a stack writes them: {"example.org MX": ["3600 10 mail.example.org."]}. Pure.
 */
import {
  absolute,
  type DnsRecord,
  parseMasterFile,
  type RecordType,
  rdataText,
  sortRecords,
} from "./records.ts";

export type RecordSets = Readonly<Record<string, readonly string[]>>;

/** A record set that cannot be read; the message names it. */
export class InvalidRecordSet extends RangeError {
  override name = "InvalidRecordSet";
}

/** The records, in the order of the sets. @throws {InvalidRecordSet} */
export function recordsIn(sets: RecordSets): DnsRecord[] {
  const lines = Object.entries(sets).flatMap(([set, records]) => {
    const [owner = "", type] = set.split(" ");
    return records.map((record) => {
      const [ttl, ...data] = record.split(" ");
      return `${absolute(owner)} ${ttl} IN ${type} ${data.join(" ")}`;
    });
  });
  const { entries, problems } = parseMasterFile(`${lines.join("\n")}\n`, { origin: "." });
  const problem = problems[0];
  if (problem !== undefined)
    throw new InvalidRecordSet(`${lines[problem.line - 1] ?? "a record"}: ${problem.reason}`);
  return entries.map(({ record }) => record);
}

export function setsOf(records: readonly DnsRecord[]): Record<string, string[]> {
  const sets: Record<string, string[]> = {};
  for (const record of sortRecords(records)) {
    const set = setName(record);
    sets[set] ??= [];
    sets[set].push(`${record.ttl} ${rdataText(record)}`);
  }
  return sets;
}

/** "example.org MX". */
export const setName = ({ name, type }: { readonly name: string; readonly type: RecordType }): string =>
  `${name} ${type}`;
