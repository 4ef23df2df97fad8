import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { AccountChange, DeliveryRecipient } from "../mail-store.ts";
import { SyncRounds } from "./sync-rounds.ts";
import {
  filesIn,
  flagsAt,
  freshDirectory,
  freshStore,
  message,
  openIn,
  textOf,
  uidsOf,
} from "./test-store.ts";

const ANN = "ann@example.org";
const to = (account: string, more: Partial<DeliveryRecipient> = {}): DeliveryRecipient => ({
  account,
  prefix: Buffer.from("Return-Path: <a@b.example>\r\n"),
  mailbox: "INBOX",
  ...more,
});

test("Drafts, Junk, Sent and Trash are made and subscribed by the first listing, not by a delivery (as DMS)", async (t) => {
  const { root, store } = await freshStore(t);
  await store.deliver({ content: message("a"), receivedAt: new Date(), recipients: [to(ANN)] });
  const folder = `${root}/mail/example.org/ann`;
  assert.deepEqual(readdirSync(folder).sort(), ["cur", "new", "tmp"]);
  mkdirSync(`${folder}/home`);
  const account = await store.account(ANN);
  const list = await account.list();
  assert.deepEqual(
    list.map((entry) => [entry.name, entry.specialUse, entry.subscribed]),
    [
      ["INBOX", undefined, false],
      ["Drafts", "\\Drafts", true],
      ["Junk", "\\Junk", true],
      ["Sent", "\\Sent", true],
      ["Trash", "\\Trash", true],
    ],
  );
});

test("A parent that is no mailbox is listed as not selectable, with children, and so is a subscription without mailbox (RFC 5258 §3.5)", async (t) => {
  const { store } = await freshStore(t);
  const account = await store.account(ANN);
  await account.create("A.B.C");
  await account.create("Archive.2026", "\\Archive");
  await account.subscribe("Gone", true);
  const byName = new Map((await account.list()).map((entry) => [entry.name, entry]));
  assert.deepEqual(byName.get("A"), { name: "A", subscribed: false, selectable: false, hasChildren: true });
  assert.deepEqual(byName.get("A.B"), {
    name: "A.B",
    subscribed: false,
    selectable: false,
    hasChildren: true,
  });
  assert.deepEqual(byName.get("Gone"), {
    name: "Gone",
    subscribed: true,
    selectable: false,
    hasChildren: false,
  });
  assert.equal(byName.get("Archive.2026")?.specialUse, "\\Archive");
  await assert.rejects(account.open("A"), { code: "nonexistent" });
  await assert.rejects(account.create("a/b"), { code: "cannot" });
  await assert.rejects(account.create("A.B.C"), { code: "already-exists" });
});

test("RENAME takes the tree, its UIDs and its MAILBOXID along (RFC 9051 §6.3.6, RFC 8474 §4)", async (t) => {
  const { store } = await freshStore(t);
  const account = await store.account(ANN);
  const changes: AccountChange[] = [];
  account.onChange((change) => changes.push(change));
  await account.create("A");
  await account.create("A.B");
  const before = await account.open("A.B");
  await before.append({ content: message("x"), flags: ["work"] });
  const { uidValidity, mailboxId } = before;
  await account.rename("A", "Z.Y");
  assert.ok(changes.some((change) => change.kind === "mailboxes"));
  await assert.rejects(before.append({ content: message("y"), flags: [] }), { code: "nonexistent" });
  before.release();
  const after = await account.open("Z.Y.B");
  assert.deepEqual(
    [after.uidValidity, after.mailboxId, uidsOf(after), flagsAt(after, 0)],
    [uidValidity, mailboxId, [1], ["work"]],
  );
  after.release();
  await assert.rejects(account.rename("A", "Q"), { code: "nonexistent" });
  await assert.rejects(account.rename("Z", "Z.Y.X"), { code: "cannot" });
  await assert.rejects(account.rename("Z.Y", "Sent.x.".repeat(40)), { code: "cannot" });
});

test("RENAME of INBOX moves its messages and leaves it empty (RFC 9051 §6.3.6)", async (t) => {
  const { store } = await freshStore(t);
  const account = await store.account(ANN);
  await store.deliver({ content: message("a"), receivedAt: new Date(), recipients: [to(ANN)] });
  await account.rename("INBOX", "Old");
  assert.equal((await account.status("INBOX")).messages, 0);
  assert.equal((await account.status("Old")).messages, 1);
});

test("A rename that a crash interrupted is finished when the account is next opened", async (t) => {
  const root = freshDirectory(t);
  const store = await openIn(root);
  const account = await store.account(ANN);
  await account.create("A");
  await account.create("A.B");
  await account.rename("A", "Z");
  await store.close();
  const folder = `${root}/mail/example.org/ann`;
  // As if it had ended after the first of two renames of the way back.
  writeFileSync(`${folder}/mailkeep-rename`, ".Z\t.A\n.Z.B\t.A.B\n../../x\t.evil\n");
  const again = await openIn(root);
  t.after(() => again.close());
  const names = (await (await again.account(ANN)).list()).map((entry) => entry.name);
  assert.ok(names.includes("A") && names.includes("A.B") && !names.includes("Z"), names.join());
  assert.ok(!existsSync(`${folder}/mailkeep-rename`));
});

test("DELETE leaves the children, removes the files, and a mailbox made again has a higher UIDVALIDITY (RFC 9051 §6.3.5)", async (t) => {
  const { root, store } = await freshStore(t);
  const account = await store.account(ANN);
  await account.create("A");
  await account.create("A.B");
  const first = await account.open("A");
  await first.append({ content: message("x"), flags: [] });
  const { uidValidity } = first;
  first.release();
  await account.delete("A");
  await assert.rejects(account.delete("A"), { code: "nonexistent" });
  await assert.rejects(account.delete("INBOX"), { code: "cannot" });
  assert.ok((await account.list()).some((entry) => entry.name === "A.B"));
  await account.create("A");
  const second = await account.open("A");
  assert.ok(second.uidValidity > uidValidity);
  assert.equal(second.view().count, 0);
  assert.ok(second.view().uidNext === 1);
  second.release();
  await store.close();
  for (let i = 0; i < 100 && readdirSync(`${root}/mail/example.org/ann/tmp`).length > 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(readdirSync(`${root}/mail/example.org/ann/tmp`), []);
});

test("Copies with equal bytes share one file, others have their own, and each recipient has its own outcome", async (t) => {
  const { root, store } = await freshStore(t);
  writeFileSync(`${root}/mail/blocked.example`, "a file where a directory should be");
  const outcomes = await store.deliver({
    content: message("many"),
    receivedAt: new Date(),
    recipients: [
      to("x@blocked.example"),
      to("a@example.org"),
      to("b@example.org", { flags: ["\\Seen"] }),
      to("c@example.org", { prefix: Buffer.from("X: own\r\n") }),
      to("../d@example.org"),
      to("e@example.org", { quotaBytes: 10 }),
    ],
  });
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.stored ? "stored" : outcome.error.code)),
    ["unavailable", "stored", "stored", "stored", "nonexistent", "over-quota"],
  );
  const file = (name: string) =>
    `${root}/mail/example.org/${name}/${filesIn(`${root}/mail/example.org/${name}`)[0]}`;
  assert.equal(statSync(file("a")).ino, statSync(file("b")).ino);
  assert.equal(statSync(file("a")).nlink, 2);
  assert.match(file("b"), /cur\/.*:2,S$/);
  assert.match(readFileSync(file("c"), "latin1"), /^X: own\r\nSubject: many\r\n/);
  assert.deepEqual(readdirSync(`${root}/mail/example.org/a/tmp`), []);
  assert.deepEqual(await store.usage("b@example.org"), { bytes: statSync(file("b")).size, messages: 1 });
});

test("Usage follows deliveries, copies, expunges and what others do, whether or not the mailbox is open", async (t) => {
  const { store } = await freshStore(t);
  assert.deepEqual(await store.usage(ANN), { bytes: 0, messages: 0 });
  const deliver = () =>
    store.deliver({ content: message("a"), receivedAt: new Date(), recipients: [to(ANN)] });
  await deliver();
  await deliver();
  const size = 28 + 22;
  assert.deepEqual(await store.usage(ANN), { bytes: 2 * size, messages: 2 });
  const account = await store.account(ANN);
  const inbox = await account.open("INBOX");
  assert.deepEqual(await store.usage(ANN), { bytes: 2 * size, messages: 2 });
  await inbox.copy([1], "INBOX");
  await inbox.setFlags({ uids: [1], mode: "add", flags: ["\\Deleted"] });
  assert.deepEqual(await store.usage(ANN), { bytes: 3 * size, messages: 3 });
  await inbox.expunge();
  assert.deepEqual(await store.usage(ANN), { bytes: 2 * size, messages: 2 });
  inbox.release();
});

test("STORE with UNCHANGEDSINCE leaves changed messages alone and names them (RFC 7162 §3.1.3)", async (t) => {
  const { store } = await freshStore(t);
  const inbox = await (await store.account(ANN)).open("INBOX");
  await inbox.appendAll([1, 2].map((i) => ({ content: message(String(i)), flags: [] })));
  const since = inbox.view().highestModSeq;
  await inbox.setFlags({ uids: [1], mode: "add", flags: ["\\Seen"] });
  const { modified } = await inbox.setFlags({
    uids: [1, 2],
    mode: "add",
    flags: ["\\Flagged"],
    unchangedSince: since,
  });
  assert.deepEqual(modified, [1]);
  assert.deepEqual([flagsAt(inbox, 0), flagsAt(inbox, 1)], [["\\Seen"], ["\\Flagged"]]);
  inbox.release();
});

test("A 27th keyword is refused by name, and the flags of the message stay", async (t) => {
  const { store } = await freshStore(t);
  const inbox = await (await store.account(ANN)).open("INBOX");
  await inbox.append({ content: message("x"), flags: Array.from({ length: 26 }, (_, i) => `k${i}`) });
  await assert.rejects(inbox.setFlags({ uids: [1], mode: "add", flags: ["k26"] }), {
    code: "cannot",
    message: /k26/,
  });
  await inbox.setFlags({ uids: [1], mode: "remove", flags: ["K3"] });
  assert.equal(flagsAt(inbox, 0).length, 25);
  inbox.release();
});

test("\\Recent is claimed by one session only, and the messages move from new to cur", async (t) => {
  const { root, store } = await freshStore(t);
  await store.deliver({ content: message("a"), receivedAt: new Date(), recipients: [to(ANN)] });
  const account = await store.account(ANN);
  const inbox = await account.open("INBOX");
  assert.equal((await account.status("INBOX")).recent, 1);
  assert.deepEqual(inbox.claimRecent(), [1]);
  assert.deepEqual(inbox.claimRecent(), []);
  await inbox.refresh();
  assert.ok(filesIn(`${root}/mail/example.org/ann`)[0]!.startsWith("cur/"));
  assert.match(await textOf(inbox, 1), /Subject: a/);
  inbox.release();
});

test("A view in use stays as it was while newer ones come", async (t) => {
  const { store } = await freshStore(t);
  const inbox = await (await store.account(ANN)).open("INBOX");
  await inbox.appendAll([1, 2, 3].map((i) => ({ content: message(String(i)), flags: ["\\Deleted"] })));
  const old = inbox.view();
  const copy = structuredClone({ ...old, keywords: [...old.keywords] });
  await inbox.append({ content: message("4"), flags: ["new"] });
  await inbox.setFlags({ uids: [2], mode: "replace", flags: [] });
  await inbox.expunge();
  await inbox.append({ content: message("5"), flags: [] });
  assert.deepEqual({ ...old, keywords: [...old.keywords] }, copy);
  assert.deepEqual(uidsOf(inbox), [2, 4, 5]);
  inbox.release();
});

test("The damaged index of a mailbox changes nothing but the time it takes", async (t) => {
  const root = freshDirectory(t);
  const store = await openIn(root);
  const inbox = await (await store.account(ANN)).open("INBOX");
  await inbox.appendAll(
    [1, 2, 3].map((i) => ({ content: message(String(i)), flags: i === 2 ? ["\\Seen", "work"] : [] })),
  );
  const before = inbox.view();
  inbox.release();
  await store.close();
  const indexes = readdirSync(`${root}/state/store/index`, { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith("INBOX"),
  );
  assert.equal(indexes.length, 1);
  const path = `${root}/state/store/index/${indexes[0]}`;
  const bytes = readFileSync(path);
  for (const damage of [
    () => bytes.subarray(0, bytes.length - 3),
    () => Buffer.alloc(0),
    () => flipped(bytes, 10),
    () => flipped(bytes, bytes.length - 60),
    () => flipped(bytes, bytes.length - 1),
  ]) {
    writeFileSync(path, damage());
    const again = await openIn(root);
    const opened = await (await again.account(ANN)).open("INBOX");
    assert.deepEqual(uidsOf(opened), [1, 2, 3]);
    assert.deepEqual(flagsAt(opened, 1), ["\\Seen", "work"]);
    assert.ok(opened.view().highestModSeq >= before.highestModSeq);
    opened.release();
    await again.close();
  }
});
function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = copy[at]! ^ 0x55;
  return copy;
}

test("A failed sync fails for those that waited for it and for no other, and is not tried again for them", async () => {
  const asked: string[] = [];
  const rounds = new SyncRounds<string>(async (what) => {
    asked.push(what);
    if (what === "bad") throw new Error("EIO");
  });
  const results = await Promise.allSettled(["bad", "good", "bad"].map((what) => rounds.join(what)));
  assert.deepEqual(
    results.map((result) => result.status),
    ["rejected", "fulfilled", "rejected"],
  );
  assert.deepEqual(asked, ["bad", "good"]);
});

test("What asks while a round runs is synced in a round that begins later", async () => {
  const begun: number[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const rounds = new SyncRounds<string>(async () => {
    begun.push(begun.length);
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
  });
  const first = rounds.join("directory");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(begun.length, 1);
  let isDone = false;
  const second = rounds.join("directory").then(() => {
    isDone = true;
  });
  gates[0]!.resolve();
  await first;
  assert.equal(isDone, false);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(begun.length, 2);
  gates[1]!.resolve();
  await second;
});
