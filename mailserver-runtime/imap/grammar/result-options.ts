/**
 * RETURN (MIN MAX COUNT ALL SAVE PARTIAL UPDATE CONTEXT), of SEARCH and SORT (RFC 9051 §6.4.4, RFC 5182,
 * RFC 5267, RFC 9394).
 */
import type { Cursor } from "./cursor.ts";
import { GrammarError } from "./cursor.ts";

const OPTIONS = ["MIN", "MAX", "COUNT", "ALL", "SAVE", "PARTIAL", "UPDATE", "CONTEXT"] as const;
export type ResultOption = (typeof OPTIONS)[number];

/** A stretch of the result, counted from 1, or with negative numbers from its end (RFC 9394 §3.1). */
export interface PartialRange {
  readonly first: number;
  readonly last: number;
}
export interface ResultOptions {
  readonly names: ReadonlySet<ResultOption>;
  readonly partial: PartialRange | undefined;
}

/** Reads ` RETURN (...)` if it stands here; without options it means ALL. */
export function parseResultOptions(cursor: Cursor): ResultOptions | undefined {
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
  const names = new Set<ResultOption>();
  let partial: PartialRange | undefined;
  cursor.list(() => {
    const name = cursor.keyword();
    const option = OPTIONS.find((known) => known === name);
    if (!option) throw new GrammarError(`there is no result option ${name.slice(0, 40)}`);
    if (option === "PARTIAL") {
      if (partial) throw new GrammarError("PARTIAL is asked for once");
      cursor.space();
      partial = parsePartialRange(cursor);
    }
    names.add(option);
  });
  if (partial && names.has("ALL")) {
    throw new GrammarError("ALL and PARTIAL exclude each other (RFC 9394 section 3.1)");
  }
  if (names.size === 0) names.add("ALL");
  return { names, partial };
}

/** `1:500` or `-1:-100`; the order of its ends does not matter. */
export function parsePartialRange(cursor: Cursor): PartialRange {
  const fromEnd = cursor.take("-");
  const first = cursor.nonZero();
  cursor.expect(":");
  if (fromEnd) cursor.expect("-");
  const second = cursor.nonZero();
  const [low, high] = first < second ? [first, second] : [second, first];
  return fromEnd ? { first: -low, last: -high } : { first: low, last: high };
}

export const formatPartialRange = ({ first, last }: PartialRange): string => `${first}:${last}`;

/** The members of a result that lie in the stretch, in the result's order. */
export function partOf<Member>(members: readonly Member[], { first, last }: PartialRange): readonly Member[] {
  if (first > 0) return members.slice(first - 1, last);
  return members.slice(Math.max(0, members.length + last), Math.max(0, members.length + first + 1));
}
