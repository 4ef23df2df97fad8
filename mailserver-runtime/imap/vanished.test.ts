/** What QRESYNC tells of UIDs that are gone, where the store no longer remembers which (RFC 7162 §3.2.10.2). */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatRanges, type NumberRange } from "./grammar/sequence-set.ts";
import type { Session } from "./session.ts";
import { vanishedSince } from "./vanished.ts";

/** A selected mailbox with these UIDs whose store has forgotten what was expunged, or remembers these. */
function sessionOf(uids: readonly number[], uidNext: number, remembered?: readonly number[]): Session {
  const known = { uids: Uint32Array.from(uids), count: uids.length, uidNext };
  const mailbox = {
    expungedSince: async () => ({ uids: remembered ?? [], complete: remembered !== undefined }),
  };
  return { box: { known, mailbox } } as unknown as Session;
}
const told = async (session: Session, among?: readonly NumberRange[]) =>
  formatRanges(await vanishedSince(session, 1, among));

describe("VANISHED (EARLIER)", () => {
  it("names every UID below UIDNEXT that is not there, as ranges, whatever UIDNEXT is", async () => {
    assert.equal(
      await told(sessionOf([3, 4, 4_294_967_000], 4_294_967_290)),
      "1:2,5:4294966999,4294967001:4294967289",
    );
    assert.equal(await told(sessionOf([], 1)), "");
    assert.equal(await told(sessionOf([1, 2], 3)), "");
  });

  it("keeps to what the client knows", async () => {
    const known: NumberRange[] = [
      [2, 3],
      [5, 5],
      [8, 4_294_967_295],
    ];
    assert.equal(await told(sessionOf([3, 9], 12), known), "2,5,8,10:11");
    assert.equal(await told(sessionOf([3, 9], 12, [1, 2, 8, 10, 11]), known), "2,8,10:11");
  });

  it("20,000 ranges over 100,000 messages take no time", async () => {
    const uids = Array.from({ length: 100_000 }, (_, index) => 2 * index + 1);
    const ranges = Array.from(
      { length: 20_000 },
      (_, index): NumberRange => [10 * index + 1, 10 * index + 4],
    );
    const began = process.cpuUsage().user;
    const found = await vanishedSince(sessionOf(uids, 200_002), 1, ranges);
    assert.equal(found.length, 40_000);
    assert.ok(process.cpuUsage().user - began < 500_000);
  });
});
