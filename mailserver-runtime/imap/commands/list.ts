import type { MailboxEntry } from "../../store/mail-store.ts";
import { StoreError } from "../../store/mail-store.ts";
import type { Cursor } from "../grammar/cursor.ts";
import { GrammarError } from "../grammar/cursor.ts";
import { matchesPattern } from "../grammar/mailbox-pattern.ts";
import { parseEntries } from "../grammar/metadata-entries.ts";
import { PLAIN, writeMetadata } from "../response/metadata.ts";
import type { Session } from "../session.ts";
import { writeMyRights } from "./acl.ts";
import { command, loggedIn, ok } from "./command.ts";
import { parseStatusItems, writeStatus } from "./status.ts";

const SELECTION = ["SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"] as const;
type Selection = (typeof SELECTION)[number];
const RETURNS = ["SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS", "METADATA", "MYRIGHTS"] as const;
type Return = (typeof RETURNS)[number];

interface ListArguments {
  readonly reference: string;
  readonly patterns: readonly string[];
  readonly selection: ReadonlySet<Selection>;
  readonly returns: ReadonlySet<Return>;
  readonly statusItems: readonly string[];
  readonly entries: readonly string[];
  /** An extended form: attributes the plain one must not show are allowed. */
  readonly extended: boolean;
}

/** Patterns of one command at most. */
const MAX_PATTERNS = 100;

function parse(cursor: Cursor, session: Session): ListArguments {
  cursor.space();
  const selection = new Set<Selection>();
  let extended = false;
  if (cursor.sees("(")) {
    extended = true;
    for (const name of cursor.list(() => cursor.keyword())) selection.add(known(SELECTION, name));
    cursor.space();
  }
  if (selection.has("RECURSIVEMATCH") && !selection.has("SUBSCRIBED") && !selection.has("SPECIAL-USE")) {
    throw new GrammarError("RECURSIVEMATCH needs something to match (RFC 5258 section 3.1)");
  }
  const reference = session.mailboxName(cursor);
  cursor.space();
  let patterns: string[];
  if (cursor.sees("(")) {
    extended = true;
    patterns = cursor.list(() => session.mailboxPattern(cursor));
    if (patterns.length > MAX_PATTERNS) throw new GrammarError("too many patterns");
  } else patterns = [session.mailboxPattern(cursor)];
  const returns = new Set<Return>();
  let statusItems: string[] = [];
  let entries: string[] = [];
  if (cursor.take(" ")) {
    extended = true;
    if (cursor.keyword() !== "RETURN") cursor.fail("RETURN");
    cursor.space();
    cursor.list(() => {
      const name = known(RETURNS, cursor.keyword());
      returns.add(name);
      if (name === "STATUS") {
        cursor.space();
        statusItems = parseStatusItems(cursor);
      }
      if (name === "METADATA") {
        cursor.space();
        entries = parseEntries(cursor);
      }
    });
  }
  cursor.end();
  return { reference, patterns, selection, returns, statusItems, entries, extended };
}

function known<Name extends string>(names: readonly Name[], name: string): Name {
  const found = names.find((candidate) => candidate === name);
  if (!found) throw new GrammarError(`LIST has no option ${name.slice(0, 40)}`);
  return found;
}

function attributes(entry: MailboxEntry, args: ListArguments): string[] {
  const found: string[] = [];
  if (!entry.selectable) found.push(entry.hasChildren ? "\\Noselect" : "\\NonExistent");
  if (entry.subscribed && (args.returns.has("SUBSCRIBED") || args.selection.has("SUBSCRIBED"))) {
    found.push("\\Subscribed");
  }
  // CHILDREN and SPECIAL-USE attributes may always be shown (RFC 5258 §4, RFC 6154 §2).
  found.push(entry.hasChildren ? "\\HasChildren" : "\\HasNoChildren");
  if (entry.specialUse) found.push(entry.specialUse);
  return found;
}

/** LIST (RFC 9051 §6.3.9; RFC 5258, 5819, 6154, 3348). */
export const list = command({
  name: "LIST",
  states: loggedIn,
  parse,
  async run(session, args) {
    const { out, separator } = session;
    if (!args.extended && args.patterns[0] === "") {
      // An empty pattern asks for the separator (RFC 9051 §6.3.9).
      out.text(`* LIST (\\Noselect) "${separator}" ""\r\n`);
      return ok("Listed.");
    }
    const entries = withParents(await session.mail.list(), separator);
    const patterns = args.patterns
      .filter((pattern) => pattern !== "")
      .map((pattern) => args.reference + pattern);
    const selects = selector(args);
    // Who names a mailbox hears of it by itself, so its parents need not speak for it.
    const unnamed = entries.filter(({ name }) => !patterns.includes(name));
    for (const entry of entries) {
      if (!patterns.some((pattern) => matchesPattern(entry.name, pattern, separator))) continue;
      const chosen = selects(entry);
      const below =
        args.selection.has("RECURSIVEMATCH") && hasSelectedBelow(unnamed, entry.name + separator, selects);
      if (!chosen && !below) continue;
      out.text(`* LIST (${attributes(entry, args).join(" ")}) "${separator}" `);
      session.writeMailboxName(entry.name);
      if (below && args.selection.has("SUBSCRIBED")) out.text(' ("CHILDINFO" ("SUBSCRIBED"))');
      out.text("\r\n");
      if (!entry.selectable) continue;
      if (args.statusItems.length > 0) await unlessGone(writeStatus(session, entry.name, args.statusItems));
      if (args.returns.has("MYRIGHTS")) await unlessGone(writeMyRights(session, entry.name));
      if (args.entries.length > 0) await metadataOf(session, entry.name, args.entries);
    }
    return ok("Listed.");
  },
});

/** Names that only have children are answered too, so that a client that asks level by level finds them. */
function withParents(entries: readonly MailboxEntry[], separator: string): readonly MailboxEntry[] {
  const names = new Set(entries.map((entry) => entry.name));
  const missing = new Map<string, MailboxEntry>();
  for (const { name } of entries) {
    for (let end = name.lastIndexOf(separator); end > 0; end = name.lastIndexOf(separator, end - 1)) {
      const parent = name.slice(0, end);
      if (names.has(parent) || missing.has(parent)) break;
      missing.set(parent, { name: parent, subscribed: false, selectable: false, hasChildren: true });
    }
  }
  return missing.size === 0 ? entries : [...entries, ...missing.values()];
}

function selector(args: ListArguments): (entry: MailboxEntry) => boolean {
  const { selection } = args;
  const subscribed = selection.has("SUBSCRIBED");
  const special = selection.has("SPECIAL-USE");
  return (entry) => {
    if (subscribed && !entry.subscribed) return false;
    if (special && !entry.specialUse) return false;
    // A subscription without a mailbox answers only to who asks for subscriptions.
    return subscribed || entry.selectable || entry.hasChildren;
  };
}

function hasSelectedBelow(
  entries: readonly MailboxEntry[],
  prefix: string,
  selects: (entry: MailboxEntry) => boolean,
): boolean {
  return entries.some((entry) => entry.name.startsWith(prefix) && selects(entry));
}

/** LIST-STATUS, LIST-MYRIGHTS (RFC 5819 §2, RFC 8440 §2): a mailbox that cannot tell is listed without. */
async function unlessGone(written: Promise<void>): Promise<void> {
  try {
    await written;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}

/** LIST-METADATA (RFC 9590 §3): a mailbox whose annotations cannot be read is listed without them. */
async function metadataOf(session: Session, name: string, entries: readonly string[]): Promise<void> {
  try {
    writeMetadata(session, name, await session.mail.metadata(name), entries, PLAIN);
    if (session.out.mustPause()) await session.out.pause();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}

/** LSUB (RFC 3501 §6.3.9): subscribed names, and with `%` the parents of subscribed ones. */
export const lsub = command({
  name: "LSUB",
  states: loggedIn,
  parse(cursor, session) {
    cursor.space();
    const reference = session.mailboxName(cursor);
    cursor.space();
    const pattern = session.mailboxPattern(cursor);
    cursor.end();
    return reference + pattern;
  },
  async run(session, pattern) {
    const { out, separator } = session;
    const entries = await session.mail.list();
    const subscribed = new Set(entries.filter((entry) => entry.subscribed).map((entry) => entry.name));
    const answers = new Map<string, string>();
    for (const name of subscribed) {
      if (matchesPattern(name, pattern, separator)) answers.set(name, "");
      else if (pattern.endsWith("%")) {
        for (let end = name.lastIndexOf(separator); end > 0; end = name.lastIndexOf(separator, end - 1)) {
          const parent = name.slice(0, end);
          if (!subscribed.has(parent) && matchesPattern(parent, pattern, separator))
            answers.set(parent, "\\Noselect");
        }
      }
    }
    for (const [name, attribute] of answers) {
      out.text(`* LSUB (${attribute}) "${separator}" `);
      session.writeMailboxName(name);
      out.text("\r\n");
    }
    return ok("Listed.");
  },
});
