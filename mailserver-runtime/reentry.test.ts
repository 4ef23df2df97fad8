import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryContent } from "./message/content.ts";
import { silentLog } from "./net/log.ts";
import { createReentry } from "./reentry.ts";
import { snapshotOf } from "./routing/snapshot-for-tests.ts";
import { type DeliveryRecipient, StoreError } from "./store/mail-store.ts";

const message = {
  envelope: { from: "ann@here.test", recipients: [{ address: "bob@example.org" }] },
  prefix: Buffer.alloc(0),
  content: memoryContent(Buffer.from("Subject: x\r\n\r\ny\r\n")),
};

/** What enters again, and what the store was asked; every mailbox with a quota is full. */
function entering(whenFull: "refuse" | "defer", limits?: { quotaBytes: number; graceBytes: number }) {
  const asked: DeliveryRecipient[] = [];
  const snapshot = snapshotOf({ domains: ["example.org"] });
  const settings = { ...snapshot.settings, mailbox: { ...snapshot.settings.mailbox, whenFull } };
  const enter = createReentry({
    snapshot: () => ({ ...snapshot, settings }),
    routeRecipient: () => [{ kind: "local", account: "bob@example.org", via: [] }],
    store: {
      async deliver({ recipients }) {
        asked.push(...recipients);
        return recipients.map(({ account, quotaBytes = 0 }) =>
          quotaBytes === 0
            ? { account, stored: true }
            : { account, stored: false, error: new StoreError("over-quota", "full") },
        );
      },
    },
    queue: () => assert.fail("nothing leaves"),
    log: silentLog,
    ...(limits !== undefined && { limits: () => limits }),
  });
  return { enter, asked };
}

test("mail that waited finds the quota as mail from outside does, and its sender is told of a full mailbox", async () => {
  const limits = { quotaBytes: 1000, graceBytes: 100 };
  const refusing = entering("refuse", limits);
  assert.deepEqual(await refusing.enter(message), { code: 552, status: "5.2.2", text: "Mailbox is full" });
  assert.partialDeepStrictEqual(refusing.asked, [limits]);
  await assert.rejects(entering("defer", limits).enter(message), StoreError);
});

test("this server's own reports and warnings are stored in full mailboxes, too", async () => {
  assert.equal(await entering("refuse").enter(message), undefined);
});
