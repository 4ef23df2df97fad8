import { Flag, type MailboxView } from "../../store/mail-store.ts";
import { rightsOn } from "../access/guarded-mailbox.ts";
import type { Cursor } from "../grammar/cursor.ts";
import { GrammarError } from "../grammar/cursor.ts";
import { isInRanges, LARGEST, type NumberRange, normalize, parseKnownUids } from "../grammar/sequence-set.ts";
import { textIndexOf } from "../search/text-index.ts";
import { beginFetch, Selected } from "../selected.ts";
import type { Session } from "../session.ts";
import { vanishedSince, writeVanishedEarlier } from "../vanished.ts";
import { type Completion, command, loggedIn, ok } from "./command.ts";

/** QRESYNC's arguments: what the client remembers of the mailbox (RFC 7162 §3.2.5). */
interface Remembered {
  readonly uidValidity: number;
  readonly modSeq: number;
  readonly knownUids: readonly NumberRange[] | undefined;
}
interface SelectArguments {
  readonly name: string;
  readonly condstore: boolean;
  readonly remembered: Remembered | undefined;
}

function parse(cursor: Cursor, session: Session): SelectArguments {
  cursor.space();
  const name = session.mailboxName(cursor);
  let condstore = false;
  let remembered: Remembered | undefined;
  if (cursor.take(" ")) {
    cursor.list(() => {
      const parameter = cursor.keyword();
      if (parameter === "CONDSTORE") condstore = true;
      else if (parameter === "QRESYNC") {
        if (!session.enabled.qresync) throw new GrammarError("ENABLE QRESYNC comes first");
        cursor.space();
        remembered = parseRemembered(cursor);
      } else throw new GrammarError(`there is no parameter ${parameter.slice(0, 40)}`);
    });
  }
  cursor.end();
  return { name, condstore, remembered };
}

function parseRemembered(cursor: Cursor): Remembered {
  cursor.expect("(");
  const uidValidity = cursor.nonZero();
  cursor.space();
  const modSeq = cursor.number64();
  let knownUids: readonly NumberRange[] | undefined;
  if (cursor.take(" ") && !cursor.sees("(")) {
    knownUids = parseKnownUids(cursor);
    cursor.take(" ");
  }
  // The pairs of sequence numbers and UIDs only help a server that forgets what was expunged early; the
  // client gets the same answer without them.
  if (cursor.take("(")) {
    parseKnownUids(cursor);
    cursor.space();
    parseKnownUids(cursor);
    cursor.expect(")");
  }
  cursor.expect(")");
  return { uidValidity, modSeq, knownUids };
}

/** Found before, by the column of flags, which a change replaces. */
const firstUnseenOf = new WeakMap<Uint32Array, number>();

/** Its position, or the view's count where all are seen. */
function firstUnseen({ flags, count }: MailboxView): number {
  let position = firstUnseenOf.get(flags) ?? 0;
  while (position < count && flags[position]! & Flag.Seen) position += 1;
  firstUnseenOf.set(flags, position);
  return position;
}

/** Rights of which one makes a mailbox one that can be written to (RFC 4314 §5.2). */
const WRITING = ["i", "e", "s", "t", "w"] as const;

async function run(session: Session, args: SelectArguments, examined: boolean): Promise<Completion> {
  const { out } = session;
  const { enabled } = session;
  if (session.selected) {
    session.unselect();
    // RFC 9051 §7.1: what follows speaks of the new mailbox.
    if (enabled.qresync || enabled.rev2) out.text("* OK [CLOSED] The mailbox before is closed.\r\n");
  }
  const mailbox = await session.mail.openToRead(args.name);
  const readOnly = examined || !WRITING.some((right) => rightsOn(mailbox).includes(right));
  let selected: Selected;
  try {
    selected = new Selected(mailbox, readOnly);
  } catch (error) {
    mailbox.release();
    throw error;
  }
  if (args.condstore) enabled.condstore = true;
  session.selected = selected;
  void textIndexOf(mailbox, session.log)?.opened();
  session.state = "selected";
  const view = selected.known;
  out.text(`* FLAGS (${selected.applicableFlags()})\r\n`);
  out.text(
    `* OK [PERMANENTFLAGS (${selected.permanentFlags()})] ${readOnly ? "Read-only." : "Flags permitted."}\r\n`,
  );
  out.text(`* ${view.count} EXISTS\r\n`);
  if (!enabled.rev2) {
    out.text(`* ${selected.recentCount} RECENT\r\n`);
    const unseen = firstUnseen(view);
    if (unseen < view.count && !enabled.uidOnly) out.text(`* OK [UNSEEN ${unseen + 1}] First unseen.\r\n`);
  }
  out.text(`* OK [UIDVALIDITY ${mailbox.uidValidity}] UIDs valid.\r\n`);
  out.text(`* OK [UIDNEXT ${view.uidNext}] Predicted next UID.\r\n`);
  out.text(`* OK [HIGHESTMODSEQ ${Math.max(1, view.highestModSeq)}] Highest.\r\n`);
  out.text(`* OK [MAILBOXID (${mailbox.mailboxId})] Ok.\r\n`);
  if (enabled.rev2) {
    out.text(`* LIST () "${session.separator}" `);
    session.writeMailboxName(args.name);
    out.text("\r\n");
  }
  const { withheld = 0 } = mailbox;
  if (withheld > 0)
    out.text(
      `* NO [ALERT] The server's disk is full: ${withheld} more messages are here, shown when there is room.\r\n`,
    );
  if (args.remembered?.uidValidity === mailbox.uidValidity) await resynchronize(session, args.remembered);
  return ok(examined ? "Examined." : "Selected.", readOnly ? "READ-ONLY" : "READ-WRITE");
}

/** Tells what has gone and what has changed since the client's MODSEQ (RFC 7162 §3.2.5.2). */
async function resynchronize(session: Session, remembered: Remembered): Promise<void> {
  const { box, out } = session;
  const among = remembered.knownUids && normalize(remembered.knownUids, LARGEST);
  writeVanishedEarlier(out, await vanishedSince(session, remembered.modSeq, among));
  const { known } = box;
  const { uidOnly } = session.enabled;
  out.beginTurn();
  for (let position = 0; position < known.count; position += 1) {
    if (out.mustPause()) await out.pause();
    if (known.modSeqs[position]! <= remembered.modSeq) continue;
    const uid = known.uids[position]!;
    if (among && !isInRanges(among, uid)) continue;
    beginFetch(out, uidOnly ? uid : position + 1, uidOnly);
    out.text(uidOnly ? "FLAGS " : `UID ${uid} FLAGS `);
    out.bytes(box.flagNames(box.flagsAt(position)));
    out.text(` MODSEQ (${known.modSeqs[position]}))\r\n`);
  }
}

/** SELECT (RFC 9051 §6.3.2, CONDSTORE and QRESYNC of RFC 7162). */
export const select = command({
  name: "SELECT",
  states: loggedIn,
  parse,
  run: (session, args) => run(session, args, false),
});

/** EXAMINE (RFC 9051 §6.3.3): SELECT that changes nothing. */
export const examine = command({
  name: "EXAMINE",
  states: loggedIn,
  parse,
  run: (session, args) => run(session, args, true),
});
