import type { Cursor } from "../grammar/cursor.ts";
import { GrammarError } from "../grammar/cursor.ts";
import { parseResultOptions, type ResultOptions } from "../grammar/result-options.ts";
import { parseSearchProgram, type SearchNode } from "../grammar/search-program.ts";
import { withProgress } from "../progress.ts";
import { writeSearchResult } from "../response/search-result.ts";
import { search } from "../search/matcher.ts";
import { SORT_KEYS, type SortCriterion, sortPositions } from "../search/sort-keys.ts";
import type { Session } from "../session.ts";
import { type Command, type Completion, command, ok } from "./command.ts";
import { mentionsModSeq, modSeqOf, save } from "./search.ts";

/** Criteria of one SORT at most. */
const MAX_CRITERIA = 20;

interface SortArguments {
  readonly options: ResultOptions | undefined;
  readonly criteria: readonly SortCriterion[];
  readonly program: SearchNode;
}

function parse(cursor: Cursor): SortArguments {
  const options = parseResultOptions(cursor);
  cursor.space();
  const criteria = cursor.list((): SortCriterion => {
    let name = cursor.keyword();
    const reverse = name === "REVERSE";
    if (reverse) {
      cursor.space();
      name = cursor.keyword();
    }
    const key = SORT_KEYS.find((known) => known === name);
    if (!key) throw new GrammarError(`there is no sort key ${name.slice(0, 40)}`);
    return { key, reverse };
  });
  if (criteria.length === 0 || criteria.length > MAX_CRITERIA)
    throw new GrammarError("SORT needs a sort key");
  cursor.space();
  const charset = cursor.astring().toString("latin1");
  cursor.space();
  return { options, criteria, program: parseSearchProgram(cursor, { charset }) };
}

async function run(session: Session, args: SortArguments, byUid: boolean): Promise<Completion> {
  const { box } = session;
  const withModSeq = mentionsModSeq(args.program);
  if (withModSeq) session.enableCondstore();
  const found = await search(session, args.program);
  const sorted = await sortPositions(session, found, args.criteria);
  save(session, sorted, args.options);
  writeSearchResult(session, {
    name: "SORT",
    tag: session.tag,
    byUid,
    numbers: sorted.map((position) => (byUid ? box.known.uids[position]! : position + 1)),
    options: args.options,
    modSeq: withModSeq ? modSeqOf(session, sorted, args.options) : undefined,
  });
  if (args.options?.names.has("UPDATE"))
    session.out.text(`* NO [NOUPDATE "${session.tag}"] A sorted result is not followed.\r\n`);
  return ok("Sorted.");
}

/** SORT and UID SORT (RFC 5256; RETURN RFC 5267; DISPLAY keys RFC 5957). */
const row = (name: string, byUid: boolean): Command =>
  command({
    name,
    states: ["selected"],
    expunges: byUid,
    parse,
    run: (session, args) => withProgress(session, () => run(session, args, byUid)),
  });
export const sort = row("SORT", false);
export const uidSort = row("UID SORT", true);
