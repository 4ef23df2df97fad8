/** SEARCH, SORT and ESEARCH responses (RFC 9051 §7.3.4, RFC 3501 §7.2.5, RFC 5256, RFC 7162 §3.1.5). */
import type { ResultOption } from "../grammar/result-options.ts";
import { formatSet } from "../grammar/sequence-set.ts";
import type { Session } from "../session.ts";

export interface SearchResult {
  /** "SEARCH" or "SORT". */
  readonly name: string;
  readonly tag: string;
  readonly byUid: boolean;
  /** Numbers in the order of the answer. */
  readonly numbers: readonly number[];
  readonly options: ReadonlySet<ResultOption> | undefined;
  /** Highest MODSEQ of the messages found, where the program asked for MODSEQ. */
  readonly modSeq: number | undefined;
}

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
  const asked = [...options].filter((option) => option !== "SAVE");
  // RFC 5182 §2.4: SAVE alone is answered by the tagged line only.
  if (asked.length === 0) return;
  out.text(`* ESEARCH (TAG "${result.tag}")${result.byUid ? " UID" : ""}`);
  if (numbers.length > 0) {
    // In a sorted answer the first and last are meant (RFC 5267 §3.1).
    const sorted = result.name === "SORT";
    if (options.has("MIN")) out.text(` MIN ${sorted ? numbers[0] : least(numbers)}`);
    if (options.has("MAX")) out.text(` MAX ${sorted ? numbers[numbers.length - 1] : greatest(numbers)}`);
    if (options.has("ALL")) out.text(` ALL ${formatSet(numbers)}`);
  }
  if (options.has("COUNT")) out.text(` COUNT ${numbers.length}`);
  if (modSeq !== undefined && numbers.length > 0) out.text(` MODSEQ ${modSeq}`);
  out.text("\r\n");
}

const least = (numbers: readonly number[]) => numbers.reduce((a, b) => Math.min(a, b));
const greatest = (numbers: readonly number[]) => numbers.reduce((a, b) => Math.max(a, b));
