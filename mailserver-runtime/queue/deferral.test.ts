import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { settingsSchema } from "../settings/schema.ts";
import { type Deferral, readDeferral } from "./deferral.ts";
import { nextAttempt } from "./schedule.ts";

const MINUTE = 60_000;
/** Replies as servers in use send them. */
const replies: readonly (readonly [text: string, kind: Deferral["kind"], waitMs?: number])[] = [
  [
    "450 4.2.0 <b@x>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/x.html",
    "greylist",
  ],
  ["451 4.7.1 Greylisting in action, please come back in 00:04:59", "greylist", 299_000],
  ["450 4.7.1 <b@x>: Recipient address rejected: Greylisted for 5 minutes", "greylist", 5 * MINUTE],
  ["451 4.7.1 Greylisted, please try again in 300 seconds", "greylist", 300_000],
  ["451 Temporary local problem - grey-listed, retry after 1 hour", "greylist", 60 * MINUTE],
  ["450 4.7.1 graylisted: wait 90s", "greylist", 90_000],
  ["421 4.7.0 Try again later, closing connection.", "other"],
  ["421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP", "rate"],
  [
    "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
    "other",
  ],
  ["452 4.2.2 The recipient's mailbox is over quota: storage limit exceeded", "other"],
  ["452 4.3.1 Insufficient system storage: limit exceeded", "other"],
  ["421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints", "rate"],
  ["451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation", "rate"],
  ["421 4.4.5 Server busy, try again later", "rate"],
  [
    "mx.test[192.0.2.1]:25: greeted with 421 4.7.0 mx.test Error: too many connections from 192.0.2.9",
    "rate",
  ],
  ["450 4.7.1 Error: too much mail from 192.0.2.9", "rate"],
  ["454 4.7.0 throttled, try again in 10 minutes", "rate", 10 * MINUTE],
  ["421 Excessive message rate. Try again in 2 h", "rate", 120 * MINUTE],
  ["452 4.5.3 Message rate exceeded, slow down; retry in 99999 hours", "rate", 240 * MINUTE],
  ["450 4.1.8 <a@b>: Sender address rejected: Domain not found", "other"],
  ["451 4.3.0 Temporary lookup failure", "other"],
];
for (const [text, kind, waitMs] of replies)
  test(`"${text.slice(0, 70)}" means ${kind}${waitMs === undefined ? "" : `, in ${waitMs / 1000} s`}`, () => {
    assert.deepEqual(readDeferral(text), waitMs === undefined ? { kind } : { kind, waitMs });
  });

test("no reply, however long, takes long to read", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 900 }), (text) => {
      readDeferral(text);
    }),
  );
  const begin = performance.now();
  for (const piece of ["again in ", "exceeded limit ", "temporarily ", "1:", "for ", "9"])
    readDeferral(piece.repeat(1000).slice(0, 900));
  assert.ok(performance.now() - begin < 200);
});

test("a greylist is tried again soon after the time it names, and others by the table (RFC 5321 §4.5.4.1)", () => {
  const { delivery } = settingsSchema.parse({
    hostname: "mail.here.test",
    delivery: { retrySeconds: [300, 1800, 7200], lifetimeSeconds: 432_000 },
  });
  const at = (attempts: number, ...refusals: string[]) =>
    nextAttempt(delivery, 0, attempts, 0, 0, refusals) / 1000;
  assert.equal(at(1, "451 4.7.1 Greylisted, try again in 60 seconds"), 62);
  assert.equal(at(1, "451 4.7.1 Greylisted, try again in 10 minutes"), 602);
  assert.equal(at(2, "450 4.2.0 Greylisted, see http://postgrey"), 302, "without a time by the first wait");
  assert.equal(at(2, "451 4.3.0 lookup failure"), 1800);
  assert.equal(at(1, "454 throttled, try again in 1 hour"), 3600, "not before the time it asks for");
  assert.equal(at(3, "454 throttled, try again in 1 hour"), 7200);
  assert.equal(at(3, "451 4.3.0 x", "451 4.7.1 Greylisted for 60 seconds"), 62, "who may go first decides");
});
