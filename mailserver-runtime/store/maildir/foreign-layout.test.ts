import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { freshDirectory, openIn } from "./test-store.ts";

test("LAYOUT=fs, sdbox and mdbox are refused by name, and home/ and Sieve's files are nobody's folder", async (t) => {
  const root = freshDirectory(t);
  const store = await openIn(root);
  t.after(() => store.close());
  const make = (local: string, ...paths: string[]) => {
    for (const path of paths) mkdirSync(`${root}/mail/example.org/${local}/${path}`, { recursive: true });
  };
  make("fs", "cur", "new", "tmp", "Work/cur", "Work/new", "Work/tmp");
  make("sdbox", "mailboxes/INBOX/dbox-Mails");
  make("mdbox", "storage");
  writeFileSync(`${root}/mail/example.org/mdbox/storage/dovecot.map.index`, "");
  make("fine", "cur", "new", "tmp", "home/sieve", ".mailboxes/cur");
  const opening = (local: string) => store.account(`${local}@example.org`);
  await assert.rejects(opening("fs"), {
    code: "unavailable",
    message: /Work there is a folder of .*LAYOUT=fs/,
  });
  await assert.rejects(opening("sdbox"), { code: "unavailable", message: /sdbox/ });
  await assert.rejects(opening("mdbox"), { code: "unavailable", message: /mdbox/ });
  (await opening("fine")).release();
});
