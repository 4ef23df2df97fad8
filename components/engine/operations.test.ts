import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { outputs } from "./operations.ts";
import { File, testStack } from "./testing/stack.ts";
import { SECRET, SIGNATURE } from "./wire.ts";

test("a resource is created, then unchanged, then updated, then deleted", async (context) => {
  const stack = testStack(context);
  const program = (content?: string) => () => {
    if (content) new File("a", { path: "a.txt", content });
  };
  const first = await stack.up(program("one"));
  assert.deepEqual(stack.steps(), ["create a"]);
  assert.deepEqual([first.succeeded, first.changed, stack.content("a.txt")], [true, true, "one"]);

  const second = await stack.up(program("one"));
  assert.deepEqual(stack.steps(), ["same a"]);
  assert.deepEqual([second.succeeded, second.changed, stack.calls], [true, false, []]);

  await stack.up(program("two"));
  assert.deepEqual(stack.steps(), ["update a"]);
  assert.equal(stack.content("a.txt"), "two");

  await stack.up(program());
  assert.deepEqual(stack.steps(), ["delete a"]);
  assert.equal(stack.content("a.txt"), undefined);
});

test("an unchanged run does not write the state file", async (context) => {
  const stack = testStack(context);
  const program = () => {
    new File("a", { path: "a.txt", content: "one" });
  };
  await stack.up(program);
  const before = readFileSync(stack.files.checkpoint, "utf8");
  await stack.up(program);
  assert.equal(readFileSync(stack.files.checkpoint, "utf8"), before);
});

test("a preview knows what a new object will give and leaves the disk alone", async (context) => {
  const stack = testStack(context);
  let seen: unknown;
  const result = await stack.preview(() => {
    const a = new File("a", { path: "a.txt", content: "one" });
    a.digest.apply((digest) => {
      seen = digest;
    });
    new File("b", { path: "b.txt", content: a.id });
  });
  assert.deepEqual(stack.errors(), []);
  assert.deepEqual([result.succeeded, result.counts.create], [true, 4]);
  assert.match(String(seen), /^[0-9a-f]{12}$/);
  assert.deepEqual(stack.calls, []);
  assert.equal(await stack.files.exists(), false);
});

test("what hangs on an id that is not known yet is previewed with an unknown", async (context) => {
  const stack = testStack(context);
  await stack.preview(() => {
    const a = new File("a", { path: "a.txt", content: "one" });
    new File("b", { path: "b.txt", content: a.id });
  });
  const b = stack.events.find((event) => event.kind === "step-done" && event.step.name === "b");
  assert.ok(b?.kind === "step-done");
  assert.equal(b.step.next?.inputs.content, "04da6b54-80e4-46f7-96ec-b56ff0331ba9");
});

test("a failure in the middle stops the run, keeps what was done, deletes nothing and names the resource", async (context) => {
  const stack = testStack(context, {
    interrupt: (call) => {
      if (call === "create b.txt") throw new Error("the disk is full");
    },
  });
  await stack.up(() => {
    new File("gone", { path: "gone.txt", content: "one" });
  });
  const result = await stack.up(() => {
    const a = new File("a", { path: "a.txt", content: "one" });
    const b = new File("b", { path: "b.txt", content: a.digest });
    new File("c", { path: "c.txt", content: b.digest });
  });
  assert.equal(result.succeeded, false);
  assert.deepEqual(stack.steps(), ["create a"]);
  assert.deepEqual(stack.errors(), ["the disk is full"]);
  assert.equal(stack.content("gone.txt"), "one");
  const names = stack.resources().map(({ urn }) => String(urn).split("::").at(-1));
  assert.deepEqual(names.filter((name) => ["a", "b", "c", "gone"].includes(name!)).sort(), ["a", "gone"]);
});

test("independent work in progress finishes when another step fails", async (context) => {
  let release = () => {};
  const failed = new Promise<void>((resolve) => {
    release = resolve;
  });
  const stack = testStack(context, {
    interrupt: async (call) => {
      if (call === "create bad.txt") {
        release();
        throw new Error("no");
      }
      if (call === "create slow.txt") {
        await failed;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
  });
  await stack.up(() => {
    new File("slow", { path: "slow.txt", content: "one" });
    new File("bad", { path: "bad.txt", content: "one" });
  });
  assert.deepEqual(stack.steps(), ["create slow"]);
  assert.equal(stack.content("slow.txt"), "one");
  assert.ok(stack.resources().some(({ urn }) => String(urn).endsWith("::slow")));
});

test("every failed check of a run is told, not only the first", async (context) => {
  const stack = testStack(context);
  const result = await stack.preview(() => {
    new File("a", { path: "", content: "one" });
    new File("b", { path: "", content: "one" });
  });
  assert.equal(result.succeeded, false);
  assert.deepEqual(stack.errors(), ["path: a file needs a path", "path: a file needs a path"]);
});

test("an object that is not complete stays in the state and is updated next time", async (context) => {
  const stack = testStack(context);
  const program = (content: string) => () => {
    new File("a", { path: "a.txt", content });
  };
  const first = await stack.up(program("half"));
  assert.equal(first.succeeded, false);
  assert.deepEqual(stack.resources().find(({ urn }) => String(urn).endsWith("::a"))?.initErrors, [
    "only half of it",
  ]);
  const second = await stack.up(program("whole"));
  assert.equal(second.succeeded, true);
  assert.deepEqual(stack.steps(), ["update a"]);
  assert.equal(stack.resources().find(({ urn }) => String(urn).endsWith("::a"))?.initErrors, undefined);
});

test("an error of the program stops the run and deletes nothing", async (context) => {
  const stack = testStack(context);
  await stack.up(() => {
    new File("a", { path: "a.txt", content: "one" });
  });
  const result = await stack.up(() => {
    throw new pulumi.RunError("there is no domain");
  });
  assert.equal(result.succeeded, false);
  assert.deepEqual(stack.errors(), ["there is no domain"]);
  assert.equal(stack.content("a.txt"), "one");
});

test("an error inside apply that nobody awaits stops the run and deletes nothing", async (context) => {
  const stack = testStack(context);
  await stack.up(() => {
    new File("old", { path: "old.txt", content: "one" });
  });
  const result = await stack.up(() => {
    const a = new File("a", { path: "a.txt", content: "one" });
    new File("b", {
      path: "b.txt",
      content: a.digest.apply((): string => {
        throw new pulumi.RunError("bad digest");
      }),
    });
  });
  assert.equal(result.succeeded, false);
  assert.match(stack.errors().join(), /bad digest/);
  assert.equal(stack.content("old.txt"), "one");
});

test("no secret stands in plain in the state, the backups or the events of any display", async (context) => {
  const stack = testStack(context);
  const password = "Tr0ub4dor&3-hunter2";
  const program = () => {
    const a = new File("a", { path: "a.txt", content: pulumi.secret(password) });
    new File("b", { path: "b.txt", content: pulumi.interpolate`copy of ${a.content}` });
    return { password: a.content, upper: a.upper };
  };
  const result = await stack.up(() => program());
  assert.equal(result.succeeded, true);
  assert.equal(stack.content("b.txt"), `copy of ${password}`);
  const walk = (directory: string): string[] =>
    readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? walk(join(directory, entry.name)) : [join(directory, entry.name)],
    );
  for (const path of walk(stack.files.backend)) {
    const text = readFileSync(path, "utf8");
    assert.ok(
      !text.includes(password) && !text.includes(password.toUpperCase()),
      `${path} holds the password`,
    );
  }
  assert.deepEqual((result.outputs.password as Record<string, unknown>)[SIGNATURE], SECRET);
  assert.deepEqual(await outputs(stack.operation), result.outputs);
  const again = await stack.up(() => program());
  assert.deepEqual(stack.steps(), ["same a", "same b"]);
  assert.equal(again.changed, false);
});

test("refresh writes down what was changed and what is gone, and the next up puts it back", async (context) => {
  const stack = testStack(context);
  const program = () => {
    const a = new File("a", { path: "a.txt", content: "one" });
    new File("b", { path: "b.txt", content: "one" }, { dependsOn: [a] });
  };
  await stack.up(program);
  writeFileSync(join(stack.root, "b.txt"), "changed by hand");
  const { rmSync } = await import("node:fs");
  rmSync(join(stack.root, "a.txt"));
  const refreshed = await stack.refresh();
  assert.deepEqual([refreshed.succeeded, refreshed.counts.delete, refreshed.counts.update], [true, 1, 1]);
  assert.deepEqual(stack.calls, []);
  await stack.up(program);
  assert.deepEqual(stack.steps(), ["create a", "update b"]);
  assert.deepEqual([stack.content("a.txt"), stack.content("b.txt")], ["one", "one"]);
  const again = await stack.refresh();
  assert.equal(again.changed, false);
});

test("what only the Pulumi CLI can run is refused with a sentence that names it and the way out", async (context) => {
  const cases: [string, () => void, RegExp][] = [
    [
      "a plugin's resource",
      () => {
        new (class extends pulumi.CustomResource {})("docker:index/container:Container", "box", {});
      },
      /docker:index\/container:Container::box needs the 'docker' plugin.*--engine pulumi/,
    ],
    [
      "a stack reference",
      () => void new pulumi.StackReference("organization/other/prod"),
      /stack reference.*--engine pulumi/,
    ],
    [
      "a transform",
      () => {
        new File("a", { path: "a.txt", content: "one" }, { transforms: [() => undefined] });
      },
      /transform.*--engine pulumi/,
    ],
  ];
  for (const [what, program, expected] of cases) {
    const stack = testStack(context);
    const result = await stack.preview(program);
    assert.equal(result.succeeded, false, what);
    assert.match(stack.errors().join(), expected, what);
  }
});

test("what the program prints is a diagnostic, not output", async (context) => {
  const stack = testStack(context);
  const result = await stack.up(async () => {
    console.log("hello from the program");
    await pulumi.log.warn("careful");
  });
  assert.equal(result.succeeded, true);
  const said = stack.events.flatMap((event) =>
    event.kind === "diagnostic" ? [`${event.severity} ${event.message}`] : [],
  );
  assert.deepEqual(said, ["info hello from the program", "warning careful"]);
});

test("cancelling lets the step in progress finish and begins no other", async (context) => {
  const controller = new AbortController();
  const stack = testStack(context, {
    interrupt: (call) => {
      if (call === "create a.txt") controller.abort();
    },
  });
  stack.operation.signal = controller.signal;
  const result = await stack.up(() => {
    const a = new File("a", { path: "a.txt", content: "one" });
    new File("b", { path: "b.txt", content: a.digest });
  });
  assert.equal(result.succeeded, false);
  assert.deepEqual(stack.steps(), ["create a"]);
  assert.deepEqual([stack.content("a.txt"), stack.content("b.txt")], ["one", undefined]);
});

test("an object that an interrupted replacement left to delete goes with the next run", async (context) => {
  let broken = true;
  const stack = testStack(context, {
    interrupt: (call) => {
      if (broken && call === "delete old.txt") throw new Error("busy");
    },
  });
  const program = (path: string) => () => {
    new File("a", { path, content: "one" });
  };
  await stack.up(program("old.txt"));
  const failed = await stack.up(program("new.txt"));
  assert.deepEqual([failed.succeeded, stack.errors()], [false, ["busy"]]);
  assert.deepEqual(
    stack
      .resources()
      .filter((state) => state.delete)
      .map(({ id }) => id),
    ["old.txt"],
  );
  broken = false;
  const result = await stack.up(program("new.txt"));
  assert.deepEqual([result.succeeded, stack.steps()], [true, ["same a", "delete-replaced a"]]);
  assert.deepEqual([stack.content("old.txt"), stack.content("new.txt")], [undefined, "one"]);
});
