import { type MailboxEntry, StoreError } from "../../store/mail-store.ts";
import { rightsOn } from "../access/guarded-mailbox.ts";
import type { Cursor } from "../grammar/cursor.ts";
import { GrammarError } from "../grammar/cursor.ts";
import { parseResultOptions, type ResultOptions } from "../grammar/result-options.ts";
import { parseSearchProgram, type SearchNode } from "../grammar/search-program.ts";
import { withProgress } from "../progress.ts";
import { writeSearchResult } from "../response/search-result.ts";
import { search } from "../search/matcher.ts";
import { Selected } from "../selected.ts";
import type { Session } from "../session.ts";
import { type Completion, command, loggedIn, ok } from "./command.ts";
import { mentionsModSeq } from "./search.ts";

/** Which mailboxes a filter names (RFC 7377 §2.1, RFC 5465 §6); with names where it takes some. */
interface Filter {
  readonly kind: string;
  readonly names: readonly string[];
}
const ALONE: Readonly<Record<string, (session: Session, entry: MailboxEntry) => boolean>> = {
  SELECTED: (session, { name }) => session.selected?.mailbox.name === name,
  "SELECTED-DELAYED": (session, { name }) => session.selected?.mailbox.name === name,
  INBOXES: (_session, { name }) => name === "INBOX",
  PERSONAL: (session, { name }) => !name.startsWith(session.mail.othersPrefix),
  SUBSCRIBED: (_session, { subscribed }) => subscribed,
};
const NAMED: Readonly<Record<string, (name: string, root: string, separator: string) => boolean>> = {
  MAILBOXES: (name, root) => name === root,
  SUBTREE: (name, root, separator) => name === root || name.startsWith(root + separator),
  "SUBTREE-ONE": (name, root, separator) =>
    name === root ||
    (name.startsWith(root + separator) && !name.includes(separator, root.length + separator.length)),
};
const MAX_FILTERS = 50;
const MAX_NAMES = 1000;

interface Arguments {
  readonly filters: readonly Filter[];
  readonly options: ResultOptions;
  readonly program: SearchNode;
}

function parseFilter(cursor: Cursor, session: Session): Filter {
  const kind = cursor.keyword();
  if (Object.hasOwn(ALONE, kind)) return { kind, names: [] };
  if (!Object.hasOwn(NAMED, kind)) throw new GrammarError(`there is no filter ${kind.slice(0, 40)}`);
  cursor.space();
  const name = () => session.mailboxName(cursor);
  const names = cursor.sees("(") ? cursor.list(name) : [name()];
  if (names.length === 0 || names.length > MAX_NAMES) throw new GrammarError("some mailboxes are named");
  return { kind, names };
}

function parse(cursor: Cursor, session: Session): Arguments {
  let filters: readonly Filter[] = [{ kind: "SELECTED", names: [] }];
  const at = cursor.at;
  if (cursor.take(" ") && cursor.atom().toUpperCase() === "IN") {
    cursor.space();
    filters = cursor.list(() => parseFilter(cursor, session));
    if (filters.length === 0 || filters.length > MAX_FILTERS)
      throw new GrammarError("some mailboxes are named");
  } else cursor.at = at;
  const options = parseResultOptions(cursor) ?? { names: new Set(["ALL"] as const), partial: undefined };
  // RFC 7377 §2.2: a saved or followed result is the selected mailbox's.
  if (options.names.has("SAVE") || options.names.has("UPDATE"))
    throw new GrammarError("SAVE and UPDATE go with SEARCH in the selected mailbox");
  cursor.space();
  return { filters, options, program: parseSearchProgram(cursor) };
}

/** Names of the mailboxes, each once, in the order of the list. */
async function chosen(session: Session, filters: readonly Filter[]): Promise<readonly string[]> {
  const { separator } = session;
  const matches = (entry: MailboxEntry) =>
    filters.some(({ kind, names }) =>
      Object.hasOwn(ALONE, kind)
        ? ALONE[kind]!(session, entry)
        : names.some((root) => NAMED[kind]!(entry.name, root, separator)),
    );
  const entries = await session.mail.list();
  return entries.filter((entry) => entry.selectable && matches(entry)).map(({ name }) => name);
}

async function searchOne(session: Session, name: string, args: Arguments): Promise<void> {
  const mailbox = await session.mail.openToRead(name);
  try {
    await mailbox.refresh();
    if (!rightsOn(mailbox).includes("r")) return;
    const box = new Selected(mailbox, true);
    const positions = await search(session, args.program, box);
    if (positions.length === 0 && !args.options.names.has("COUNT")) return;
    writeSearchResult(session, {
      name: "SEARCH",
      tag: session.tag,
      byUid: true,
      numbers: positions.map((position) => box.known.uids[position]!),
      options: args.options,
      modSeq: mentionsModSeq(args.program)
        ? positions.reduce((highest, position) => Math.max(highest, box.modSeqAt(position)), 1)
        : undefined,
      mailbox: { name, uidValidity: mailbox.uidValidity },
    });
    session.out.endAnswer();
  } finally {
    mailbox.release();
  }
}

async function run(session: Session, args: Arguments): Promise<Completion> {
  if (args.filters.some(({ kind }) => kind.startsWith("SELECTED")) && !session.selected)
    throw new GrammarError("no mailbox is selected");
  for (const name of await chosen(session, args.filters)) {
    try {
      await searchOne(session, name, args);
    } catch (error) {
      // RFC 7377 §2.1: a mailbox that is gone or may not be read is passed over.
      if (!(error instanceof StoreError)) throw error;
    }
  }
  return ok("Searched.");
}

/** ESEARCH of several mailboxes (MULTISEARCH, RFC 7377). */
export const esearch = command({
  name: "ESEARCH",
  states: loggedIn,
  parse,
  run: (session, args) => withProgress(session, () => run(session, args)),
});
