import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
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
