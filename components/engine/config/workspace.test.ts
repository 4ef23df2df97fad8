import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { parse } from "yaml";
import { EngineError } from "../errors.ts";
import { Workspace } from "./workspace.ts";

const PROJECT = `name: post
main: index.ts
runtime: nodejs
config:
  post:mail:
    type: object
    description: structure
    default: {}
  post:count:
    type: integer
    default: 3
  post:passwords:
    type: object
    secret: true
`;

const TRACKED = `# what this stack is for
config:
  post:mail: # the structure
    domains:
      - example.org
    nested: {port: 25, on: true}
  post:count: "7"
`;

function project(context: TestContext, options: { file?: string; schema?: string } = {}): string {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-workspace-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, "Pulumi.yaml"), options.schema ?? PROJECT);
  writeFileSync(join(directory, "Pulumi.dev.yaml"), options.file ?? TRACKED);
  return directory;
}

const open = (directory: string, environment: Record<string, string> = {}) =>
  new Workspace({ directory, stack: "dev", environment });

const isConfigError = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof EngineError && error.code === "config", String(error));
  assert.match(error.message, pattern);
  return true;
};

test("a secret under the checkout's own passphrase stays in the checkout, and the program gets it", async (context) => {
  const directory = project(context);
  const file = await open(directory).set("post:passwords", ["anna@example.org"], "hunter2-hunter2", {
    secret: true,
  });
  assert.equal(file, join(directory, ".mailkeep", "Pulumi.dev.yaml"));
  assert.equal(readFileSync(join(directory, "Pulumi.dev.yaml"), "utf8"), TRACKED);
  assert.ok(!readFileSync(file, "utf8").includes("hunter2"));
  assert.equal(statSync(join(directory, ".mailkeep", "passphrase")).mode & 0o777, 0o600);
  const { config, secretKeys } = await open(directory).config();
  assert.deepEqual(JSON.parse(config["post:passwords"]!), { "anna@example.org": "hunter2-hunter2" });
  assert.deepEqual(secretKeys, ["post:passwords"]);
  assert.deepEqual(JSON.parse(config["post:mail"]!), {
    domains: ["example.org"],
    nested: { port: 25, on: true },
  });
  assert.equal(config["post:count"], "7");
});

test("a secret under a passphrase from the environment goes to the tracked file, with its salt and the comments kept", async (context) => {
  const directory = project(context);
  const environment = { PULUMI_CONFIG_PASSPHRASE: "shared by the team" };
  await open(directory, environment).set("post:passwords", ["anna@example.org"], "hunter2-hunter2", {
    secret: true,
  });
  const text = readFileSync(join(directory, "Pulumi.dev.yaml"), "utf8");
  assert.ok(text.startsWith("# what this stack is for\n") && text.includes("# the structure"));
  const file = parse(text);
  assert.match(file.encryptionsalt, /^v1:[^:]+:v1:[^:]+:[^:]+$/);
  assert.match(file.config["post:passwords"]["anna@example.org"].secure, /^v1:/);
  assert.equal(existsSync(join(directory, ".mailkeep", "passphrase")), false);
  const { config } = await open(directory, environment).config();
  assert.deepEqual(JSON.parse(config["post:passwords"]!), { "anna@example.org": "hunter2-hunter2" });
  await assert.rejects(
    open(directory, { PULUMI_CONFIG_PASSPHRASE: "another" }).config(),
    (error) => error instanceof EngineError && error.code === "wrong-passphrase",
  );
  await assert.rejects(
    open(directory).config(),
    (error) => error instanceof EngineError && error.code === "no-passphrase",
  );
});

test("a passphrase file serves as PULUMI_CONFIG_PASSPHRASE_FILE says, without its line end", async (context) => {
  const directory = project(context);
  writeFileSync(join(directory, "phrase"), "from a file\n");
  await open(directory, { PULUMI_CONFIG_PASSPHRASE: "from a file" }).set("post:passwords", [], "x", {
    secret: true,
  });
  const { config } = await open(directory, { PULUMI_CONFIG_PASSPHRASE_FILE: join(directory, "phrase") })
    .config()
    .catch((error) => error);
  // A text is no object: the schema says so, after the passphrase opened it.
  assert.equal(config, undefined);
});

test("plain values are set in the tracked file, one place in them too, and removed again", async (context) => {
  const directory = project(context);
  await open(directory).set("post:mail", ["nested", "port"], 2525, { secret: false });
  await open(directory).set("post:mail", ["domains", 1], "example.net", { secret: false });
  const file = join(directory, "Pulumi.dev.yaml");
  assert.deepEqual(parse(readFileSync(file, "utf8")).config["post:mail"], {
    domains: ["example.org", "example.net"],
    nested: { port: 2525, on: true },
  });
  assert.equal(await open(directory).remove("post:mail", ["nested", "on"]), file);
  assert.equal(await open(directory).remove("post:mail", ["nested", "on"]), undefined);
});

test("a missing value, a wrong type and a secret in plain are named", async (context) => {
  await assert.rejects(
    open(project(context)).config(),
    isConfigError(/'dev' has no value for 'post:passwords'/),
  );
  const wrong = TRACKED.replace('"7"', "many");
  await assert.rejects(
    open(project(context, { file: wrong })).config(),
    isConfigError(/'post:count' must be of type integer/),
  );
  const plain = `${TRACKED}  post:passwords:\n    anna@example.org: plain\n`;
  await assert.rejects(
    open(project(context, { file: plain })).config(),
    isConfigError(/'post:passwords' must be secret/),
  );
});

test("a mistake in the file is told with its place", async (context) => {
  assert.throws(
    () => open(project(context, { file: "config:\n  a: [1,\n" })),
    isConfigError(/Pulumi\.dev\.yaml: .*line/),
  );
  assert.throws(
    () => open(project(context, { schema: "runtime: nodejs\n" })),
    isConfigError(/gives the project no name/),
  );
  assert.throws(() => new Workspace({ directory: tmpdir(), stack: "dev" }), isConfigError(/no Pulumi\.yaml/));
  assert.throws(
    () => new Workspace({ directory: project(context), stack: "../x" }),
    isConfigError(/no stack name/),
  );
});

test("the environment file points the CLI at the same state, passphrase and configuration", async (context) => {
  const directory = project(context);
  const workspace = open(directory);
  await workspace.set("post:passwords", ["a"], "hunter2-hunter2", { secret: true });
  const environment = workspace.cliEnvironment();
  assert.deepEqual(environment, {
    PULUMI_BACKEND_URL: `file://${join(directory, ".mailkeep")}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: join(directory, ".mailkeep", "passphrase"),
    PULUMI_STACK: "dev",
    PULUMI_OPTION_CONFIG_FILE: join(directory, ".mailkeep", "Pulumi.dev.yaml"),
  });
  const text = readFileSync(join(directory, ".mailkeep", "env"), "utf8");
  for (const [name, value] of Object.entries(environment))
    assert.ok(text.includes(`export ${name}='${value}'\n`));
  const merged = parse(readFileSync(environment.PULUMI_OPTION_CONFIG_FILE!, "utf8"));
  assert.deepEqual(Object.keys(merged.config).sort(), ["post:count", "post:mail", "post:passwords"]);
  assert.match(merged.encryptionsalt, /^v1:/);
});

test("a value removed from the tracked file is gone for the CLI too", async (context) => {
  const directory = project(context);
  await open(directory).set("post:passwords", ["a"], "hunter2-hunter2", { secret: true });
  writeFileSync(join(directory, "Pulumi.dev.yaml"), "config: {}\n");
  await open(directory).writeLocalFiles();
  const merged = parse(readFileSync(join(directory, ".mailkeep", "Pulumi.dev.yaml"), "utf8"));
  assert.deepEqual(Object.keys(merged.config), ["post:passwords"]);
});

test("the backend is .mailkeep, or the directory PULUMI_BACKEND_URL names; another kind is refused", (context) => {
  const directory = project(context);
  assert.equal(open(directory).files.backend, join(directory, ".mailkeep"));
  mkdirSync(join(directory, "elsewhere"));
  const url = `file://${join(directory, "elsewhere")}`;
  assert.equal(open(directory, { PULUMI_BACKEND_URL: url }).files.backend, join(directory, "elsewhere"));
  assert.throws(
    () => open(directory, { PULUMI_BACKEND_URL: "s3://bucket" }),
    (error) =>
      error instanceof EngineError && error.code === "unsupported" && /--engine pulumi/.test(error.message),
  );
});
