import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { StoreError } from "../mail-store.ts";
import {
  filesIn,
  flagsAt,
  freshDirectory,
  freshStore,
  message,
  missing,
  openIn,
  textOf,
  uidsOf,
} from "./test-store.ts";

const ANN = "ann@example.org";

test("Mail that another program puts into new/ is shown after refresh, and by itself soon after", async (t) => {
  const { root, store } = await freshStore(t);
  const inbox = await (await store.account(ANN)).open("INBOX");
  const folder = `${root}/mail/example.org/ann`;
  writeFileSync(`${folder}/tmp/1700000000.1.other`, "Subject: a\n\nbare\nlines\n");
  renameSync(`${folder}/tmp/1700000000.1.other`, `${folder}/new/1700000000.1.other`);
  await inbox.refresh();
  assert.deepEqual(uidsOf(inbox), [1]);
  assert.equal(await textOf(inbox, 1), "Subject: a\r\n\r\nbare\r\nlines\r\n");
  assert.equal(inbox.view().sizes[0], 27);

  const told = Promise.withResolvers<readonly number[]>();
  inbox.onChange(({ added }) => told.resolve(added));
  writeFileSync(`${folder}/new/1700000001.1.other`, "Subject: b\r\n\r\nx\r\n");
  assert.deepEqual(
    await Promise.race([told.promise, delay(5000, "nothing was noticed", { ref: false })]),
    [2],
  );
  inbox.release();
});

test("Flags, removals and moves by another program are taken in, with a higher MODSEQ (RFC 7162 §3.1)", async (t) => {
  const { root, store } = await freshStore(t);
  const inbox = await (await store.account(ANN)).open("INBOX");
  await inbox.appendAll([1, 2, 3].map((i) => ({ content: message(String(i)), flags: ["\\Seen"] })));
  const before = inbox.view();
  const folder = `${root}/mail/example.org/ann`;
  const [first, second] = filesIn(folder);
  renameSync(`${folder}/${first}`, `${folder}/${first}R`.replace(":2,SR", ":2,RS"));
  unlinkSync(`${folder}/${second}`);
  await inbox.refresh();
  const view = inbox.view();
  assert.deepEqual(uidsOf(inbox), [1, 3]);
  assert.deepEqual(flagsAt(inbox, 0), ["\\Answered", "\\Seen"]);
  assert.ok(view.modSeqs[0]! > before.highestModSeq);
  assert.equal(view.modSeqs[1], before.modSeqs[2]);
  const gone = await inbox.expungedSince(before.highestModSeq);
  assert.deepEqual(gone, { uids: [2], complete: true });
  inbox.release();
});

test("A message another program renamed is read, flagged and expunged by its base name", async (t) => {
  const { root, store } = await freshStore(t);
  const inbox = await (await store.account(ANN)).open("INBOX");
  await inbox.appendAll([1, 2, 3].map((i) => ({ content: message(String(i)), flags: ["\\Deleted"] })));
  const folder = `${root}/mail/example.org/ann`;
  for (const file of filesIn(folder))
    renameSync(`${folder}/${file}`, `${folder}/${file.replace(":2,T", ":2,FT")}`);
  assert.match(await textOf(inbox, 1), /^Subject: 1/);
  for (const file of filesIn(folder))
    renameSync(`${folder}/${file}`, `${folder}/${file.replace(":2,FT", ":2,FST")}`);
  await inbox.setFlags({ uids: [2], mode: "add", flags: ["\\Answered"] });
  assert.deepEqual(flagsAt(inbox, 1), ["\\Answered", "\\Deleted", "\\Flagged", "\\Seen"]);
  for (const file of filesIn(folder)) renameSync(`${folder}/${file}`, `${folder}/${file.replace("ST", "T")}`);
  assert.deepEqual((await inbox.expunge()).uids, [1, 2, 3]);
  assert.deepEqual(filesIn(folder), []);
  inbox.release();
});

test("Scans during a loop that renames 10,000 files expunge nothing and keep every UID", async (t) => {
  const root = freshDirectory(t);
  const folder = `${root}/mail/example.org/ann`;
  for (const part of ["tmp", "new", "cur"]) mkdirSync(`${folder}/${part}`, { recursive: true });
  for (let i = 0; i < 10_000; i++)
    writeFileSync(`${folder}/cur/${1_700_000_000 + i}.M1P1.x,S=7,W=7:2,`, "a: b\r\n\n");
  const store = await openIn(root);
  t.after(() => store.close());
  const inbox = await (await store.account(ANN)).open("INBOX");
  const before = uidsOf(inbox);
  assert.equal(before.length, 10_000);
  const expunged: number[] = [];
  inbox.onChange((change) => expunged.push(...change.expunged));
  const renaming = spawn(process.execPath, [
    "-e",
    `const fs = require("fs"), dir = ${JSON.stringify(`${folder}/cur/`)};
     const names = fs.readdirSync(dir);
     const end = Date.now() + 2500;
     while (Date.now() < end) {
       const i = Math.floor(Math.random() * names.length), to = names[i].endsWith("S") ? names[i].slice(0, -1) : names[i] + "S";
       fs.renameSync(dir + names[i], dir + to); names[i] = to;
     }`,
  ]);
  const ended = new Promise((resolve) => renaming.on("close", resolve));
  let scans = 0;
  while (renaming.exitCode === null) {
    await inbox.refresh();
    scans++;
    await delay(20);
  }
  assert.equal(await ended, 0);
  await inbox.refresh();
  assert.ok(scans > 3, `${scans} scans`);
  assert.deepEqual(expunged, []);
  assert.deepEqual(uidsOf(inbox), before);
  const seen = readdirSync(`${folder}/cur`).filter((file) => file.endsWith("S")).length;
  const view = inbox.view();
  assert.equal(view.flags.subarray(0, view.count).filter((flags) => flags & 1).length, seen);
  inbox.release();
});

test("mutt flags, deletes and files mail while we run, and we show what it did", async (t) => {
  const skip = missing("mutt") ?? missing("script");
  if (skip !== undefined) return t.skip(skip);
  const { root, store } = await freshStore(t);
  const account = await store.account(ANN);
  const inbox = await account.open("INBOX");
  await inbox.appendAll([1, 2, 3].map((i) => ({ content: message(`number ${i}`), flags: [] })));
  const folder = `${root}/mail/example.org/ann`;
  writeFileSync(
    `${root}/muttrc`,
    `set folder="${folder}"\nset spoolfile="${folder}"\nset mbox_type=Maildir\nset confirmappend=no\nset delete=yes\nset quit=yes\nset move=no\nset sort=date-received\nset header_cache=""\n`,
  );
  // mutt wants a terminal; script(1) gives it one.
  const keys = "<first-entry><flag-message><last-entry><delete-message><sync-mailbox><quit>";
  const command = `mutt -n -F ${root}/muttrc -f ${folder} -e 'push "${keys}"'`;
  const done = spawnSync("script", ["-qec", command, "/dev/null"], {
    env: { ...process.env, TERM: "xterm", HOME: root },
    encoding: "utf8",
    timeout: 15_000,
  });
  assert.equal(done.error, undefined, String(done.error));
  await inbox.refresh();
  assert.equal(inbox.view().count, 2, `${filesIn(folder)}\n${done.stderr}`);
  assert.equal([0, 1].filter((at) => flagsAt(inbox, at).includes("\\Flagged")).length, 1);
  inbox.release();
});

test("A change noticed by itself is shown when refresh resolves, and is in the index of a close right after it", async (t) => {
  const root = freshDirectory(t);
  const folder = `${root}/mail/example.org/ann`;
  const store = await openIn(root);
  const inbox = await (await store.account(ANN)).open("INBOX");
  for (let i = 1; i <= 12; i++) {
    writeFileSync(`${folder}/new/${1_700_000_000 + i}.x`, "Subject: a\r\n\r\nx\r\n");
    // Around the moment at which the watch settles.
    await delay(22 + i);
    await inbox.refresh();
    assert.equal(inbox.view().count, i);
  }
  const [file] = filesIn(folder);
  renameSync(`${folder}/${file}`, `${folder}/cur/${file!.slice(4)}:2,F`);
  await delay(31);
  inbox.release();
  await store.close();
  const again = await openIn(root);
  const back = await (await again.account(ANN)).open("INBOX");
  assert.deepEqual(flagsAt(back, 0), ["\\Flagged"]);
  back.release();
  await again.close();
});

test("A folder that somebody removed is made again by the next delivery", async (t) => {
  const { root, store } = await freshStore(t);
  const deliver = () =>
    store.deliver({
      content: message("x"),
      receivedAt: new Date(),
      recipients: [{ account: ANN, prefix: Buffer.alloc(0), mailbox: "Lists" }],
    });
  await deliver();
  rmSync(`${root}/mail/example.org/ann`, { recursive: true });
  const [outcome] = await deliver();
  assert.ok(outcome!.stored);
  const account = await store.account(ANN);
  assert.equal((await account.status("Lists")).messages, 1);
});

test("A mail volume that is not mounted is an error, never an empty mailbox, and nothing is made in its place", async (t) => {
  const root = freshDirectory(t);
  const store = await openIn(root);
  const inbox = await (await store.account(ANN)).open("INBOX");
  await inbox.append({ content: message("kept"), flags: ["\\Seen"] });
  renameSync(`${root}/mail`, `${root}/unmounted`);
  mkdirSync(`${root}/mail`);
  const unavailable = (error: unknown) => error instanceof StoreError && error.code === "unavailable";
  await assert.rejects(inbox.refresh(), unavailable);
  assert.equal(inbox.view().count, 1);
  await assert.rejects(store.account("bob@example.org"), unavailable);
  const [outcome] = await store.deliver({
    content: message("x"),
    receivedAt: new Date(),
    recipients: [{ account: ANN, prefix: Buffer.alloc(0), mailbox: "INBOX" }],
  });
  assert.ok(!outcome!.stored && outcome!.error.code === "unavailable");
  await store.close();
  await assert.rejects(openIn(root), unavailable);
  assert.deepEqual(readdirSync(`${root}/mail`), []);
  rmSync(`${root}/mail`, { recursive: true });
  renameSync(`${root}/unmounted`, `${root}/mail`);
  const again = await openIn(root);
  const back = await (await again.account(ANN)).open("INBOX");
  assert.deepEqual(uidsOf(back), [1]);
  assert.ok(existsSync(`${root}/mail/.mailkeep-volume`));
  back.release();
  await again.close();
});
