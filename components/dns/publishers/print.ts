/**
 * A plan for a person who enters records by hand: every record with its reason, what is left out and why, and what to
 * ask the owner of the addresses for.
 */
import { absolute, rdataText } from "../../../mailserver-runtime/dns/records.ts";
import type { PlannedRecord, RecordPlan } from "../plan-types.ts";

/** The plan as lines of text, without the last line's end. */
export function printPlan(plan: RecordPlan): string {
  const sections: (readonly [title: string, lines: readonly string[]])[] = [
    ["Enter these records:", plan.records.flatMap(recordLines)],
    ["Ask whoever owns the addresses (usually the hoster) for:", plan.reverse.flatMap(recordLines)],
    ["Not yet:", plan.leftOut.map(({ what, reason }) => `  ${what}: ${reason}`)],
    ["Mind:", plan.warnings.map((warning) => `  ${warning}`)],
  ];
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => [title, ...lines].join("\n"))
    .join("\n\n");
}

function recordLines({ record, reason }: PlannedRecord): string[] {
  return [`  ${absolute(record.name)} ${record.ttl} ${record.type} ${rdataText(record)}`, `    ${reason}`];
}
