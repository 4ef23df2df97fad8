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

test("mailbox undelete shows what was expunged within the window, and brings it back", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "mailkeep-mailbox-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const store = await openMaildirStore({
    directories: directoriesBelow(root),
    log: silentLog,
    undelete: () => ({ days: 7, bytes: 1e9 }),
  });
  const account = await store.account("ann@example.org");
  const inbox = await account.open("INBOX");
  const content = memoryContent(
    Buffer.from("From: Bob <bob@example.net>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\n"),
  );
  const { uid } = await inbox.append({ content, flags: ["\\Deleted"] });
  await inbox.expunge([uid]);
  inbox.release();
  await store.close();
  const undelete = (...args: string[]) =>
    run(process.execPath, [main, "--root", root, "mailbox", "undelete", ...args]);
  const list = await undelete("ann@example.org", "--list", "--mailbox", "INBOX");
  assert.match(list.stdout, /^\d{4}-\S+Z {2}INBOX {2}\d+ bytes {2}"Bob <bob@example\.net>" {2}"grüße"\n$/);
  const later = await undelete("ann@example.org", "--since", "2999-01-01");
  assert.deepEqual([later.code, later.stdout], [1, "Nothing was brought back.\n"]);
  const back = await undelete("ann@example.org", "--subject", "GRÜSSE".toLowerCase().slice(0, 3));
  assert.deepEqual([back.code, back.stdout], [0, "1 message is back in INBOX\n"]);
  assert.equal((await undelete("ann@example.org", "--since", "yesterday")).code, 1);
  assert.equal((await undelete("--all")).code, 2);
});
