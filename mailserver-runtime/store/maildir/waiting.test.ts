import assert from "node:assert/strict";
import { readFileSync, renameSync, unlinkSync } from "node:fs";
import { test } from "node:test";
import type { MailStore } from "../mail-store.ts";
import { filesIn, flagsAt, freshStore, message, openIn, uidsOf } from "./test-store.ts";

const ANN = "ann@example.org";

/** Delivers one after the other, so that their order is known. */
async function deliver(store: MailStore, subjects: readonly string[]): Promise<void> {
  for (const subject of subjects) {
    const recipients = [{ account: ANN, prefix: Buffer.alloc(0), mailbox: "INBOX" }];
    const [outcome] = await store.deliver({ content: message(subject), receivedAt: new Date(), recipients });
    assert.ok(outcome!.stored);
  }
}
/** A store whose INBOX is in memory and held by nobody. */
async function withRestingInbox(t: Parameters<typeof freshStore>[0]) {
  const { root, store } = await freshStore(t);
  const account = await store.account(ANN);
  assert.equal((await account.status("INBOX")).messages, 0);
  const folder = `${root}/mail/example.org/ann`;
  const list = () => readFileSync(`${folder}/dovecot-uidlist`, "latin1");
  return { root, store, account, folder, list };
}

test("Deliveries to a mailbox that nobody holds wait for their UIDs, and the next look gives them all at once", async (t) => {
  const { store, account, list } = await withRestingInbox(t);
  const before = list();
  const told: string[] = [];
  account.onChange((change) => told.push(change.kind));
  await deliver(store, ["a", "b", "c"]);
  assert.equal(list(), before);
  assert.deepEqual(told, ["status", "status", "status"]);
  assert.equal((await store.usage(ANN)).messages, 3);
  const status = await account.status("INBOX");
  assert.deepEqual([status.messages, status.recent, status.uidNext], [3, 3, 4]);
  assert.match(list(), /\n1 :.*\n2 :.*\n3 :.*\n$/);
  assert.equal((await store.usage(ANN)).messages, 3);
});

test("Who holds the mailbox is shown a delivery at once", async (t) => {
  const { store, account } = await withRestingInbox(t);
  await deliver(store, ["a"]);
  const inbox = await account.open("INBOX");
  assert.deepEqual(uidsOf(inbox), [1]);
  const shown = Promise.withResolvers<readonly number[]>();
  inbox.onChange(({ added }) => shown.resolve(added));
  await deliver(store, ["b"]);
  assert.deepEqual(await shown.promise, [2]);
  inbox.release();
  assert.equal((await store.usage(ANN)).messages, 2);
});

test("What another program reads or removes before it has a UID is shown as it is then", async (t) => {
  const { store, account, folder } = await withRestingInbox(t);
  await deliver(store, ["read", "removed", "left"]);
  const [read, removed] = filesIn(folder);
  renameSync(`${folder}/${read}`, `${folder}/${read!.replace("new/", "cur/")}:2,S`);
  unlinkSync(`${folder}/${removed}`);
  const inbox = await account.open("INBOX");
  assert.equal(inbox.view().count, 2);
  assert.deepEqual([flagsAt(inbox, 0), flagsAt(inbox, 1)], [["\\Seen"], []]);
  inbox.release();
  assert.equal((await store.usage(ANN)).messages, 2);
});

test("A store that is closed, or dies, before the next look forgets none of them", async (t) => {
  const { root, store } = await withRestingInbox(t);
  await deliver(store, ["a", "b"]);
  await store.close();
  const second = await openIn(root);
  assert.equal((await (await second.account(ANN)).status("INBOX")).messages, 2);
  await deliver(second, ["c"]);
  // The second store is left as a dead process leaves it.
  const third = await openIn(root);
  t.after(() => third.close());
  const status = await (await third.account(ANN)).status("INBOX");
  assert.deepEqual([status.messages, status.uidNext], [3, 4]);
});
