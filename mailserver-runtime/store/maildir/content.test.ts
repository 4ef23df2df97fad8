import assert from "node:assert/strict";
import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { StoreError } from "../mail-store.ts";
import { countBareLf, withCrlf } from "./stored-content.ts";
import { filesIn, freshDirectory, freshStore, message, openIn, textOf, uidsOf } from "./test-store.ts";

const ANN = "ann@example.org";
const LF = "Subject: a\n\nbare\r\nmixed\n";
const CRLF = "Subject: a\r\n\r\nbare\r\nmixed\r\n";

test("Every LF gets its CR, and no byte else changes", () => {
  fc.assert(
    fc.property(
      fc
        .uint8Array({ maxLength: 200 })
        .map((bytes) => Buffer.from(bytes.map((byte) => (byte < 80 ? 10 : byte < 120 ? 13 : byte)))),
      (bytes) => {
        const expected = bytes.toString("latin1").replace(/(?<!\r)\n/g, "\r\n");
        assert.equal(withCrlf(bytes).toString("latin1"), expected);
        assert.equal(countBareLf(bytes), expected.length - bytes.length);
      },
    ),
  );
});

test("Files with bare LF, wrong S= and W=, gzip and zstd are served as the message with CRLF, and RFC822.SIZE is what is served", async (t) => {
  const root = freshDirectory(t);
  const folder = `${root}/mail/example.org/ann`;
  for (const part of ["tmp", "new", "cur"]) mkdirSync(`${folder}/${part}`, { recursive: true });
  const large = `Subject: large\n\n${"line\n".repeat(60_000)}`;
  writeFileSync(`${folder}/new/1.lf`, LF);
  writeFileSync(`${folder}/new/2.lies,S=3,W=999`, LF);
  writeFileSync(`${folder}/new/3.gzip,S=${LF.length}`, gzipSync(LF));
  writeFileSync(`${folder}/new/4.zstd,S=${LF.length},W=${CRLF.length}`, zstdCompressSync(LF));
  writeFileSync(`${folder}/new/5.large`, large);
  writeFileSync(`${folder}/new/6.large-crlf`, large.replaceAll("\n", "\r\n"));
  writeFileSync(`${folder}/new/7.empty`, "");
  const store = await openIn(root);
  t.after(() => store.close());
  const inbox = await (await store.account(ANN)).open("INBOX");
  const texts: string[] = [];
  for (const uid of uidsOf(inbox)) texts.push(await textOf(inbox, uid));
  const crlfLarge = large.replaceAll("\n", "\r\n");
  assert.deepEqual(texts, [CRLF, CRLF, CRLF, CRLF, crlfLarge, crlfLarge, ""]);
  const { sizes, count } = inbox.view();
  assert.deepEqual(
    [...sizes.subarray(0, count)],
    texts.map((text) => text.length),
  );

  // A copy has a name of ours, and what it says must be true.
  const { targetUids } = await inbox.copy(uidsOf(inbox), "INBOX");
  for (const [i, uid] of targetUids.entries()) assert.equal(await textOf(inbox, uid), texts[i]);
  const part = await inbox.read(6);
  assert.equal((await part.read(crlfLarge.length - 4, 100)).toString(), "ne\r\n");
  const chunks: Buffer[] = [];
  for await (const chunk of part.chunks(10, 200_000)) {
    assert.ok(chunk.length <= 65_536);
    chunks.push(chunk);
  }
  assert.equal(Buffer.concat(chunks).toString(), crlfLarge.slice(10, 200_000));
  await part.dispose();
  await part.dispose();
  assert.equal((await inbox.readHeader(6)).toString(), "Subject: large\r\n\r\n");
  inbox.release();
});

test("A damaged gzip file, a bomb and a file nobody may read fail by name, and the rest of the mailbox is served", async (t) => {
  const root = freshDirectory(t);
  const folder = `${root}/mail/example.org/ann`;
  for (const part of ["tmp", "new", "cur"]) mkdirSync(`${folder}/${part}`, { recursive: true });
  writeFileSync(`${folder}/cur/1.broken,S=9,W=9:2,`, gzipSync(LF).subarray(0, 20));
  writeFileSync(`${folder}/cur/2.bomb,S=9,W=9:2,`, gzipSync(Buffer.alloc(200 * 1024 * 1024), { level: 1 }));
  writeFileSync(`${folder}/cur/3.fine,S=9,W=9:2,`, LF);
  mkdirSync(`${folder}/cur/4.directory`);
  const store = await openIn(root);
  t.after(() => store.close());
  const inbox = await (await store.account(ANN)).open("INBOX");
  assert.deepEqual(uidsOf(inbox), [1, 2, 3]);
  const named = (uid: number, part: string) =>
    assert.rejects(
      inbox.read(uid),
      (error) => error instanceof StoreError && error.code === "unavailable" && error.message.includes(part),
    );
  await named(1, "1.broken");
  await named(2, "2.bomb");
  assert.equal(await textOf(inbox, 3), CRLF);
  if (process.getuid?.() !== 0) {
    chmodSync(`${folder}/cur/3.fine,S=9,W=9:2,`, 0);
    await named(3, "3.fine");
  }
  inbox.release();
});

test("A message in use is read to its end though it is flagged or expunged meanwhile", async (t) => {
  const { root, store } = await freshStore(t);
  const inbox = await (await store.account(ANN)).open("INBOX");
  const body = "A line of text.\r\n".repeat(20_000);
  await inbox.append({ content: message("long", body), flags: [] });
  const content = await inbox.read(1);
  let length = 0;
  for await (const chunk of content.chunks()) {
    if (length === 0) {
      await inbox.setFlags({ uids: [1], mode: "add", flags: ["\\Deleted"] });
      await inbox.expunge();
      await content.dispose();
    }
    length += chunk.length;
  }
  assert.equal(length, content.size);
  await assert.rejects(inbox.read(1), { code: "expunged" });
  assert.deepEqual(filesIn(`${root}/mail/example.org/ann`), []);
  inbox.release();
});

test("Names that are no UTF-8 are read, flagged, copied and expunged", async (t) => {
  const { root, store } = await freshStore(t);
  const inbox = await (await store.account(ANN)).open("INBOX");
  const folder = `${root}/mail/example.org/ann`;
  writeFileSync(`${folder}/tmp/x`, LF);
  renameSync(`${folder}/tmp/x`, Buffer.concat([Buffer.from(`${folder}/new/1.`), Buffer.from([0xff, 0xe4])]));
  await inbox.refresh();
  assert.equal(await textOf(inbox, 1), CRLF);
  await inbox.copy([1], "INBOX");
  await inbox.setFlags({ uids: [1], mode: "add", flags: ["\\Deleted"] });
  assert.deepEqual((await inbox.expunge()).uids, [1]);
  assert.equal(await textOf(inbox, 2), CRLF);
  inbox.release();
});
