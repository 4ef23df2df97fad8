import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { memoryContent } from "../../message/content.ts";
import { openIn } from "./test-store.ts";

test("after forget nothing of a removed Maildir is served, and the address begins anew with another UIDVALIDITY", async (t) => {
  const root = await fs.mkdtemp(path.join(os.tmpdir(), "mailkeep-forget-"));
  t.after(() => fs.rm(root, { recursive: true, force: true }));
  const store = await openIn(root);
  t.after(() => store.close());
  const account = "ann@green.test";
  const deliver = async () => {
    const [outcome] = await store.deliver({
      content: memoryContent(Buffer.from("Subject: x\r\n\r\ny\r\n")),
      receivedAt: new Date(),
      recipients: [{ account, prefix: Buffer.alloc(0), mailbox: "INBOX" }],
    });
    assert.equal(outcome?.stored, true);
  };
  await deliver();
  const before = await store.account(account);
  const inbox = await before.open("INBOX");
  await inbox.refresh();
  assert.equal(inbox.view().count, 1);
  const { uidValidity } = inbox;
  const [folder] = await fs.readdir(path.join(root, "mail/green.test"));
  await fs.rm(path.join(root, "mail/green.test", folder!), { recursive: true });
  await store.forget(account);
  // UIDVALIDITY comes from the clock's seconds where no counter is left.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await deliver();
  const again = await store.account(account);
  const fresh = await again.open("INBOX");
  await fresh.refresh();
  assert.equal(fresh.view().count, 1);
  assert.ok(fresh.uidValidity > uidValidity, `${fresh.uidValidity} > ${uidValidity}`);
  fresh.release();
  again.release();
});
