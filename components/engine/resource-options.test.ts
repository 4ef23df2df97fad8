import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { File, FileProvider, testStack } from "./testing/stack.ts";
import { SIGNATURE } from "./wire.ts";

test("a replacement creates first and deletes the old object at the end", async (context) => {
  const stack = testStack(context);
  const program = (path: string) => () => {
    const a = new File("a", { path, content: "one" });
    new File("b", { path: "b.txt", content: a.path });
  };
  await stack.up(program("old.txt"));
  await stack.up(program("new.txt"));
  assert.deepEqual(
    stack.calls.filter((call) => !call.includes("d ")),
    ["create new.txt", "update b.txt", "delete old.txt"],
  );
  assert.deepEqual(
    [stack.content("old.txt"), stack.content("new.txt"), stack.content("b.txt")],
    [undefined, "one", "new.txt"],
  );
});

test("deleteBeforeReplace deletes first, and takes along what a change of its input replaces", async (context) => {
  const stack = testStack(context);
  const program = (path: string) => () => {
    const a = new File("a", { path, content: "one" }, { deleteBeforeReplace: true });
    const b = new File("b", { path: pulumi.interpolate`${a.path}.copy`, content: "two" });
    new File("c", { path: "c.txt", content: "three" }, { dependsOn: [b] });
  };
  await stack.up(program("old.txt"));
  await stack.up(program("new.txt"));
  assert.deepEqual(stack.errors(), []);
  assert.deepEqual(
    stack.calls.filter((call) => !call.includes("d ")),
    ["delete old.txt.copy", "delete old.txt", "create new.txt", "create new.txt.copy"],
  );
  assert.deepEqual(
    stack.steps().filter((step) => step.endsWith(" c")),
    ["same c"],
  );
});

test("a rename with an alias keeps the object, also for a child named after its parent", async (context) => {
  const stack = testStack(context);
  class Box extends pulumi.ComponentResource {
    constructor(name: string, options?: pulumi.ComponentResourceOptions) {
      super("test:index:Box", name, {}, options);
      new File(`${name}-file`, { path: "boxed.txt", content: "one" }, { parent: this });
    }
  }
  await stack.up(() => {
    new Box("old");
  });
  await stack.up(() => {
    new Box("new", { aliases: [{ name: "old" }] });
  });
  assert.deepEqual(stack.errors(), []);
  assert.deepEqual(stack.steps(), ["same new-file"]);
  assert.deepEqual(stack.calls, []);
  assert.equal(stack.content("boxed.txt"), "one");
  assert.ok(
    stack
      .resources()
      .some(({ urn }) => urn === "urn:pulumi:test::project::test:index:Box$files:index:File::new-file"),
  );
});

test("a rename without an alias creates before it deletes", async (context) => {
  const stack = testStack(context);
  await stack.up(() => {
    new File("old", { path: "a.txt", content: "one" });
  });
  await stack.up(() => {
    new File("new", { path: "a.txt", content: "one" });
  });
  assert.deepEqual(stack.steps(), ["create new", "delete old"]);
});

test("two resources cannot continue the same old one", async (context) => {
  const stack = testStack(context);
  await stack.up(() => {
    new File("old", { path: "a.txt", content: "one" });
  });
  const result = await stack.up(() => {
    new File("x", { path: "a.txt", content: "one" }, { aliases: [{ name: "old" }] });
    new File("y", { path: "a.txt", content: "one" }, { aliases: [{ name: "old" }] });
  });
  assert.equal(result.succeeded, false);
  assert.match(stack.errors().join(), /alias/);
});

test("the same resource declared twice is an error that names it", async (context) => {
  const stack = testStack(context);
  const result = await stack.up(() => {
    new File("a", { path: "a.txt", content: "one" });
    new File("a", { path: "b.txt", content: "one" });
  });
  assert.equal(result.succeeded, false);
  assert.match(stack.errors().join(), /files:index:File::a is declared twice/);
});

test("a protected resource is not deleted, and nothing else is then", async (context) => {
  const stack = testStack(context);
  await stack.up(() => {
    new File("a", { path: "a.txt", content: "one" }, { protect: true });
    new File("b", { path: "b.txt", content: "one" });
  });
  const result = await stack.up(() => {});
  assert.equal(result.succeeded, false);
  assert.match(stack.errors().join(), /::a is protected/);
  assert.deepEqual([stack.content("a.txt"), stack.content("b.txt")], ["one", "one"]);
});

test("retainOnDelete lets the object stay, on removal and on destroy", async (context) => {
  const stack = testStack(context);
  const keep = (name: string) =>
    new File(name, { path: `${name}.txt`, content: "one" }, { retainOnDelete: true });
  await stack.up(() => {
    keep("a");
    keep("b");
  });
  await stack.up(() => {
    keep("a");
  });
  assert.deepEqual(stack.steps(), ["same a", "forget b"]);
  const destroyed = await stack.destroy();
  assert.equal(destroyed.succeeded, true);
  assert.deepEqual([stack.content("a.txt"), stack.content("b.txt"), stack.resources()], ["one", "one", []]);
});

test("deletedWith spares the provider a deletion that another one includes", async (context) => {
  const stack = testStack(context);
  await stack.up(() => {
    const a = new File("a", { path: "a.txt", content: "one" });
    new File("b", { path: "b.txt", content: "one" }, { deletedWith: a });
  });
  await stack.destroy();
  assert.deepEqual(stack.calls, ["delete a.txt", "deleted a.txt"]);
});

test("ignoreChanges keeps the old input", async (context) => {
  const stack = testStack(context);
  const program = (content: string) => () => {
    new File("a", { path: "a.txt", content }, { ignoreChanges: ["content"] });
  };
  await stack.up(program("one"));
  await stack.up(program("two"));
  assert.deepEqual(stack.steps(), ["same a"]);
  assert.equal(stack.content("a.txt"), "one");
});

test("replaceOnChanges makes a replacement of an update", async (context) => {
  const stack = testStack(context);
  const program = (content: string) => () => {
    new File("a", { path: "a.txt", content }, { replaceOnChanges: ["content"] });
  };
  await stack.up(program("one"));
  await stack.up(program("two"));
  assert.deepEqual(stack.steps(), ["replace a", "delete-replaced a"]);
});

test("an output named in additionalSecretOutputs is encrypted", async (context) => {
  const stack = testStack(context);
  await stack.up(() => {
    new File("a", { path: "a.txt", content: "one" }, { additionalSecretOutputs: ["digest"] });
  });
  const a = stack.resources().find(({ urn }) => String(urn).endsWith("::a")) as {
    outputs: Record<string, Record<string, unknown>>;
  };
  assert.deepEqual(Object.keys(a.outputs.digest!).sort(), [SIGNATURE, "ciphertext"].sort());
});

test("an explicit provider is configured with its own inputs, and a change that replaces it replaces what it made", async (context) => {
  const stack = testStack(context);
  const program = (directory: string) => () => {
    const provider = new FileProvider("there", { directory: join(stack.root, directory) });
    new File("a", { path: "a.txt", content: "one" }, { provider });
  };
  await stack.up(program("x"));
  assert.equal(stack.content("x/a.txt"), "one");
  await stack.up(program("x"));
  assert.deepEqual(stack.steps(), ["same a"]);
  await stack.up(program("y"));
  assert.deepEqual(stack.errors(), []);
  assert.deepEqual([stack.content("x/a.txt"), stack.content("y/a.txt")], [undefined, "one"]);
});

test("a provider whose configuration is not known in the preview is not asked", async (context) => {
  const stack = testStack(context);
  const result = await stack.preview(() => {
    const host = new File("host", { path: "host.txt", content: "one" });
    const provider = new FileProvider("there", { directory: host.id });
    new File("a", { path: "a.txt", content: "one" }, { provider });
  });
  assert.deepEqual([result.succeeded, stack.errors()], [true, []]);
  assert.ok(stack.steps().includes("create a"));
});

test("hooks run before and after a step; a failing 'before' hook stops it", async (context) => {
  const stack = testStack(context);
  const order: string[] = [];
  const hook = (name: string, body: () => void = () => {}) =>
    new pulumi.ResourceHook(name, () => {
      order.push(name);
      body();
    });
  await stack.up(() => {
    new File(
      "a",
      { path: "a.txt", content: "one" },
      { hooks: { beforeCreate: [hook("before")], afterCreate: [hook("after")] } },
    );
  });
  assert.deepEqual([stack.errors(), order], [[], ["before", "after"]]);
  const failing = () => {
    new File("a", { path: "a.txt", content: "one" });
    new File(
      "b",
      { path: "b.txt", content: "one" },
      {
        hooks: {
          beforeCreate: [
            hook("refuse", () => {
              throw new Error("not today");
            }),
          ],
        },
      },
    );
  };
  const result = await stack.up(failing);
  assert.equal(result.succeeded, false);
  assert.match(stack.errors().join(), /not today/);
  assert.equal(stack.content("b.txt"), undefined);
});

test("import takes an existing object over, and .get reads one without owning it", async (context) => {
  const stack = testStack(context);
  mkdirSync(stack.root, { recursive: true });
  for (const name of ["mine.txt", "theirs.txt"]) writeFileSync(join(stack.root, name), "already here");
  const result = await stack.up(() => {
    new File("mine", { path: "mine.txt", content: "already here" }, { import: "mine.txt" });
    const theirs = new File("theirs", { path: "x", content: "x" }, { id: "theirs.txt" });
    return { digest: theirs.digest };
  });
  assert.deepEqual([stack.errors(), result.succeeded], [[], true]);
  assert.deepEqual(stack.calls, []);
  await stack.destroy();
  assert.deepEqual([stack.content("mine.txt"), stack.content("theirs.txt")], [undefined, "already here"]);
});

test("a delete hook that only the program has stops a destroy, with the way out", async (context) => {
  const stack = testStack(context);
  await stack.up(() => {
    const hook = new pulumi.ResourceHook("farewell", () => {});
    new File("a", { path: "a.txt", content: "one" }, { hooks: { beforeDelete: [hook] } });
  });
  const result = await stack.destroy();
  assert.equal(result.succeeded, false);
  assert.match(stack.errors().join(), /BeforeDelete hook 'farewell' is part of the program.*mailkeep up/);
  assert.equal(stack.content("a.txt"), "one");
  const removed = await stack.up(() => {
    new pulumi.ResourceHook("farewell", () => {});
  });
  assert.deepEqual([removed.succeeded, stack.content("a.txt")], [true, undefined]);
});

test("a resource that was only read is made when the program declares it as its own", async (context) => {
  const stack = testStack(context);
  mkdirSync(stack.root, { recursive: true });
  writeFileSync(join(stack.root, "theirs.txt"), "already here");
  await stack.up(() => {
    new File("a", { path: "x", content: "x" }, { id: "theirs.txt" });
  });
  await stack.up(() => {
    new File("a", { path: "mine.txt", content: "one" });
  });
  assert.deepEqual(
    [stack.errors(), stack.content("theirs.txt"), stack.content("mine.txt")],
    [[], "already here", "one"],
  );
});
