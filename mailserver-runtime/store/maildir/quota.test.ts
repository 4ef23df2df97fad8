import assert from "node:assert/strict";
import { test } from "node:test";
import { StoreError } from "../mail-store.ts";
import { TRASH_ALLOWANCE } from "../quota.ts";
import { freshDirectory, freshStore, message, openIn } from "./test-store.ts";

const ANN = "ann@example.org";
const isFull = (error: unknown) => error instanceof StoreError && error.code === "over-quota";
const letter = () => message("x", `${"x".repeat(984)}\r\n`);
const SIZE = letter().size;

test("Deliveries side by side fill a mailbox to its limit and not a byte further", async (t) => {
  for (const isOpen of [false, true]) {
    const { store } = await freshStore(t);
    const account = await store.account(ANN);
    const inbox = isOpen ? await account.open("INBOX") : undefined;
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () =>
        store.deliver({
          content: letter(),
          receivedAt: new Date(),
          recipients: [{ account: ANN, prefix: Buffer.alloc(0), mailbox: "INBOX", quotaBytes: 7 * SIZE + 1 }],
        }),
      ),
    );
    const stored = outcomes.flat().filter((outcome) => outcome.stored);
    assert.equal(stored.length, 7);
    await inbox?.refresh();
    assert.deepEqual(await store.usage(ANN), { bytes: 7 * SIZE, messages: 7 });
    // What was refused keeps no room.
    const limits = { bytes: 8 * SIZE };
    const kept = await store.reserve({ account: ANN, mailbox: "INBOX", bytes: SIZE, messages: 1, limits });
    const again = { account: ANN, mailbox: "INBOX", bytes: 1, messages: 1, limits };
    await assert.rejects(store.reserve(again), isFull);
    kept.settle();
    kept.settle();
    (await store.reserve(again)).settle();
    inbox?.release();
    account.release();
  }
});

test("What arrives at a mailbox below its limit may exceed it by the grace once; what a client stores may not", async (t) => {
  const { store } = await freshStore(t);
  const deliver = () =>
    store.deliver({
      content: letter(),
      receivedAt: new Date(),
      recipients: [
        {
          account: ANN,
          prefix: Buffer.alloc(0),
          mailbox: "INBOX",
          quotaBytes: SIZE + 1,
          graceBytes: SIZE,
        },
      ],
    });
  const outcomes = await Promise.all([deliver(), deliver(), deliver()]);
  assert.equal(outcomes.flat().filter((outcome) => outcome.stored).length, 2);
  const growth = { account: ANN, mailbox: "INBOX", bytes: 1, messages: 1, limits: { bytes: 2 * SIZE } };
  await assert.rejects(store.reserve(growth), isFull);
});

test("Trash may exceed the limit by 50 MB, as in DMS, and a limit of messages holds beside that of bytes", async (t) => {
  const { store } = await freshStore(t);
  (await store.account(ANN)).release();
  const limits = { bytes: 1000, messages: 2 };
  const ask = (mailbox: string, bytes: number, messages = 1) =>
    store.reserve({ account: ANN, mailbox, bytes, messages, limits });
  await assert.rejects(ask("INBOX", 1001), isFull);
  await assert.rejects(ask("Trash", 1001 + TRASH_ALLOWANCE), isFull);
  await assert.rejects(ask("INBOX", 1, 3), isFull);
  (await ask("Trash", 1000 + TRASH_ALLOWANCE)).settle();
  (await ask("INBOX", 1000, 2)).settle();
});

test("The accounts of a domain share its ceiling, whether they are in memory or only on disk", async (t) => {
  const root = freshDirectory(t);
  const ceiling = 5 * SIZE;
  const open = () => openIn(root, { domainCeiling: (domain) => (domain === "example.org" ? ceiling : 0) });
  const names = ["ann", "bob", "carol"];
  const deliver = (store: Awaited<ReturnType<typeof open>>, account: string) =>
    store.deliver({
      content: letter(),
      receivedAt: new Date(),
      recipients: [{ account, prefix: Buffer.alloc(0), mailbox: "INBOX" }],
    });
  const first = await open();
  const outcomes = await Promise.all(
    Array.from({ length: 9 }, (_, i) => deliver(first, `${names[i % 3]}@example.org`)),
  );
  assert.equal(outcomes.flat().filter((outcome) => outcome.stored).length, 5);
  assert.equal((await deliver(first, "ann@example.net"))[0]!.stored, true);
  await first.close();
  const second = await open();
  t.after(() => second.close());
  const [late] = await deliver(second, "dora@example.org");
  assert.ok(late?.stored === false && isFull(late.error), "the others' mail counts, though nobody opened it");
});

test("Growth is told with what was before, so that a warning is due once", async (t) => {
  const told: [string, number, number][] = [];
  const store = await openIn(freshDirectory(t), {
    usageChanged: (account, before, after) => told.push([account, before.bytes, after.bytes]),
  });
  t.after(() => store.close());
  assert.equal((await store.usage(ANN)).bytes, 0);
  const account = await store.account(ANN);
  const inbox = await account.open("INBOX");
  const { uid } = await inbox.append({ content: letter(), flags: ["\\Deleted"] });
  await inbox.expunge([uid]);
  assert.deepEqual(told, [
    [ANN, 0, SIZE],
    [ANN, SIZE, 0],
  ]);
  inbox.release();
  account.release();
});
