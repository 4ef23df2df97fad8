import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryContent } from "./message/content.ts";
import { silentLog } from "./net/log.ts";
import type { QueueSubmission } from "./queue/queue.ts";
import { createReentry } from "./reentry.ts";
import { routeRecipient } from "./routing/routing.ts";
import { snapshotOf } from "./routing/snapshot-for-tests.ts";
import { type Delivery, StoreError } from "./store/mail-store.ts";

const snapshot = snapshotOf({
  domains: ["green.test"],
  accounts: ["ann@green.test"],
  aliases: { "team@green.test": ["ann@green.test", "far@away.test"] },
});
function parts(outcome: "stored" | "failed" = "stored") {
  const delivered: Delivery[] = [];
  const queued: QueueSubmission[] = [];
  const enter = createReentry({
    snapshot: () => snapshot,
    routeRecipient,
    store: {
      async deliver(delivery) {
        delivered.push(delivery);
        return delivery.recipients.map(({ account }) =>
          outcome === "stored"
            ? { account, stored: true as const, uid: 1, uidValidity: 1 }
            : { account, stored: false as const, error: new StoreError("no-space", "full") },
        );
      },
    },
    queue: () => ({
      async enqueue(submission) {
        queued.push(submission);
        return { id: "q1" };
      },
    }),
    log: silentLog,
  });
  return { enter, delivered, queued };
}
const report = (to: string): QueueSubmission => ({
  envelope: { from: "", recipients: [{ address: to }] },
  prefix: Buffer.alloc(0),
  content: memoryContent(Buffer.from("Subject: failure\r\n\r\nIt failed.\r\n")),
});

test("a report for a local account goes into its INBOX with a null Return-Path", async () => {
  const { enter, delivered, queued } = parts();
  await enter(report("ann+list@green.test"));
  assert.deepEqual(
    delivered[0]?.recipients.map(({ account, mailbox }) => [account, mailbox]),
    [["ann@green.test", "INBOX"]],
  );
  assert.equal(delivered[0]?.recipients[0]?.prefix.toString(), "Return-Path: <>\r\n");
  assert.equal(queued.length, 0);
});

test("a report for an alias goes every way of it", async () => {
  const { enter, delivered, queued } = parts();
  await enter(report("team@green.test"));
  assert.equal(delivered.length, 1);
  assert.deepEqual(queued[0]?.envelope.recipients, [{ address: "far@away.test" }]);
});

test("a message that nobody may get is answered with the refusal", async () => {
  const { enter, delivered, queued } = parts();
  assert.equal((await enter(report("nobody@green.test")))?.status, "5.1.1");
  assert.equal(delivered.length + queued.length, 0);
});

test("a store that fails rejects, so that whoever made the report keeps it", async () => {
  const { enter } = parts("failed");
  await assert.rejects(enter(report("ann@green.test")), /full/);
});
