import assert from "node:assert/strict";
import { test } from "node:test";
import { dovecot, IMAP } from "./test-dovecot.ts";
import { filesIn, flagsAt, freshDirectory, message, missing, openIn, textOf, uidsOf } from "./test-store.ts";

function literal(bytes: string): string {
  return `{${Buffer.byteLength(bytes)}+}\r\n${bytes}`;
}
const mail = "Subject: one\r\n\r\nHello.\r\n";

test("A Maildir of Dovecot keeps UIDs, UIDVALIDITY, flags, keywords, dates, folders and subscriptions, and goes back to Dovecot", async (t) => {
  const skip = missing(IMAP);
  if (skip !== undefined) return t.skip(skip);
  const root = freshDirectory(t);
  const made = await dovecot(root, [
    `CREATE "W&APY-rk.Sub"`,
    `SUBSCRIBE "W&APY-rk.Sub"`,
    `APPEND INBOX (\\Seen $Label1 foo) " 1-Jan-2020 00:00:00 +0000" ${literal(mail)}`,
    `APPEND INBOX ${literal(mail)}`,
    `APPEND INBOX (\\Deleted) ${literal(mail)}`,
    `APPEND INBOX (\\Flagged bar) ${literal(mail)}`,
    `APPEND "W&APY-rk.Sub" (\\Answered) ${literal(mail)}`,
    "SELECT INBOX",
    "EXPUNGE",
    "FETCH 1:* (UID FLAGS)",
  ]);
  const uidValidity = Number(/UIDVALIDITY (\d+)/.exec(made)![1]);
  const files = filesIn(`${root}/mail/example.org/ann`).map((file) => file.replace(/:.*/, ""));

  const store = await openIn(root);
  const account = await store.account("ann@example.org");
  const names = (await account.list()).filter((entry) => entry.selectable).map((entry) => entry.name);
  assert.deepEqual(names, ["INBOX", "Drafts", "Junk", "Sent", "Trash", "Wörk.Sub"]);
  assert.ok((await account.list()).some((entry) => entry.name === "Wörk.Sub" && entry.subscribed));
  const inbox = await account.open("INBOX");
  assert.equal(inbox.uidValidity, uidValidity);
  assert.deepEqual(uidsOf(inbox), [1, 2, 4]);
  assert.equal(inbox.view().uidNext, 5);
  assert.deepEqual(flagsAt(inbox, 0), ["$Label1", "\\Seen", "foo"]);
  assert.deepEqual(flagsAt(inbox, 2), ["\\Flagged", "bar"]);
  assert.equal(inbox.view().dates[0], Date.UTC(2020, 0, 1));
  assert.equal(inbox.view().sizes[1], mail.length);
  assert.equal(await textOf(inbox, 2), mail);
  const sub = await account.open("Wörk.Sub");
  assert.deepEqual(flagsAt(sub, 0), ["\\Answered"]);
  assert.deepEqual(
    filesIn(`${root}/mail/example.org/ann`).map((file) => file.replace(/:.*/, "")),
    files,
  );

  // Now ours: what we change is what Dovecot shows afterwards.
  const { uid } = await inbox.append({
    content: message("two"),
    flags: ["\\Draft", "ours"],
    internalDate: new Date(Date.UTC(2021, 1, 2)),
  });
  assert.equal(uid, 5);
  await inbox.setFlags({ uids: [2], mode: "add", flags: ["\\Deleted", "foo"] });
  await inbox.setFlags({ uids: [1], mode: "remove", flags: ["\\Seen"] });
  await inbox.setFlags({ uids: [4], mode: "add", flags: ["\\Deleted"] });
  await inbox.expunge([4]);
  await inbox.copy([1], "Wörk.Sub");
  await account.create("Later");
  await account.subscribe("Later", true);
  await store.deliver({
    content: message("three"),
    receivedAt: new Date(),
    recipients: [{ account: "ann@example.org", prefix: Buffer.alloc(0), mailbox: "INBOX" }],
  });
  const later = await account.open("Later");
  const laterValidity = later.uidValidity;
  for (const mailbox of [inbox, sub, later]) mailbox.release();
  await store.close();

  const seen = await dovecot(root, [
    'LIST "" *',
    'LSUB "" *',
    "SELECT INBOX",
    "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)",
    'SELECT "W&APY-rk.Sub"',
    "FETCH 1:* (UID FLAGS)",
    "STATUS Later (UIDVALIDITY)",
    `APPEND INBOX (foo) ${literal(mail)}`,
  ]);
  assert.equal(Number(/UIDVALIDITY (\d+)/.exec(seen)![1]), uidValidity);
  const shown = [...seen.matchAll(/^\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)/gm)].map(
    ([, number, flags]) =>
      `${number} ${flags!
        .split(" ")
        .filter((flag) => flag !== "\\Recent")
        .sort()
        .join(" ")}`,
  );
  assert.deepEqual(shown, [
    "1 $Label1 foo",
    "2 \\Deleted foo",
    "5 \\Draft ours",
    "6 ",
    "1 \\Answered",
    "2 $Label1 foo",
  ]);
  assert.match(seen, /UID 5 .*INTERNALDATE "02-Feb-2021 00:00:00 \+0000" RFC822.SIZE 24/);
  assert.match(seen, new RegExp(`Later \\(UIDVALIDITY ${laterValidity}\\)`));
  assert.match(seen, /^\* LSUB \(.*\) "\." Later/m);

  const again = await openIn(root);
  const back = await (await again.account("ann@example.org")).open("INBOX");
  assert.equal(back.uidValidity, uidValidity);
  assert.deepEqual(uidsOf(back), [1, 2, 5, 6, 7]);
  assert.deepEqual(flagsAt(back, 4), ["foo"]);
  back.release();
  await again.close();
});

test("A Maildir made by us is Dovecot's without a changed UID, and a folder made again under its name has a higher UIDVALIDITY", async (t) => {
  const skip = missing(IMAP);
  if (skip !== undefined) return t.skip(skip);
  const root = freshDirectory(t);
  const store = await openIn(root);
  const account = await store.account("ann@example.org");
  await account.list();
  await account.create("Plans.2026");
  const plans = await account.open("Plans.2026");
  await plans.appendAll(
    [1, 2, 3].map((i) => ({ content: message(String(i)), flags: i === 2 ? ["\\Seen"] : [] })),
  );
  await plans.setFlags({ uids: [1], mode: "add", flags: ["\\Deleted"] });
  await plans.expunge();
  const { uidValidity } = plans;
  plans.release();
  await store.close();

  const seen = await dovecot(root, [
    `STATUS Plans.2026 (MESSAGES UIDNEXT UIDVALIDITY)`,
    "SELECT Plans.2026",
    "FETCH 1:* (UID FLAGS)",
    "DELETE Plans.2026",
  ]);
  assert.match(seen, new RegExp(`MESSAGES 2 UIDNEXT 4 UIDVALIDITY ${uidValidity}`));
  assert.match(seen, /FETCH \(UID 2 FLAGS \(\\Seen/);

  const again = await openIn(root);
  const reopened = await again.account("ann@example.org");
  await reopened.create("Plans.2026");
  const fresh = await reopened.open("Plans.2026");
  assert.ok(fresh.uidValidity > uidValidity, `${fresh.uidValidity} is above ${uidValidity}`);
  fresh.release();
  await again.close();
});
