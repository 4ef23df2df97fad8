import { type CopyResult, type MailboxView, positionOf, StoreError } from "../../store/mail-store.ts";
import type { Cursor } from "../grammar/cursor.ts";
import { formatSet, parseSequenceSet, type SequenceSet } from "../grammar/sequence-set.ts";
import { withProgress } from "../progress.ts";
import { withRoom } from "../quota.ts";
import type { Session } from "../session.ts";
import { updateStyle } from "../update-style.ts";
import { type Command, type Completion, command, no, ok } from "./command.ts";

interface CopyArguments {
  readonly set: SequenceSet;
  readonly target: string;
}

function parse(cursor: Cursor, session: Session): CopyArguments {
  cursor.space();
  const set = parseSequenceSet(cursor);
  cursor.space();
  const target = session.mailboxName(cursor);
  cursor.end();
  return { set, target };
}

/** Copies or moves, and says where to (UIDPLUS, RFC 4315 §3); a target that is missing gets TRYCREATE. */
async function transfer(
  session: Session,
  { set, target }: CopyArguments,
  byUid: boolean,
  act: (uids: number[], target: string) => Promise<CopyResult>,
): Promise<CopyResult | Completion | undefined> {
  const { box } = session;
  const uids = box.uidsOf(box.resolve(set, byUid, session.saved));
  if (uids.length === 0) return undefined;
  try {
    return await act(uids, target);
  } catch (error) {
    if (error instanceof StoreError && error.code === "nonexistent") {
      return no("There is no such mailbox; it could be created.", "TRYCREATE");
    }
    throw error;
  }
}

/** What copies of these messages would add; a link counts in full. */
function totalSize(view: MailboxView, uids: readonly number[]): number {
  return uids.reduce((sum, uid) => sum + view.sizes[positionOf(view, uid)]!, 0);
}

/** Into Junk or out of it: a lesson for the filter. */
function tellSorted(session: Session, mailbox: string, { targetUids }: CopyResult): void {
  const from = session.box.mailbox.name;
  session.dependencies.onSorted?.({ account: session.mail.address, mailbox, uids: targetUids, from });
}

function copyUid(result: CopyResult): string | undefined {
  if (result.sourceUids.length === 0) return undefined;
  return `COPYUID ${result.uidValidity} ${formatSet(result.sourceUids)} ${formatSet(result.targetUids)}`;
}

/** COPY and UID COPY (RFC 9051 §6.4.7): all messages or none. */
const copyRow = (name: string, byUid: boolean): Command =>
  command({
    name,
    states: ["selected"],
    parse,
    async run(session, args) {
      const { box } = session;
      const copyAll = async (uids: number[], target: string) => {
        const growth = { bytes: totalSize(box.known, uids), messages: uids.length };
        return withRoom(session, target, growth, () => session.mail.copy(box.mailbox, uids, target));
      };
      const result = await withProgress(session, () => transfer(session, args, byUid, copyAll));
      if (result === undefined) return ok("Nothing to copy.");
      if ("status" in result) return result;
      tellSorted(session, args.target, result);
      return ok("Copied.", copyUid(result));
    },
  });
export const copy = copyRow("COPY", false);
export const uidCopy = copyRow("UID COPY", true);

/** MOVE and UID MOVE (RFC 6851; RFC 9051 §6.4.8): COPYUID comes before the EXPUNGEs of the source. */
const moveRow = (name: string, byUid: boolean): Command =>
  command({
    name,
    states: ["selected"],
    parse,
    async run(session, args) {
      const { box, out } = session;
      if (box.readOnly) return no("The mailbox was examined, not selected.", "READ-ONLY");
      const moveAll = async (uids: number[], target: string) => {
        const { mail } = session;
        const staysWithOwner = (await mail.ownerOf(target)) === (await mail.ownerOf(box.mailbox.name));
        // Who is over quota must be able to move mail to Trash.
        const growth = { bytes: totalSize(box.known, uids), messages: uids.length };
        const moveNow = () => mail.move(box.mailbox, uids, target);
        return staysWithOwner ? moveNow() : withRoom(session, target, growth, moveNow);
      };
      const result = await withProgress(session, () => transfer(session, args, byUid, moveAll));
      if (result === undefined) return ok("Nothing to move.");
      if ("status" in result) return result;
      tellSorted(session, args.target, result);
      const code = copyUid(result);
      if (code) out.text(`* OK [${code}] Moved.\r\n`);
      session.contexts?.tellLeaving();
      box.synchronize(out, updateStyle(session), true);
      const modSeq = box.known.highestModSeq;
      return ok("Moved.", session.enabled.qresync ? `HIGHESTMODSEQ ${modSeq}` : undefined);
    },
  });
export const move = moveRow("MOVE", false);
export const uidMove = moveRow("UID MOVE", true);
