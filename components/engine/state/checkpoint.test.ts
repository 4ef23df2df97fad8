import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import test from "node:test";
import fc from "fast-check";
import { EngineError } from "../errors.ts";
import type { ResourceState } from "../resource-state.ts";
import { File, testStack } from "../testing/stack.ts";
import { secret } from "../wire.ts";
import { formatCheckpoint, openCheckpoint, parseCheckpoint, verify } from "./checkpoint.ts";
import { SecretsManager } from "./passphrase.ts";
import { StackFiles } from "./stack-files.ts";

const manager = await SecretsManager.create("test");

const scalar = fc.oneof(
  fc.string(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
  fc.boolean(),
);
const key = fc.stringMatching(/^[a-z][A-Za-z0-9.@ -]{0,12}$/);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
    scalar.map(secret),
    fc.dictionary(key, scalar, { maxKeys: 3, noNullPrototype: true }).map(secret),
  ),
}));
const properties = fc.dictionary(key, value, { maxKeys: 5, noNullPrototype: true });

/** Resources each of which stands on some before it, as a real state has them. */
const resources = fc
  .array(
    fc.record({
      inputs: properties,
      outputs: properties,
      on: fc.array(fc.nat(), { maxLength: 3 }),
      flags: fc.record({ protect: fc.boolean(), retainOnDelete: fc.boolean(), custom: fc.boolean() }),
    }),
    { maxLength: 8 },
  )
  .map((items) =>
    items.map(({ inputs, outputs, on, flags }, index): ResourceState => {
      const urn = `urn:pulumi:dev::project::test:index:Thing::thing-${index}`;
      const before =
        index === 0
          ? []
          : [...new Set(on.map((at) => `urn:pulumi:dev::project::test:index:Thing::thing-${at % index}`))];
      return {
        urn,
        custom: flags.custom,
        type: "test:index:Thing",
        inputs,
        outputs,
        ...(flags.custom && { id: `id-${index}` }),
        ...(flags.protect && { protect: true }),
        ...(flags.retainOnDelete && { retainOnDelete: true }),
        ...(before.length > 0 && { dependencies: before, parent: before[0] }),
      };
    }),
  );

test("what is written to a checkpoint is read back the same, and no secret stands in it", () => {
  fc.assert(
    fc.property(resources, fc.string({ minLength: 12 }), (states, hidden) => {
      const withSecret = states.map((state) => ({
        ...state,
        inputs: { ...state.inputs, hidden: secret(`<<${hidden}>>`) },
      }));
      const text = formatCheckpoint(
        "organization/project/dev",
        {
          resources: withSecret,
          pending: [{ type: "creating", resource: withSecret[0] ?? EMPTY }],
          metadata: {},
        },
        manager,
        new Date(0),
      );
      assert.ok(!text.includes(JSON.stringify(`<<${hidden}>>`).slice(1, -1)));
      const sealed = parseCheckpoint(text);
      assert.deepEqual([sealed.stack, sealed.salt], ["organization/project/dev", manager.salt]);
      const opened = openCheckpoint(sealed, manager);
      assert.deepEqual(opened.resources, withSecret);
      assert.deepEqual(opened.pending, [{ type: "creating", resource: withSecret[0] ?? EMPTY }]);
    }),
    { numRuns: 60 },
  );
});

const EMPTY: ResourceState = {
  urn: "urn:pulumi:dev::project::test:index:Thing::none",
  custom: false,
  type: "test:index:Thing",
  inputs: {},
  outputs: {},
};

test("an unchanged secret keeps its ciphertext from one write to the next", () => {
  const states = [{ ...EMPTY, inputs: { password: secret("hunter2-hunter2") } }];
  const first = formatCheckpoint("s", { resources: states, pending: [], metadata: {} }, manager, new Date(0));
  const read = openCheckpoint(parseCheckpoint(first), manager);
  assert.equal(formatCheckpoint("s", read, manager, new Date(0)), first);
});

test("a checkpoint cut anywhere is damaged, never half a state", () => {
  const text = formatCheckpoint(
    "s",
    { resources: [{ ...EMPTY, inputs: { a: "b" } }], pending: [], metadata: {} },
    manager,
    new Date(0),
  );
  for (let length = 0; length < text.length; length += 7) {
    assert.throws(
      () => parseCheckpoint(text.slice(0, length)),
      (error) => error instanceof EngineError && error.code === "state-damaged",
    );
  }
});

test("a state that contradicts itself is refused with the resource's name", () => {
  const thing = (name: string, more: Partial<ResourceState> = {}): ResourceState => ({
    ...EMPTY,
    urn: `urn:pulumi:dev::project::test:index:Thing::${name}`,
    ...more,
  });
  const b = thing("b", { dependencies: [thing("a").urn] });
  const cases: [string, ResourceState[], RegExp][] = [
    [
      "a dependency that comes later",
      [b, thing("a")],
      /::b depends on .*::a, which does not stand before it/,
    ],
    ["the same URN twice", [thing("a"), thing("a")], /::a stands twice/],
    ["a component with an id", [thing("a", { id: "x" })], /::a is a component and has an id/],
    [
      "an unknown provider",
      [thing("a", { custom: true, id: "x", provider: "urn:pulumi:dev::project::pulumi:providers:p::d::1" })],
      /::a refers to the provider/,
    ],
  ];
  for (const [what, states, expected] of cases) assert.throws(() => verify(states), expected, what);
  verify([thing("a", { delete: true }), thing("a")]);
});

test("a state of another secrets manager or a newer format is for the CLI", () => {
  const other = (latest: unknown, version = 3) =>
    JSON.stringify({ version, checkpoint: { stack: "s", latest } });
  const isUnsupported = (pattern: RegExp) => (error: unknown) =>
    error instanceof EngineError && error.code === "unsupported" && pattern.test(error.message);
  assert.throws(
    () => parseCheckpoint(other({ secrets_providers: { type: "cloud", state: {} } })),
    isUnsupported(/'cloud'/),
  );
  assert.throws(() => parseCheckpoint(other({}, 4)), isUnsupported(/version 4/));
});

test("what a killed run left half written is removed by the next one", async (context) => {
  const stack = testStack(context);
  await stack.up(() => {
    new File("a", { path: "a.txt", content: "one" });
  });
  const half = `${stack.files.checkpoint}.4711.abcd.tmp`;
  writeFileSync(half, '{"version":3,"che');
  stack.operation.files = new StackFiles(stack.files.backend, stack.files.project, stack.files.stack);
  await stack.up(() => {
    new File("a", { path: "a.txt", content: "two" });
  });
  assert.equal(existsSync(half), false);
});

test("a truncated state file is refused, the whole copy is named, and nothing is written over", async (context) => {
  const stack = testStack(context);
  const program = (content: string) => () => {
    new File("a", { path: "a.txt", content });
  };
  await stack.up(program("one"));
  await stack.up(program("two"));
  const path = stack.files.checkpoint;
  copyFileSync(path, `${path}.whole`);
  truncateSync(path, 200);
  const damaged = readFileSync(path, "utf8");
  const isDamaged = (named: RegExp) => (error: unknown) =>
    error instanceof EngineError &&
    error.code === "state-damaged" &&
    named.test(error.message) &&
    /Nothing was written/.test(error.message);
  await assert.rejects(stack.up(program("three")), isDamaged(/\.json\.bak/));
  rmSync(`${path}.bak`);
  await assert.rejects(stack.preview(program("three")), isDamaged(/backups\/project\/test\/test\.\d+\.json/));
  await assert.rejects(stack.destroy(), isDamaged(/backups/));
  assert.equal(readFileSync(path, "utf8"), damaged);
  assert.equal(stack.content("a.txt"), "two");
  writeFileSync(path, readFileSync(`${path}.whole`));
  const result = await stack.up(program("two"));
  assert.equal(result.changed, false);
});
