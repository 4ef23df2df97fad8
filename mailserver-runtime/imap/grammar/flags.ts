/** Flags and keywords as clients send them (RFC 9051 §2.3.2). */
import type { Cursor } from "./cursor.ts";
import { GrammarError } from "./cursor.ts";

const SYSTEM_FLAGS = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"] as const;
/** A keyword longer than this is refused. */
const MAX_KEYWORD = 255;

/** Reads one flag that may be set: a known system flag in its proper case, or a keyword. */
export function parseFlag(cursor: Cursor): string {
  const flag = cursor.flag();
  if (!flag.startsWith("\\")) {
    if (flag.length > MAX_KEYWORD) throw new GrammarError("the keyword is too long");
    return flag;
  }
  const known = SYSTEM_FLAGS.find((name) => name.toLowerCase() === flag.toLowerCase());
  if (!known) throw new GrammarError(`${flag} is no flag that can be set`);
  return known;
}

/** `(\Seen $Forwarded)`; `\Recent` is taken out silently, as clients copy flags of a FETCH to an APPEND. */
export function parseFlagList(cursor: Cursor): string[] {
  const flags = cursor.list(() => {
    const from = cursor.at;
    if (cursor.flag().toLowerCase() === "\\recent") return undefined;
    cursor.at = from;
    return parseFlag(cursor);
  });
  return [...new Set(flags.filter((flag) => flag !== undefined))];
}
