import type { Cursor } from "../grammar/cursor.ts";
import { parseResultOptions, type ResultOption } from "../grammar/result-options.ts";
import { CharsetError, parseSearchProgram, type SearchNode } from "../grammar/search-program.ts";
import { withProgress } from "../progress.ts";
import { writeSearchResult } from "../response/search-result.ts";
import { search as findMessages } from "../search/matcher.ts";
import type { Session } from "../session.ts";
import { type Command, type Completion, command, ok } from "./command.ts";

interface SearchArguments {
  readonly options: ReadonlySet<ResultOption> | undefined;
  readonly program: SearchNode;
}

function parse(cursor: Cursor): SearchArguments {
  const options = parseResultOptions(cursor);
  cursor.space();
  return { options, program: parseSearchProgram(cursor) };
}

async function run(session: Session, args: SearchArguments, byUid: boolean): Promise<Completion> {
  const { box } = session;
  const withModSeq = mentionsModSeq(args.program);
  if (withModSeq) session.enableCondstore();
  // RFC 9051 §6.4.4: an IMAP4rev2 client always gets ESEARCH.
  const options = args.options ?? (session.enabled.rev2 ? new Set<ResultOption>(["ALL"]) : undefined);
  const positions = await findMessages(session, args.program);
  save(session, positions, options);
  const numbers = positions.map((position) => (byUid ? box.known.uids[position]! : position + 1));
  const modSeq = withModSeq ? modSeqOf(session, positions, options) : undefined;
  writeSearchResult(session, { name: "SEARCH", tag: session.tag, byUid, numbers, options, modSeq });
  return ok("Searched.");
}

/** Remembers the result for `$` (RFC 5182): all of it, or what MIN and MAX name. */
export function save(
  session: Session,
  positions: readonly number[],
  options: ReadonlySet<ResultOption> | undefined,
): void {
  if (!options?.has("SAVE")) return;
  const { uids } = session.box.known;
  const ordered = [...positions].sort((a, b) => a - b);
  const kept = onlyEnds(options) ? ends(ordered, options) : ordered;
  session.saved = kept.map((position) => uids[position]!);
}

/** The highest MODSEQ of what is told: where only MIN or MAX are, of those alone (RFC 4731 §3.2). */
export function modSeqOf(
  session: Session,
  positions: readonly number[],
  options: ReadonlySet<ResultOption> | undefined,
): number {
  const told = options && onlyEnds(options) ? ends(positions, options) : positions;
  return told.reduce((highest, position) => Math.max(highest, session.box.modSeqAt(position)), 1);
}

const onlyEnds = (options: ReadonlySet<ResultOption>) =>
  !options.has("ALL") && !options.has("COUNT") && (options.has("MIN") || options.has("MAX"));

/** First and last of ascending positions, as far as MIN and MAX ask for them. */
function ends(positions: readonly number[], options: ReadonlySet<ResultOption>): number[] {
  const found = new Set<number>();
  if (positions.length > 0 && options.has("MIN")) found.add(positions[0]!);
  if (positions.length > 0 && options.has("MAX")) found.add(positions[positions.length - 1]!);
  return [...found];
}

export function mentionsModSeq(node: SearchNode): boolean {
  if (node.key === "and" || node.key === "or") return node.nodes.some(mentionsModSeq);
  if (node.key === "not") return mentionsModSeq(node.node);
  return node.key === "modseq";
}

/** SEARCH and UID SEARCH (RFC 9051 §6.4.4). */
const row = (name: string, byUid: boolean): Command =>
  command({
    name,
    states: ["selected"],
    expunges: byUid,
    parse(cursor, session) {
      try {
        return parse(cursor);
      } catch (error) {
        // RFC 5182 §2.1: a refused SAVE leaves nothing saved.
        if (error instanceof CharsetError) session.saved = [];
        throw error;
      }
    },
    run: (session, args) => withProgress(session, () => run(session, args, byUid)),
  });
export const search = row("SEARCH", false);
export const uidSearch = row("UID SEARCH", true);
