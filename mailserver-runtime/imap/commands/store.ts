import { classOfKeywords } from "../../learning/lesson.ts";
import { Flag, KEYWORD_SHIFT, positionOf } from "../../store/mail-store.ts";
import type { Cursor } from "../grammar/cursor.ts";
import { GrammarError } from "../grammar/cursor.ts";
import { parseFlag, parseFlagList } from "../grammar/flags.ts";
import { formatSet, parseSequenceSet, type SequenceSet } from "../grammar/sequence-set.ts";
import { beginFetch, type Positions, type Selected } from "../selected.ts";
import type { Session } from "../session.ts";
import { type Command, type Completion, command, no, ok } from "./command.ts";

interface StoreArguments {
  readonly set: SequenceSet;
  readonly mode: "add" | "remove" | "replace";
  readonly silent: boolean;
  readonly flags: readonly string[];
  readonly unchangedSince: number | undefined;
}

const MODES: Record<string, Pick<StoreArguments, "mode" | "silent">> = {
  FLAGS: { mode: "replace", silent: false },
  "FLAGS.SILENT": { mode: "replace", silent: true },
  "+FLAGS": { mode: "add", silent: false },
  "+FLAGS.SILENT": { mode: "add", silent: true },
  "-FLAGS": { mode: "remove", silent: false },
  "-FLAGS.SILENT": { mode: "remove", silent: true },
};

function parse(cursor: Cursor): StoreArguments {
  cursor.space();
  const set = parseSequenceSet(cursor);
  cursor.space();
  let unchangedSince: number | undefined;
  if (cursor.sees("(")) {
    cursor.list(() => {
      if (cursor.keyword() !== "UNCHANGEDSINCE")
        throw new GrammarError("the only modifier is UNCHANGEDSINCE");
      cursor.space();
      unchangedSince = cursor.number64();
    });
    cursor.space();
  }
  const name = cursor.keyword();
  if (!Object.hasOwn(MODES, name)) throw new GrammarError("expected FLAGS, +FLAGS or -FLAGS");
  cursor.space();
  const flags = cursor.sees("(") ? parseFlagList(cursor) : bareFlags(cursor);
  cursor.end();
  return { set, ...MODES[name]!, flags, unchangedSince };
}

/** Flags without parentheses (RFC 9051 §9 store-att-flags). */
function bareFlags(cursor: Cursor): string[] {
  const flags = [parseFlag(cursor)];
  while (cursor.take(" ")) flags.push(parseFlag(cursor));
  return flags;
}

const SYSTEM_BITS: Record<string, number> = {
  "\\Seen": Flag.Seen,
  "\\Answered": Flag.Answered,
  "\\Flagged": Flag.Flagged,
  "\\Deleted": Flag.Deleted,
  "\\Draft": Flag.Draft,
};

/** The flag word of names; keywords the mailbox does not know have no bit. */
function flagWord(box: Selected, flags: readonly string[]): number {
  const { keywords } = box.mailbox.view();
  let word = 0;
  for (const flag of flags) {
    const keyword = keywords.findIndex((name) => name.toLowerCase() === flag.toLowerCase());
    word |= SYSTEM_BITS[flag] ?? (keyword < 0 ? 0 : 1 << (keyword + KEYWORD_SHIFT));
  }
  return word;
}

async function run(session: Session, args: StoreArguments, byUid: boolean): Promise<Completion> {
  const { box } = session;
  if (box.readOnly) return no("The mailbox was examined, not selected.", "READ-ONLY");
  const conditional = args.unchangedSince !== undefined;
  if (conditional) session.enableCondstore();
  const positions = box.resolve(args.set, byUid, session.saved);
  const uids = box.uidsOf(positions);
  if (uids.length === 0) return ok("Nothing to change.");
  const { modified } = await box.mailbox.setFlags({
    uids,
    mode: args.mode,
    flags: args.flags,
    unchangedSince: args.unchangedSince,
  });
  const untouched = new Set(modified);
  if (args.mode !== "remove" && classOfKeywords(args.flags) !== undefined)
    session.dependencies.onSorted?.({
      account: session.mail.address,
      mailbox: box.mailbox.name,
      uids: uids.filter((uid) => !untouched.has(uid)),
      keywords: args.flags,
    });
  await answer(session, args, byUid, positions, untouched);
  if (untouched.size > 0) {
    const numbers = byUid ? modified : modified.map((uid) => positionOf(box.known, uid) + 1);
    return ok("Changed, but for messages others changed.", `MODIFIED ${formatSet(numbers)}`);
  }
  // What is there has changed; that the rest is gone is no failure of it, and told (RFC 2180 §4.2, RFC 5530).
  const latest = box.mailbox.view();
  if (!byUid && latest.uids !== box.known.uids && uids.some((uid) => positionOf(latest, uid) < 0)) {
    return ok("Changed; some of the messages no longer exist.", "EXPUNGEISSUED");
  }
  return ok("Changed.");
}

/** FETCH answers for what was asked; a silent client is believed to know the result (RFC 9051 §6.4.6). */
async function answer(
  session: Session,
  args: StoreArguments,
  byUid: boolean,
  positions: Positions,
  untouched: ReadonlySet<number>,
): Promise<void> {
  const { box, out, enabled } = session;
  const word = flagWord(box, args.flags);
  const withModSeq = enabled.condstore || enabled.qresync;
  const latest = box.mailbox.view();
  box.writeNewKeywords(out);
  out.beginTurn();
  for (const [first, last] of positions) {
    for (let position = first; position <= last; position += 1) {
      const uid = box.known.uids[position]!;
      if (untouched.has(uid) || positionOf(latest, uid) < 0) continue;
      if (args.silent) {
        box.noteTold(position, applied(args.mode, box.believedFlags(position), word));
        if (!withModSeq) continue;
      }
      beginFetch(out, enabled.uidOnly ? uid : position + 1, enabled.uidOnly);
      let separator = "";
      if ((byUid || withModSeq) && !enabled.uidOnly) {
        out.text("UID ");
        out.number(uid);
        separator = " ";
      }
      if (!args.silent) {
        const flags = box.flagsAt(position);
        box.noteTold(position, flags);
        out.text(`${separator}FLAGS `);
        out.bytes(box.flagNames(flags));
        separator = " ";
      }
      if (withModSeq) {
        out.text(`${separator}MODSEQ (`);
        out.number(box.modSeqAt(position));
        out.text(")");
      }
      out.text(")\r\n");
      if (out.mustPause()) await out.pause();
    }
  }
}

function applied(mode: StoreArguments["mode"], flags: number, word: number): number {
  if (mode === "add") return flags | word;
  return mode === "remove" ? flags & ~word : word;
}

/** STORE and UID STORE (RFC 9051 §6.4.6; UNCHANGEDSINCE RFC 7162 §3.1.3). */
const row = (name: string, byUid: boolean): Command =>
  command({
    name,
    states: ["selected"],
    expunges: byUid,
    parse,
    run: (session, args) => run(session, args, byUid),
  });
export const store = row("STORE", false);
export const uidStore = row("UID STORE", true);
