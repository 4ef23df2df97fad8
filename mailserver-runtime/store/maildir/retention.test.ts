import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { silentLog } from "../../net/log.ts";
import { daysFor } from "../retention.ts";
import { EXPUNGED } from "./expunged-mail.ts";
import { sweepRetention } from "./retention-sweep.ts";
import type { MaildirStore } from "./store.ts";
import { dovecot, IMAP } from "./test-dovecot.ts";
import { filesIn, flagsAt, freshDirectory, message, missing, openIn, textOf, uidsOf } from "./test-store.ts";

const ANN = "ann@example.org";
const DAY_MS = 24 * 3600 * 1000;
const WEEK = { days: 7, bytes: 1024 ** 3 };
const maildirOf = (root: string) => `${root}/mail/example.org/ann`;

async function keeping(t: { after(end: () => unknown): void }, options = {}) {
  const root = freshDirectory(t as Parameters<typeof freshDirectory>[0]);
  const open = async () => (await openIn(root, { undelete: () => WEEK, ...options })) as MaildirStore;
  const store = await open();
  t.after(() => store.close());
  return { root, store, open };
}
const today = () => new Date().toISOString().slice(0, 10);

test("An expunged message lies outside all folders within its window, counts for nothing, and comes back with its flags, keywords and dates", async (t) => {
  const { root, store } = await keeping(t);
  const account = await store.account(ANN);
  const inbox = await account.open("INBOX");
  const { uid } = await inbox.append({
    content: message("keep me"),
    flags: ["\\Flagged", "work", "\\Deleted"],
    internalDate: new Date(Date.UTC(2020, 1, 3)),
  });
  await inbox.append({ content: message("other"), flags: [] });
  const { bytes } = await store.usage(ANN);
  await inbox.expunge([uid]);
  const kept = `${maildirOf(root)}/${EXPUNGED}/${today()}/INBOX`;
  assert.equal(readdirSync(kept).filter((name) => name !== "dovecot-keywords").length, 1);
  assert.equal(filesIn(maildirOf(root)).length, 1);
  assert.deepEqual(await store.usage(ANN), { bytes: bytes - message("keep me").size, messages: 1 });

  const [shown, ...more] = await store.expungedMessages(ANN, {});
  assert.deepEqual(more, []);
  assert.equal(shown!.subject, "keep me");
  assert.ok(Math.abs(shown!.expungedAt - Date.now()) < 60_000);
  assert.deepEqual(await store.expungedMessages(ANN, { mailbox: "Trash" }), []);
  assert.deepEqual(await store.expungedMessages(ANN, { since: Date.now() + 60_000 }), []);
  assert.deepEqual(await store.undelete(ANN, { subject: "something else" }), []);

  assert.deepEqual(await store.undelete(ANN, { subject: "KEEP" }), [{ mailbox: "INBOX", messages: 1 }]);
  assert.deepEqual(uidsOf(inbox), [2, 3], "it is a new message of the mailbox (RFC 9051 §2.3.1.1)");
  assert.deepEqual(flagsAt(inbox, 1), ["\\Flagged", "work"]);
  assert.equal(inbox.view().dates[1], Date.UTC(2020, 1, 3));
  assert.equal(await textOf(inbox, 3), "Subject: keep me\r\n\r\nHello.\r\n");
  assert.deepEqual(await store.usage(ANN), { bytes, messages: 2 });
  assert.ok(!existsSync(`${maildirOf(root)}/${EXPUNGED}`), "nothing is left of what came back");
  assert.deepEqual(await store.undelete(ANN, {}), []);
  inbox.release();
  account.release();
});

test("A MOVE keeps nothing, and a deleted mailbox comes back with all that was in it", async (t) => {
  const { root, store } = await keeping(t);
  const account = await store.account(ANN);
  await account.create("Plans.2026");
  const plans = await account.open("Plans.2026");
  await plans.appendAll(
    [1, 2, 3].map((i) => ({ content: message(`plan ${i}`), flags: i === 2 ? ["idea"] : [] })),
  );
  await plans.move([1], "INBOX");
  assert.ok(!existsSync(`${maildirOf(root)}/${EXPUNGED}`), "what moved is not expunged");
  const { uidValidity } = plans;
  plans.release();
  await account.delete("Plans.2026");
  assert.equal((await store.usage(ANN)).messages, 1);
  assert.deepEqual(await store.undelete(ANN, { mailbox: "Plans.2026" }), [
    { mailbox: "Plans.2026", messages: 2 },
  ]);
  const again = await account.open("Plans.2026");
  assert.ok(again.uidValidity > uidValidity, "a mailbox made again is another one (RFC 9051 §6.3.5)");
  assert.deepEqual([flagsAt(again, 0), flagsAt(again, 1)].sort(), [[], ["idea"]]);
  assert.equal((await store.usage(ANN)).messages, 3);
  again.release();
  account.release();
});

test("Without a window, and on a disk without room, an expunged message is gone", async (t) => {
  for (const options of [{ undelete: () => ({ days: 0, bytes: 1e9 }) }, { hasRoom: () => false }]) {
    const { root, store } = await keeping(t, options);
    const account = await store.account(ANN);
    await account.create("Gone");
    const inbox = await account.open("INBOX");
    const { uid } = await inbox.append({ content: message("x"), flags: ["\\Deleted"] });
    await inbox.expunge([uid]);
    await account.delete("Gone");
    assert.ok(!existsSync(`${maildirOf(root)}/${EXPUNGED}`));
    assert.deepEqual(await store.expungedMessages(ANN, {}), []);
    inbox.release();
    account.release();
  }
});

test("What is kept takes no more than its bytes, and the oldest goes first", async (t) => {
  const size = message("0").size;
  const { store } = await keeping(t, { undelete: () => ({ days: 7, bytes: 3 * size }) });
  const account = await store.account(ANN);
  const inbox = await account.open("INBOX");
  for (let i = 0; i < 6; i++) {
    const { uid } = await inbox.append({ content: message(String(i)), flags: ["\\Deleted"] });
    await inbox.expunge([uid]);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  const kept = (await store.expungedMessages(ANN, {})).map(({ subject }) => subject).sort();
  assert.deepEqual(kept, ["3", "4", "5"]);
  inbox.release();
  account.release();
});

test("A window that is over takes its whole day along, and other accounts' mail stays where nobody uses it", async (t) => {
  const { root, store } = await keeping(t);
  const account = await store.account(ANN);
  const inbox = await account.open("INBOX");
  const { uid } = await inbox.append({ content: message("old"), flags: ["\\Deleted"] });
  await inbox.expunge([uid]);
  const kept = `${maildirOf(root)}/${EXPUNGED}`;
  const day = (ago: number) => new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10);
  renameSync(`${kept}/${today()}`, `${kept}/${day(7)}`);
  const sweep = (isActive: boolean) =>
    sweepRetention(
      {
        directories: { mail: `${root}/mail` },
        log: silentLog,
        signal: new AbortController().signal,
        settings: () => ({ expiry: [], undelete: WEEK }),
        isActive: () => isActive,
        expire: (address) => store.expire(address),
      },
      0,
    );
  await sweep(true);
  assert.deepEqual(readdirSync(kept), [day(7)], "seven whole days are not over");
  renameSync(`${kept}/${day(7)}`, `${kept}/${day(8)}`);
  await sweep(false);
  assert.deepEqual(readdirSync(kept), [day(8)]);
  await sweep(true);
  assert.ok(!existsSync(kept));
  inbox.release();
  account.release();
});

test("Messages expire by the time they came into the mailbox (SAVEDATE, RFC 8514), whoever put them there; sessions see it", async (t) => {
  const rules = [
    { mailbox: "\\Trash", days: 30 },
    { mailbox: "Lists/*", days: 2, for: "example.org" },
  ];
  const { root, store } = await keeping(t, { expiry: () => rules });
  const account = await store.account(ANN);
  await account.list();
  await account.create("Lists.Node");
  const trash = await account.open("Trash");
  // INTERNALDATE is of no matter: it came here now.
  await trash.append({ content: message("young"), flags: [], internalDate: new Date(0) });
  const seconds = (days: number) => Math.floor((Date.now() - days * DAY_MS) / 1000);
  const put = (folder: string, days: number, name: string) => {
    mkdirSync(`${maildirOf(root)}/${folder}/cur`, { recursive: true });
    writeFileSync(`${maildirOf(root)}/${folder}/cur/${seconds(days)}.${name}:2,S`, "Subject: x\n\n");
  };
  put(".Trash", 31, "old");
  put(".Trash", 29, "not.yet");
  put(".Lists.Node", 3, "old");
  put(".", 400, "inbox");
  writeFileSync(`${maildirOf(root)}/.Trash/cur/no-time:2,S`, "Subject: x\n\n");
  await trash.refresh();
  assert.equal(trash.view().count, 4);
  const told: number[] = [];
  trash.onChange(({ expunged }) => told.push(...expunged));
  await sweepRetention(
    {
      directories: { mail: `${root}/mail` },
      log: silentLog,
      signal: new AbortController().signal,
      settings: () => ({ expiry: rules, undelete: WEEK }),
      isActive: () => true,
      expire: (address) => store.expire(address),
    },
    0,
  );
  assert.equal(trash.view().count, 3);
  assert.equal(told.length, 1);
  assert.equal((await account.status("Lists.Node")).messages, 0);
  assert.equal((await account.status("INBOX")).messages, 1);
  const kept = await store.expungedMessages(ANN, {});
  assert.deepEqual(kept.map(({ mailbox }) => mailbox).sort(), ["Lists.Node", "Trash"]);
  trash.release();
  account.release();
});

test("Of several rules that name a mailbox, by name, tree or use, the shortest counts", () => {
  const rules = [
    { mailbox: "Trash", days: 30 },
    { mailbox: "Trash.*", days: 7 },
    { mailbox: "\\Junk", days: 14, for: "Bob@example.org" },
    { mailbox: "inbox/Lists", days: 5 },
    { mailbox: "trash", days: 1 },
  ];
  const days = (account: string, levels: string[], use?: string) => daysFor(rules, { account, levels, use });
  assert.equal(days(ANN, ["Trash"]), 30);
  assert.equal(days(ANN, ["Trash", "Old", "Older"]), 7);
  assert.equal(days(ANN, ["Spam"], "\\Junk"), undefined);
  assert.equal(days("bob@example.org", ["Spam"], "\\Junk"), 14);
  assert.equal(days(ANN, ["INBOX", "Lists"]), 5);
  assert.equal(days(ANN, ["INBOX"]), undefined);
});

test("Dovecot, opening the Maildir, sees nothing of what is kept and leaves it where it is", async (t) => {
  const skip = missing(IMAP);
  if (skip !== undefined) return t.skip(skip);
  const { root, store, open } = await keeping(t);
  const account = await store.account(ANN);
  await account.create("Plans");
  const inbox = await account.open("INBOX");
  await inbox.append({ content: message("stays"), flags: [] });
  const { uid } = await inbox.append({ content: message("goes"), flags: ["\\Deleted", "work"] });
  await inbox.expunge([uid]);
  await account.delete("Plans");
  inbox.release();
  await store.close();
  const seen = await dovecot(root, [
    'LIST "" *',
    "SELECT INBOX",
    "STORE 1 +FLAGS (\\Deleted other)",
    "EXPUNGE",
    "CREATE Later",
  ]);
  assert.doesNotMatch(seen, /mailkeep|Plans/);
  const again = await open();
  t.after(() => again.close());
  assert.deepEqual(await again.undelete(ANN, {}), [{ mailbox: "INBOX", messages: 1 }]);
  const back = await (await again.account(ANN)).open("INBOX");
  assert.deepEqual(flagsAt(back, 0), ["work"]);
  assert.equal(await textOf(back, uidsOf(back)[0]!), "Subject: goes\r\n\r\nHello.\r\n");
  back.release();
});

test("Indexes go with their folder: none is left on the state volume of one that was deleted, and a rename keeps it", async (t) => {
  const { root, store, open } = await keeping(t);
  const account = await store.account(ANN);
  await account.create("A");
  const mailbox = await account.open("A");
  await mailbox.append({ content: message("x"), flags: [] });
  await mailbox.readUsualFields(1);
  mailbox.release();
  await store.close();
  const [volume] = readdirSync(`${root}/state/store/index`);
  const indexes = `${root}/state/store/index/${volume}/example.org/ann`;
  assert.ok(existsSync(`${indexes}/.A`) && existsSync(`${indexes}/fields.A`));
  linkSync(`${indexes}/.A`, `${indexes}/.Orphan`);
  const again = await open();
  t.after(() => again.close());
  const reopened = await again.account(ANN);
  assert.ok(!existsSync(`${indexes}/.Orphan`), "what has no folder goes when the account is opened");
  const before = readFileSync(`${indexes}/.A`);
  await reopened.rename("A", "B");
  assert.deepEqual(readFileSync(`${indexes}/.B`), before);
  assert.deepEqual(
    await again
      .examine(ANN, "stat")
      .then(({ mailboxes }) => mailboxes.find(({ name }) => name === "B")?.index),
    "current",
  );
  await reopened.delete("B");
  assert.deepEqual(
    readdirSync(indexes).filter((name) => /[AB]$/.test(name)),
    [],
  );
});
