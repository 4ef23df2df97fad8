import type { Cursor } from "../grammar/cursor.ts";
import { parseResultOptions, partOf, type ResultOptions } from "../grammar/result-options.ts";
import { CharsetError, parseSearchProgram, type SearchNode } from "../grammar/search-program.ts";
import { withProgress } from "../progress.ts";
import { writeSearchResult } from "../response/search-result.ts";
import { SearchContexts } from "../search/contexts.ts";
import { search as findMessages } from "../search/matcher.ts";
import type { Session } from "../session.ts";
import { type Command, type Completion, command, ok } from "./command.ts";

interface SearchArguments {
  readonly options: ResultOptions | undefined;
  readonly program: SearchNode;
}

function parse(cursor: Cursor): SearchArguments {
  const options = parseResultOptions(cursor);
  cursor.space();
  return { options, program: parseSearchProgram(cursor) };
}

const EVERYTHING: ResultOptions = { names: new Set(["ALL"]), partial: undefined };

async function run(session: Session, args: SearchArguments, byUid: boolean): Promise<Completion> {
  const { box } = session;
  const withModSeq = mentionsModSeq(args.program);
  if (withModSeq) session.enableCondstore();
  // RFC 9051 §6.4.4: an IMAP4rev2 client always gets ESEARCH.
  const options = args.options ?? (session.enabled.rev2 ? EVERYTHING : undefined);
  const positions = await findMessages(session, args.program);
  save(session, positions, options);
  const numbers = positions.map((position) => (byUid ? box.known.uids[position]! : position + 1));
  const modSeq = withModSeq ? modSeqOf(session, positions, options) : undefined;
  writeSearchResult(session, { name: "SEARCH", tag: session.tag, byUid, numbers, options, modSeq });
  if (options?.names.has("UPDATE")) follow(session, args.program, byUid, positions);
  return ok("Searched.");
}

/** Remembers the result for `$` (RFC 5182): all of it, or what MIN, MAX and PARTIAL name. */
export function save(
  session: Session,
  positions: readonly number[],
  options: ResultOptions | undefined,
): void {
  if (!options?.names.has("SAVE")) return;
  const { uids } = session.box.known;
  const kept = onlySome(options) ? some(positions, options) : [...positions].sort((a, b) => a - b);
  session.saved = kept.map((position) => uids[position]!);
}

function follow(session: Session, program: SearchNode, byUid: boolean, positions: readonly number[]): void {
  session.contexts ??= new SearchContexts(session);
  if (session.contexts.follow(session.tag, byUid, program, positions)) return;
  session.out.text(`* NO [NOUPDATE "${session.tag}"] There are too many searches that go on.\r\n`);
}

/** The highest MODSEQ of what is told: where only MIN or MAX are, of those alone (RFC 4731 §3.2). */
export function modSeqOf(
  session: Session,
  positions: readonly number[],
  options: ResultOptions | undefined,
): number {
  const told = options && onlySome(options) ? some(positions, options) : positions;
  return told.reduce((highest, position) => Math.max(highest, session.box.modSeqAt(position)), 1);
}

/** Only the ends of the result are told, or a part of it. */
const onlySome = ({ names }: ResultOptions) =>
  !names.has("ALL") && !names.has("COUNT") && (names.has("MIN") || names.has("MAX") || names.has("PARTIAL"));

/** Those of a result's positions that MIN, MAX and PARTIAL ask for. */
function some(positions: readonly number[], { names, partial }: ResultOptions): number[] {
  const found = new Set<number>(partial ? partOf(positions, partial) : []);
  if (positions.length > 0 && names.has("MIN")) found.add(positions[0]!);
  if (positions.length > 0 && names.has("MAX")) found.add(positions[positions.length - 1]!);
  return [...found].sort((a, b) => a - b);
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
