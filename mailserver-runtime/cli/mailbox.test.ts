import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "../../test/support/tools.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { directoriesBelow } from "../settings/directories.ts";
import { openMaildirStore } from "../store/maildir/store.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));

test("mailbox stat, check and rebuild answer without a server, and say what is wrong", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "mailkeep-mailbox-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const directories = directoriesBelow(root);
  const store = await openMaildirStore({ directories, log: silentLog });
  await store.deliver({
    content: memoryContent(Buffer.from("Subject: x\r\n\r\n")),
    receivedAt: new Date(),
    recipients: [{ account: "ann@example.org", prefix: Buffer.alloc(0), mailbox: "INBOX" }],
  });
  await store.close();
  const mailbox = (...args: string[]) => run(process.execPath, [main, "--root", root, "mailbox", ...args]);
  const stat = await mailbox("stat", "ann@example.org");
  assert.match(stat.stdout, /^ann@example\.org: 1 messages, 14 bytes\n {2}INBOX: 1 messages, 1 unseen/);
  assert.equal((await mailbox("check", "ann@example.org")).code, 0);
  assert.equal((await mailbox("rebuild", "ann@example.org")).code, 0);
  writeFileSync(join(directories.mail, "example.org/ann/cur/1.empty:2,"), "");
  const check = await mailbox("check", "ann@example.org");
  assert.equal(check.code, 1);
  assert.match(check.stdout, /^! INBOX, cur\/1\.empty:2,: is empty/m);
  assert.match((await mailbox("stat", "bob@example.org")).stderr, /there is no mail of bob@example\.org/);
  assert.equal((await mailbox("mend", "ann@example.org")).code, 2);
});
