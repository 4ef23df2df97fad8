import assert from "node:assert/strict";
import test from "node:test";
import { File, testStack } from "./testing/stack.ts";

test("a program's resource is created, then unchanged, then updated, then deleted", async (context) => {
  const stack = testStack(context);
  const first = await stack.up(() => {
    new File("a", { path: "a.txt", content: "one" });
  });
  assert.deepEqual(stack.errors(), []);
  assert.deepEqual(stack.steps(), ["create a"]);
  assert.equal(first.succeeded, true);
  assert.equal(stack.content("a.txt"), "one");

  const second = await stack.up(() => {
    new File("a", { path: "a.txt", content: "one" });
  });
  assert.deepEqual(stack.steps(), ["same a"]);
  assert.equal(second.changed, false);

  await stack.up(() => {
    new File("a", { path: "a.txt", content: "two" });
  });
  assert.deepEqual(stack.steps(), ["update a"]);
  assert.equal(stack.content("a.txt"), "two");

  await stack.up(() => {});
  assert.deepEqual(stack.steps(), ["delete a"]);
  assert.equal(stack.content("a.txt"), undefined);
});
