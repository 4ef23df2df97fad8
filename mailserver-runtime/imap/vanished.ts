/**
 * What is gone since a client last looked (RFC 7162 §3.2): VANISHED (EARLIER), as ranges from the store to the wire, because
 * a mailbox whose UIDs count millions may have a handful of messages.
 */
import type { MailboxView } from "../store/mail-store.ts";
import { formatRanges, isInRanges, type NumberRange, rangesOf } from "./grammar/sequence-set.ts";
import type { Output } from "./output.ts";
import type { Session } from "./session.ts";

/**
 * UIDs that are gone since `modSeq`, of those the client names (in order, disjoint). Where the store does not remember that
 * far, every UID below UIDNEXT that is not there counts (RFC 7162 §3.2.10.2: saying too much is allowed).
 */
export async function vanishedSince(
  session: Session,
  modSeq: number,
  among: readonly NumberRange[] | undefined,
): Promise<readonly NumberRange[]> {
  const { mailbox, known } = session.box;
  const { complete, uids } = await mailbox.expungedSince(modSeq);
  if (complete) return rangesOf(among ? uids.filter((uid) => isInRanges(among, uid)) : uids);
  return gaps(known, among ?? [[1, known.uidNext - 1]]);
}

export function writeVanishedEarlier(out: Output, gone: readonly NumberRange[]): void {
  if (gone.length > 0) out.text(`* VANISHED (EARLIER) ${formatRanges(gone)}\r\n`);
}

/** What of the ranges is below UIDNEXT and no message's. */
function gaps({ uids, count, uidNext }: MailboxView, ranges: readonly NumberRange[]): NumberRange[] {
  const found: NumberRange[] = [];
  let position = 0;
  for (const [first, last] of ranges) {
    const end = Math.min(last, uidNext - 1);
    let next = first;
    while (position < count && uids[position]! < first) position += 1;
    for (; position < count && uids[position]! <= end; position += 1) {
      const uid = uids[position]!;
      if (uid > next) found.push([next, uid - 1]);
      next = uid + 1;
    }
    if (next <= end) found.push([next, end]);
  }
  return found;
}
