import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { changesSince, versionChange } from "./software-version.ts";

const state = mkdtempSync(join(tmpdir(), "software-version-"));
after(() => rmSync(state, { recursive: true, force: true }));

const changelog = `# Changelog

## 0.3.0

**The image.** New.

## 0.2.0 (2026-10-01)

**Relays.** As objects,
with a login.

## 0.1.0

**The server.** First.
`;

test("another version than the last one is told once, with what has changed since", async () => {
  const read = async () => changelog;
  assert.equal(await versionChange(state, "0.1.0", read), undefined);
  assert.equal(await versionChange(state, "0.1.0", read), undefined);
  assert.deepEqual(await versionChange(state, "0.3.0", read), {
    from: "0.1.0",
    to: "0.3.0",
    changes: ["The image", "Relays"],
  });
  assert.equal(await versionChange(state, "0.3.0", read), undefined);
  assert.equal(readFileSync(join(state, "software-version"), "utf8"), "0.3.0\n");
});

test("a step back to an older version is told as well, and a changelog that is not there is no error", async () => {
  assert.deepEqual(await versionChange(state, "0.2.0", async () => undefined), {
    from: "0.3.0",
    to: "0.2.0",
    changes: [],
  });
  assert.deepEqual(changesSince(changelog, "0.2.0"), ["The image"]);
});
