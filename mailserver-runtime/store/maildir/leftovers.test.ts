import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { silentLog } from "../../net/log.ts";
import { sweepAccounts } from "./sweep-accounts.ts";
import { freshStore } from "./test-store.ts";

test("What a process left half made or half written when it died is gone at the next opening, and other programs' files stay", async (t) => {
  const { root, store } = await freshStore(t);
  const account = await store.account("ann@example.org");
  await account.list();
  await store.close();
  const maildir = `${root}/mail/example.org/ann`;
  const stale = "1700000000.M000001P1Q1Rdeadbeef.host,S=10,W=10";
  const files = [`tmp/${stale}`, `.Sent/tmp/${stale}`];
  for (const file of files) writeFileSync(`${maildir}/${file}`, "half");
  // The kernel sets a file's ctime itself: a process that starts now is what may remove it.
  mkdirSync(`${maildir}/.Half/tmp`, { recursive: true });
  mkdirSync(`${maildir}/.foreign/data`, { recursive: true });
  writeFileSync(`${maildir}/tmp/1700000000.1.mutt`, "being written by another program");
  const script = `import { openIn } from ${JSON.stringify(new URL("test-store.ts", import.meta.url).href)};
const store = await openIn(${JSON.stringify(root)});
await (await store.account("ann@example.org")).rename("Trash", "Half");
await store.close();`;
  execFileSync(process.execPath, ["--input-type=module", "-e", script]);
  assert.ok(existsSync(`${maildir}/.Half/cur`), "a folder took the name of the one that was never made");
  for (const file of [`tmp/${stale}`, `.Half/tmp/${stale}`])
    assert.ok(!existsSync(`${maildir}/${file}`), file);
  assert.ok(existsSync(`${maildir}/tmp/1700000000.1.mutt`) && existsSync(`${maildir}/.foreign/data`));
});

test("What a dead server left goes from accounts that nobody opens too, in the background, and what is newer stays", async (t) => {
  const { root } = await freshStore(t);
  const left = [
    `mail/example.org/ben/tmp/1700000000.M000001P1Q1Rdeadbeef.host,S=10,W=10`,
    `mail/example.org/ben/.Sent.2025/tmp/1700000000.M000001P1Q1Rdeadbeef.host,S=10,W=10`,
    "state/store/index/volume/example.org/ben/INBOX.77.tmp",
  ];
  const stays = [
    "mail/example.org/ben/tmp/1700000000.1.mutt",
    "mail/example.org/ben/cur/1700000000.1.mutt:2,",
    "state/store/index/volume/example.org/ben/INBOX",
  ];
  for (const file of [...left, ...stays]) {
    mkdirSync(dirname(`${root}/${file}`), { recursive: true });
    writeFileSync(`${root}/${file}`, "half");
  }
  const sweep = async () => {
    const directories = { mail: `${root}/mail`, state: `${root}/state` };
    await sweepAccounts({ directories, log: silentLog, signal: new AbortController().signal, pauseMs: 0 });
  };
  await sweep();
  for (const file of [...left, ...stays]) assert.ok(existsSync(`${root}/${file}`), "made since the start");
  // The kernel sets a file's ctime itself: a process that starts now is what may remove it.
  const script = `import { sweepAccounts } from ${JSON.stringify(new URL("sweep-accounts.ts", import.meta.url).href)};
import { silentLog } from ${JSON.stringify(new URL("../../net/log.ts", import.meta.url).href)};
const directories = { mail: ${JSON.stringify(`${root}/mail`)}, state: ${JSON.stringify(`${root}/state`)} };
await sweepAccounts({ directories, log: silentLog, signal: new AbortController().signal, pauseMs: 0 });`;
  execFileSync(process.execPath, ["--input-type=module", "-e", script]);
  for (const file of left) assert.ok(!existsSync(`${root}/${file}`), file);
  for (const file of stays) assert.ok(existsSync(`${root}/${file}`), file);
});
