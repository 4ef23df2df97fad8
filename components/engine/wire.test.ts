import assert from "node:assert/strict";
import test from "node:test";
import { parseDuration } from "./goal.ts";
import { UNKNOWN } from "./provider.ts";
import { markSecretOutputs } from "./step-runner.ts";
import { makeUrn, packageOf, parseProviderReference, parseUrn, STACK_TYPE } from "./urn.ts";
import { containsSecret, containsUnknown, equal, isSecret, plain, redact, secret } from "./wire.ts";

test("secrets and unknowns are found at any depth, and taken off without touching the rest", () => {
  const value = { a: [1, secret({ b: UNKNOWN })], c: "text" };
  assert.deepEqual(
    [containsSecret(value), containsUnknown(value), containsSecret(plain(value))],
    [true, true, false],
  );
  assert.deepEqual(plain(value), { a: [1, { b: UNKNOWN }], c: "text" });
  assert.deepEqual(redact(value), { a: [1, "[secret]"], c: "text" });
  assert.deepEqual(secret(secret(1)), secret(1));
});

test("equality does not mind the order of keys and minds everything else", () => {
  assert.ok(equal({ a: 1, b: [2, { c: 3 }] }, { b: [2, { c: 3 }], a: 1 }));
  for (const [left, right] of [
    [{ a: 1 }, { a: 1, b: undefined }],
    [
      [1, 2],
      [2, 1],
    ],
    [[], {}],
    [null, {}],
    ["1", 1],
    [{ a: undefined }, { b: 1 }],
  ]) {
    assert.ok(!equal(left, right), JSON.stringify([left, right]));
  }
});

test("an output becomes secret with the input of its name, also when only a part of that is secret", () => {
  const state = {
    urn: "u",
    custom: true,
    type: "t",
    inputs: { password: secret("x"), users: { anna: secret("y") }, open: 1 },
    outputs: { password: "x", users: { anna: "y" }, open: 1, named: 2 } as Record<string, unknown>,
    additionalSecretOutputs: ["named", "absent"],
  };
  markSecretOutputs(state);
  assert.deepEqual(
    Object.entries(state.outputs).map(([key, value]) => [key, isSecret(value)]),
    [
      ["password", true],
      ["users", true],
      ["open", false],
      ["named", true],
    ],
  );
});

test("URNs leave the stack's type out of a child's, and are taken apart again", () => {
  const stack = makeUrn("dev", "post", "", STACK_TYPE, "post-dev");
  const box = makeUrn("dev", "post", stack, "pkg:index:Box", "box");
  const file = makeUrn("dev", "post", box, "pkg:index:File", "a::b");
  assert.equal(file, "urn:pulumi:dev::post::pkg:index:Box$pkg:index:File::a::b");
  assert.deepEqual(parseUrn(file), {
    stack: "dev",
    project: "post",
    qualifiedType: "pkg:index:Box$pkg:index:File",
    type: "pkg:index:File",
    name: "a::b",
  });
  assert.throws(() => parseUrn("urn:aws:x"), /is not a URN/);
  assert.deepEqual(
    [packageOf("docker:index/container:Container"), packageOf("pulumi:providers:docker")],
    ["docker", "docker"],
  );
  assert.throws(() => parseProviderReference(`${file}::id`), /is not a provider reference/);
});

test("durations of customTimeouts are Go's", () => {
  assert.deepEqual(["", "90s", "1h30m", "1.5m", "250ms"].map(parseDuration), [0, 90, 5400, 90, 0.25]);
  for (const text of ["5", "soon", "1d"]) assert.throws(() => parseDuration(text), /is not a duration/, text);
});
