/**
 * Sets of sequence numbers and UIDs (RFC 9051 §9 sequence-set), and what they mean in a view.
 *
 * A set stays ranges from the wire to the loop, so `1:*` costs the same for ten messages and a million.
 */
import type { Cursor } from "./cursor.ts";
import { GrammarError } from "./cursor.ts";

/** Most ranges of one set; the line limit allows more only to somebody who means harm. */
const MAX_RANGES = 20_000;

/** `*`: the largest number in use. */
export const LARGEST = Number.POSITIVE_INFINITY;

export type SequenceSet =
  | { readonly kind: "ranges"; readonly ranges: readonly NumberRange[] }
  /** `$`: the result of the last SEARCH RETURN (SAVE) (RFC 5182). */
  | { readonly kind: "saved" };
/** Both ends included; `LARGEST` stands for `*`; in the order written. */
export type NumberRange = readonly [first: number, second: number];

export function parseSequenceSet(cursor: Cursor): SequenceSet {
  if (cursor.take("$")) return { kind: "saved" };
  return { kind: "ranges", ranges: parseRanges(cursor) };
}

function parseRanges(cursor: Cursor): NumberRange[] {
  const ranges: NumberRange[] = [];
  do {
    const first = endpoint(cursor);
    ranges.push([first, cursor.take(":") ? endpoint(cursor) : first]);
    if (ranges.length > MAX_RANGES) throw new GrammarError("too many ranges in one set");
  } while (cursor.take(","));
  return ranges;
}

function endpoint(cursor: Cursor): number {
  return cursor.take("*") ? LARGEST : cursor.nonZero();
}

/** A set of plain UIDs without `*` or `$` (QRESYNC's known-uids). */
export function parseKnownUids(cursor: Cursor): NumberRange[] {
  const ranges = parseRanges(cursor);
  if (ranges.some(([first, second]) => first === LARGEST || second === LARGEST)) {
    throw new GrammarError('"*" is not allowed here');
  }
  return ranges.map(([first, second]) => (first <= second ? [first, second] : [second, first]));
}

/** Ranges ordered, `*` resolved, overlaps joined. */
export function normalize(ranges: readonly NumberRange[], largest: number): NumberRange[] {
  const ordered = ranges
    .map(([a, b]): NumberRange => {
      const first = a === LARGEST ? largest : a;
      const second = b === LARGEST ? largest : b;
      return first <= second ? [first, second] : [second, first];
    })
    .sort((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const [first, second] of ordered) {
    const last = joined[joined.length - 1];
    if (last && first <= last[1] + 1) last[1] = Math.max(last[1], second);
    else joined.push([first, second]);
  }
  return joined;
}

/** Whether a number is in ranges that are in order and disjoint. */
export function isInRanges(ranges: readonly NumberRange[], number: number): boolean {
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const [first, last] = ranges[middle]!;
    if (number < first) high = middle - 1;
    else if (number > last) low = middle + 1;
    else return true;
  }
  return false;
}

/** Ascending numbers as ranges. */
export function rangesOf(numbers: ArrayLike<number>): NumberRange[] {
  const ranges: [number, number][] = [];
  for (let index = 0; index < numbers.length; index += 1) {
    const number = numbers[index]!;
    const last = ranges[ranges.length - 1];
    if (last && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}
export function formatRanges(ranges: readonly NumberRange[]): string {
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}:${last}`)).join(",");
}

/** Writes numbers as a set in the order they have: 1:3,7 (COPYUID pairs its two sets, so order counts). */
export function formatSet(numbers: ArrayLike<number>): string {
  const parts: string[] = [];
  for (let index = 0; index < numbers.length; ) {
    const first = numbers[index]!;
    let last = first;
    index += 1;
    while (index < numbers.length && numbers[index] === last + 1) {
      last += 1;
      index += 1;
    }
    parts.push(first === last ? `${first}` : `${first}:${last}`);
  }
  return parts.join(",");
}
