/** RETURN (MIN MAX COUNT ALL SAVE), of SEARCH and SORT (RFC 9051 §6.4.4, RFC 5182, RFC 5267). */
import type { Cursor } from "./cursor.ts";
import { GrammarError } from "./cursor.ts";

const OPTIONS = ["MIN", "MAX", "COUNT", "ALL", "SAVE"] as const;
export type ResultOption = (typeof OPTIONS)[number];

/** Reads ` RETURN (...)` if it stands here; without options it means ALL. */
export function parseResultOptions(cursor: Cursor): ReadonlySet<ResultOption> | undefined {
  const from = cursor.at;
  if (
    !cursor.take(" ") ||
    !/[Rr]/.test(String.fromCharCode(cursor.peek())) ||
    cursor.keyword() !== "RETURN"
  ) {
    cursor.at = from;
    return undefined;
  }
  cursor.space();
  const names = cursor.list(() => cursor.keyword());
  const options = new Set<ResultOption>();
  for (const name of names) {
    const option = OPTIONS.find((known) => known === name);
    if (!option) throw new GrammarError(`there is no result option ${name.slice(0, 40)}`);
    options.add(option);
  }
  if (options.size === 0) options.add("ALL");
  return options;
}
