import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { containsPath, formatPath, getPath, parsePath, resetPath, setPath } from "./property-path.ts";
import { secret } from "./wire.ts";

test("paths are read as Pulumi writes them", () => {
  const cases: [string, (string | number)[]][] = [
    ["root", ["root"]],
    ["root.nested", ["root", "nested"]],
    ["root.array[0]", ["root", "array", 0]],
    ["root.array[100].name", ["root", "array", 100, "name"]],
    ['root["key with \\"quotes\\" and ."]', ["root", 'key with "quotes" and .']],
    ['["root key"].nested', ["root key", "nested"]],
    ["root.*.name", ["root", "*", "name"]],
    ["root[*]", ["root", "*"]],
  ];
  for (const [text, parts] of cases) assert.deepEqual(parsePath(text), parts, text);
  for (const text of ["a.", "a[", "a[b]", 'a["x', "a]"])
    assert.throws(() => parsePath(text), /at character \d/, text);
});

test("every path that is written is read back the same", () => {
  const part = fc.oneof(fc.string({ minLength: 1 }), fc.nat());
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (path) =>
      assert.deepEqual(parsePath(formatPath(path)), path),
    ),
  );
});

test("a path contains what lies below it, and * stands for any name or index", () => {
  assert.ok(containsPath(["a", "b"], ["a", "b", 1, "c"]));
  assert.ok(containsPath(["a", "*", "c"], ["a", 3, "c"]));
  assert.ok(!containsPath(["a", "b"], ["a"]));
  assert.ok(!containsPath(["a", 1], ["a", "1"]));
});

test("resetting puts the old value back, takes an added one away and never changes a list's length", () => {
  const reset = (path: string, olds: unknown, news: unknown) => [
    resetPath(parsePath(path), olds, news),
    news,
  ];
  assert.deepEqual(reset("a", { a: 1 }, { a: 2, b: 3 }), [true, { a: 1, b: 3 }]);
  assert.deepEqual(reset("a", {}, { a: 2 }), [true, {}]);
  assert.deepEqual(reset("a", { a: 1 }, {}), [true, { a: 1 }]);
  assert.deepEqual(reset("l[1]", { l: [1, 2] }, { l: [3, 4] }), [true, { l: [3, 2] }]);
  assert.deepEqual(reset("l[2]", { l: [1, 2] }, { l: [3, 4, 5] }), [false, { l: [3, 4, 5] }]);
  assert.deepEqual(reset("l[*].x", { l: [{ x: 1 }, { x: 2 }] }, { l: [{ x: 3 }, { x: 4 }] }), [
    true,
    { l: [{ x: 1 }, { x: 2 }] },
  ]);
  assert.deepEqual(reset("o.*", { o: { a: 1 } }, { o: { a: 2, b: 3 } }), [true, { o: { a: 1 } }]);
  assert.deepEqual(reset("o.a", { o: secret({ a: 1 }) }, { o: { a: 2 } }), [true, { o: { a: secret(1) } }]);
});

test("a place is made, read, and refused where a plain value is in the way", () => {
  const root: Record<string, unknown> = {};
  setPath(root, ["a", 0, "b"], 1);
  assert.deepEqual(root, { a: [{ b: 1 }] });
  assert.equal(getPath(root, ["a", 0, "b"]), 1);
  assert.equal(getPath(root, ["x", "y"]), undefined);
  assert.throws(() => setPath({ a: 1 }, ["a", "b"], 2), /'a' already holds a plain value/);
});
