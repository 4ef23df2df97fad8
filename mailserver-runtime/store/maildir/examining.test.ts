import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { silentLog } from "../../net/log.ts";
import { positionOf } from "../mail-store.ts";
import { openMaildirStore } from "./store.ts";
import { flagsAt, freshDirectory, message, textOf, uidsOf } from "./test-store.ts";

const ANN = "ann@example.org";

async function opened(root: string) {
  const store = await openMaildirStore({
    directories: { mail: `${root}/mail`, state: `${root}/state` },
    log: silentLog,
  });
  return store;
}
type Store = Awaited<ReturnType<typeof opened>>;

async function filled(store: Store): Promise<void> {
  const account = await store.account(ANN);
  const inbox = await account.open("INBOX");
  for (let i = 0; i < 6; i++)
    await inbox.append({ content: message(`m${i}`), flags: i % 2 ? ["\\Seen", "work"] : [] });
  await inbox.setFlags({ uids: [3], mode: "add", flags: ["\\Deleted"] });
  await inbox.expunge();
  inbox.release();
  account.release();
}

test("stat tells mailboxes, and of each index whether it is current, stale, damaged, absent or in use", async (t) => {
  const root = freshDirectory(t);
  const index = (store: Store) => store.examine(ANN, "stat").then(({ mailboxes }) => mailboxes[0]!.index);
  let store = await opened(root);
  await assert.rejects(store.examine(ANN, "stat"), { code: "nonexistent" });
  await filled(store);
  assert.equal(await index(store), "in-use");
  await store.close();
  const reopened = async (change: () => void) => {
    change();
    store = await opened(root);
    const found = await index(store);
    await store.close();
    return found;
  };
  const directory = `${root}/state/store/index`;
  const volume = readdirSync(directory)[0]!;
  const path = `${directory}/${volume}/example.org/ann/INBOX`;
  assert.equal(await reopened(() => undefined), "current");
  const inbox = `${root}/mail/example.org/ann`;
  assert.equal(await reopened(() => writeFileSync(`${inbox}/new/1.foreign`, "Subject: f\r\n\r\n")), "stale");
  assert.equal(await reopened(() => writeFileSync(path, "nonsense")), "damaged");
  assert.equal(await reopened(() => rmSync(path)), "absent");
});

test("check finds nothing in a whole mailbox, and names duplicates, empty and broken files, foreign directories and a lying size", async (t) => {
  const root = freshDirectory(t);
  let store = await opened(root);
  await filled(store);
  const whole = await store.examine(ANN, "check");
  assert.deepEqual(whole.problems, []);
  assert.equal(whole.messages, 5);
  await store.close();
  const inbox = `${root}/mail/example.org/ann`;
  writeFileSync(`${inbox}/cur/1.empty:2,`, "");
  writeFileSync(`${inbox}/cur/2.gzip,W=30:2,`, Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]));
  writeFileSync(`${inbox}/cur/3.lies,S=20,W=20:2,`, "Subject: l\n\nmore than that\n");
  writeFileSync(`${inbox}/cur/4.twice:2,`, "Subject: t\r\n\r\n");
  writeFileSync(`${inbox}/cur/4.twice:2,S`, "Subject: t\r\n\r\n");
  mkdirSync(`${inbox}/cur/directory`);
  store = await opened(root);
  t.after(() => store.close());
  const { problems } = await store.examine(ANN, "check");
  const named = problems.map(({ file, reason }) => `${file} ${reason}`);
  for (const expected of [
    /^cur\/1\.empty:2, is empty/,
    /^cur\/2\.gzip,W=30:2, cannot be read: .*gzip/,
    /^cur\/3\.lies.* has 30 bytes where the index said 20/,
    /^cur\/4\.twice:2,S? is a second file of one base name/,
    /^cur\/directory is not a regular file/,
  ])
    assert.ok(
      named.some((line) => expected.test(line)),
      `${expected} in ${named.join("\n")}`,
    );
  assert.equal(named.length, 5, named.join("\n"));
});

test("rebuild loses nothing, keeps UIDs, flags and UIDVALIDITY, and MODSEQ only grows; so does an index damaged at any byte", async (t) => {
  const root = freshDirectory(t);
  let store = await opened(root);
  await filled(store);
  const look = async () => {
    const account = await store.account(ANN);
    const inbox = await account.open("INBOX");
    const uids = uidsOf(inbox);
    const view = inbox.view();
    const state = {
      uids,
      flags: uids.map((uid) => flagsAt(inbox, positionOf(view, uid))),
      texts: await Promise.all(uids.map((uid) => textOf(inbox, uid))),
      validity: inbox.uidValidity,
      id: inbox.mailboxId,
      uidNext: view.uidNext,
    };
    const modSeq = view.highestModSeq;
    inbox.release();
    account.release();
    return { state, modSeq };
  };
  const before = await look();
  const rebuilt = await store.examine(ANN, "rebuild");
  assert.ok(rebuilt.mailboxes[0]!.highestModSeq > before.modSeq);
  assert.deepEqual((await look()).state, before.state);
  const directory = `${root}/state/store/index`;
  await store.close();
  const path = `${directory}/${readdirSync(directory)[0]}/example.org/ann/INBOX`;
  let last = 0;
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  let state = seed;
  for (let round = 0; round < 40; round++) {
    const bytes = readFileSync(path);
    state = (state * 48_271 + 11) % 2_147_483_647;
    if (round % 8 === 7) writeFileSync(path, bytes.subarray(0, state % bytes.length));
    else {
      bytes[state % bytes.length]! ^= 1 + (state % 255);
      writeFileSync(path, bytes);
    }
    store = await opened(root);
    const now = await look();
    assert.deepEqual(now.state, before.state, `seed ${seed}, round ${round}`);
    assert.ok(now.modSeq >= last, `seed ${seed}, round ${round}: MODSEQ ${now.modSeq} after ${last}`);
    last = now.modSeq;
    await store.close();
  }
});
