/**
 * What a person says about a message by where he puts it: into Junk it is spam, out of Junk it is ham.
 *
 * Pure. Mail that is thrown away from Junk says nothing. A keyword says it as well: `$Junk` and `$NotJunk`
 * (registered by IANA), or what Thunderbird and Apple Mail write in their place.
 */
import type { MessageClass } from "../filter/bayes/model.ts";

/** Messages that a person has moved, copied or marked by IMAP; `uids` are those in `mailbox`, where they lie now. */
export interface Sorted {
  readonly account: string;
  readonly mailbox: string;
  readonly uids: readonly number[];
  /** Where they were before; undefined: only a mark was set. */
  readonly from?: string;
  /** Keywords that were set. */
  readonly keywords?: readonly string[];
}
/** What a mailbox is for, as far as it matters here. */
export type Purpose = "junk" | "trash" | undefined;

const classes: Readonly<Record<string, MessageClass>> = {
  $junk: "spam",
  junk: "spam",
  $notjunk: "ham",
  notjunk: "ham",
  nonjunk: "ham",
};

export function lessonOf(sorted: Sorted, purposeOf: (mailbox: string) => Purpose): MessageClass | undefined {
  if (sorted.from === undefined) return classOfKeywords(sorted.keywords ?? []);
  const from = purposeOf(sorted.from);
  const to = purposeOf(sorted.mailbox);
  if (from === to) return undefined;
  if (to === "junk") return "spam";
  return from === "junk" && to !== "trash" ? "ham" : undefined;
}

/** The class that keywords name; undefined where they name none, or both. */
export function classOfKeywords(keywords: readonly string[]): MessageClass | undefined {
  const named = new Set(keywords.flatMap((keyword) => classes[keyword.toLowerCase()] ?? []));
  return named.size === 1 ? [...named][0] : undefined;
}
