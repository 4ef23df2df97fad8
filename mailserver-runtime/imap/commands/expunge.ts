import { parseSequenceSet } from "../grammar/sequence-set.ts";
import type { Session } from "../session.ts";
import { type Completion, command, no, nothing, ok } from "./command.ts";

const readOnly = no("The mailbox was examined, not selected.", "READ-ONLY");

async function run(session: Session, uids: number[] | undefined): Promise<Completion> {
  const { mailbox } = session.box;
  const { modSeq } = await mailbox.expunge(uids);
  // RFC 7162 §3.2.7: a QRESYNC client learns up to where it is in step.
  const code = session.enabled.qresync && modSeq > 0 ? `HIGHESTMODSEQ ${modSeq}` : undefined;
  return ok("Expunged.", code);
}

/** EXPUNGE (RFC 9051 §6.4.3). What went is told with everything else that changed, before the tagged line. */
export const expunge = command({
  name: "EXPUNGE",
  states: ["selected"],
  parse: nothing,
  run: (session) => (session.box.readOnly ? readOnly : run(session, undefined)),
});

/** UID EXPUNGE (RFC 4315 §2.1): of the messages marked \Deleted only those named. */
export const uidExpunge = command({
  name: "UID EXPUNGE",
  states: ["selected"],
  parse(cursor) {
    cursor.space();
    const set = parseSequenceSet(cursor);
    cursor.end();
    return set;
  },
  run(session, set) {
    const { box } = session;
    if (box.readOnly) return readOnly;
    return run(session, box.uidsOf(box.resolve(set, true, session.saved)));
  },
});
