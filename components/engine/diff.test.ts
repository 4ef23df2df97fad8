import assert from "node:assert/strict";
import test from "node:test";
import { applyReplaceOnChanges, compare, describeChanges, isReplace, resolveUnknownDiff } from "./diff.ts";
import type { DiffResult } from "./provider.ts";
import { isSecret, secret } from "./wire.ts";

const result = (more: Partial<DiffResult>): DiffResult => ({
  changes: "some",
  replaces: [],
  deleteBeforeReplace: false,
  detailedDiff: {},
  ...more,
});

test("a comparison names the deepest place, and a secret that is the same is no change", () => {
  const changes = compare(
    { a: { b: 1, c: 2 }, l: [1, 2], same: secret("x"), gone: 1 },
    { a: { b: 1, c: 3 }, l: [1, 2, 3], same: "x", added: 2 },
  );
  assert.deepEqual(
    changes.map(({ path, kind }) => [path, kind]),
    [
      ["a.c", "update"],
      ["l[2]", "add"],
      ["gone", "delete"],
      ["added", "add"],
    ],
  );
});

test("an unknown answer of the provider is decided by the inputs", () => {
  assert.equal(resolveUnknownDiff(result({ changes: "unknown" }), { a: 1 }, { a: 1 }).changes, "none");
  const changed = resolveUnknownDiff(result({ changes: "unknown" }), { a: 1 }, { a: 2 });
  assert.deepEqual([changed.changes, Object.keys(changed.detailedDiff)], ["some", ["a"]]);
});

test("replaceOnChanges turns an update below its path into a replacement, and only there", () => {
  const diff = result({
    detailedDiff: { "a.b": { kind: "update", inputDiff: true }, c: { kind: "add", inputDiff: true } },
  });
  const applied = applyReplaceOnChanges(diff, ["a"], false);
  assert.deepEqual(
    [isReplace(applied), applied.replaces, applied.detailedDiff.c?.kind],
    [true, ["a"], "add"],
  );
  assert.equal(isReplace(applyReplaceOnChanges(diff, ["x"], false)), false);
  assert.equal(isReplace(applyReplaceOnChanges(result({ changes: "none" }), ["#initerror"], true)), true);
});

test("a changed place inside a secret is shown as a secret", () => {
  const diff = result({ detailedDiff: { "passwords.anna": { kind: "update", inputDiff: true } } });
  const [change] = describeChanges(
    diff,
    { inputs: { passwords: secret({ anna: "old" }) }, outputs: {} },
    { passwords: secret({ anna: "new" }) },
  );
  assert.ok(isSecret(change?.before) && isSecret(change?.after));
});
