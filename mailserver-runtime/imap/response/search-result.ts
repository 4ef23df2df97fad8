/** SEARCH, SORT and ESEARCH responses (RFC 9051 §7.3.4, RFC 3501 §7.2.5, RFC 5256, RFC 7162 §3.1.5, RFC 9394). */
import { formatPartialRange, partOf, type ResultOptions } from "../grammar/result-options.ts";
import { formatSet } from "../grammar/sequence-set.ts";
import type { Session } from "../session.ts";

export interface SearchResult {
  /** "SEARCH" or "SORT". */
  readonly name: string;
  readonly tag: string;
  readonly byUid: boolean;
  /** Numbers in the order of the answer. */
  readonly numbers: readonly number[];
  readonly options: ResultOptions | undefined;
  /** Highest MODSEQ of the messages found, where the program asked for MODSEQ. */
  readonly modSeq: number | undefined;
  /** Where several mailboxes are searched, which one this is (RFC 7377 §2.1). */
  readonly mailbox?: { readonly name: string; readonly uidValidity: number };
}

/** What says nothing of a result of its own. */
const SILENT: ReadonlySet<string> = new Set(["SAVE", "CONTEXT"]);

export function writeSearchResult(session: Session, result: SearchResult): void {
  const { out } = session;
  const { numbers, options, modSeq } = result;
  if (!options) {
    out.text(`* ${result.name}`);
    for (const number of numbers) {
      out.text(" ");
      out.number(number);
    }
    if (modSeq !== undefined && numbers.length > 0) out.text(` (MODSEQ ${modSeq})`);
    out.text("\r\n");
    return;
  }
  const { names, partial } = options;
  // RFC 5182 §2.4: SAVE alone is answered by the tagged line only.
  if ([...names].every((name) => SILENT.has(name))) return;
  beginEsearch(session, result);
  if (numbers.length > 0) {
    // In a sorted answer the first and last are meant (RFC 5267 §3.1).
    const sorted = result.name === "SORT";
    if (names.has("MIN")) out.text(` MIN ${sorted ? numbers[0] : least(numbers)}`);
    if (names.has("MAX")) out.text(` MAX ${sorted ? numbers[numbers.length - 1] : greatest(numbers)}`);
    if (names.has("ALL")) out.text(` ALL ${formatSet(numbers)}`);
  }
  if (partial) {
    const part = partOf(numbers, partial);
    out.text(` PARTIAL (${formatPartialRange(partial)} ${part.length > 0 ? formatSet(part) : "NIL"})`);
  }
  if (names.has("COUNT")) out.text(` COUNT ${numbers.length}`);
  if (modSeq !== undefined && numbers.length > 0) out.text(` MODSEQ ${modSeq}`);
  out.text("\r\n");
}

/** `* ESEARCH (TAG "a") UID`, with the mailbox where there are several. */
export function beginEsearch(
  session: Session,
  { tag, byUid, mailbox }: Pick<SearchResult, "tag" | "byUid" | "mailbox">,
): void {
  const { out } = session;
  out.text(`* ESEARCH (TAG "${tag}"`);
  if (mailbox) {
    out.text(" MAILBOX ");
    session.writeMailboxName(mailbox.name);
    out.text(` UIDVALIDITY ${mailbox.uidValidity}`);
  }
  out.text(byUid ? ") UID" : ")");
}

const least = (numbers: readonly number[]) => numbers.reduce((a, b) => Math.min(a, b));
const greatest = (numbers: readonly number[]) => numbers.reduce((a, b) => Math.max(a, b));
