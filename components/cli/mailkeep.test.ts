import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { after, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { findPulumi } from "./pulumi-cli.ts";

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
const LAUNCHER = join(REPOSITORY, "components", "cli", "mailkeep.js");
const CACHE = mkdtempSync(join(tmpdir(), "mailkeep-compile-cache-"));
after(() => rmSync(CACHE, { recursive: true, force: true }));

const SECRET = "Tr0ub4dor&3-hunter2";

/** A program without resources: what it declares are its outputs. */
const PROGRAM = `import * as pulumi from "@pulumi/pulumi";
const config = new pulumi.Config("post");
export const greeting: pulumi.Output<string> = pulumi.output(\`hello \${config.require("name")}\`);
export const password = config.getSecret("password");
`;

function project(context: TestContext, stackFile = "config:\n  post:name: world\n"): string {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-cli-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  symlinkSync(join(REPOSITORY, "node_modules"), join(directory, "node_modules"));
  const runtime = "main: index.ts\nruntime:\n  name: nodejs\n  options:\n    typescript: false\n";
  writeFileSync(join(directory, "Pulumi.yaml"), `name: post\n${runtime}`);
  writeFileSync(join(directory, "package.json"), '{"name":"post","type":"module","main":"index.ts"}');
  writeFileSync(join(directory, "Pulumi.dev.yaml"), stackFile);
  writeFileSync(join(directory, "index.ts"), PROGRAM);
  return directory;
}

interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

function run(
  command: string,
  argv: string[],
  directory: string,
  environment: Record<string, string> = {},
  input = "",
): Promise<Ran> {
  const {
    CI: _ci,
    PULUMI_STACK: _stack,
    PULUMI_BACKEND_URL: _backend,
    PULUMI_CONFIG_PASSPHRASE: _phrase,
    ...inherited
  } = process.env;
  const child = spawn(command, argv, {
    cwd: directory,
    env: { ...inherited, NODE_COMPILE_CACHE: CACHE, ...environment },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  child.stdin.end(input);
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

const mailkeep = (directory: string, argv: string[], environment?: Record<string, string>, input?: string) =>
  run(process.execPath, [LAUNCHER, ...argv], directory, environment, input);

test("from the first up to a change: exit codes 0, 2 for a pending change, and no secret anywhere", async (context) => {
  const directory = project(context);
  const set = await mailkeep(directory, ["config", "set", "--secret", "password"], {}, `${SECRET}\n`);
  assert.deepEqual([set.code, set.stdout], [0, ""], set.stderr);

  const first = await mailkeep(directory, ["up", "--yes", "--json"]);
  assert.equal(first.code, 0, first.stderr);
  const summary = JSON.parse(first.stdout.trimEnd().split("\n").at(-1)!);
  assert.deepEqual([summary.succeeded, summary.changed, summary.counts], [true, true, { create: 1 }]);
  assert.deepEqual(summary.outputs, { greeting: "hello world", password: "[secret]" });

  const unchanged = await mailkeep(directory, ["preview", "--expect-no-changes"]);
  assert.deepEqual(
    [unchanged.code, /^Nothing to do: 1 unchanged/.test(unchanged.stdout)],
    [0, true],
    unchanged.stderr,
  );

  const outputs = await mailkeep(directory, ["outputs", "--json"]);
  assert.deepEqual(JSON.parse(outputs.stdout), { greeting: "hello world", password: "[secret]" });
  const shown = await mailkeep(directory, ["outputs", "password", "--show-secrets"]);
  assert.equal(shown.stdout, `${SECRET}\n`);

  const files = readdirSync(join(directory, ".mailkeep"), { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile(),
  );
  assert.ok(files.length > 4);
  for (const entry of files)
    assert.ok(!readFileSync(join(entry.parentPath, entry.name), "utf8").includes(SECRET), entry.name);
  assert.equal(readFileSync(join(directory, "Pulumi.dev.yaml"), "utf8"), "config:\n  post:name: world\n");
});

test("what is wrong is one sentence on standard error, and exit code 1", async (context) => {
  const directory = project(context);
  assert.equal((await mailkeep(directory, ["up", "--yes"])).code, 0);
  const cases: [string[], Record<string, string>, RegExp][] = [
    [
      ["up"],
      { PULUMI_CONFIG_PASSPHRASE: "wrong" },
      /the passphrase does not open the secrets of stack 'dev'/,
    ],
    [["upp"], {}, /unknown command 'upp'; did you mean 'up'\?/],
    [["outputs", "--stack", "none"], {}, /there is no stack 'none'/],
    [["destroy"], {}, /add --yes to do it without asking/],
    [
      ["preview", "--engine", "pulumi"],
      { PATH: dirname(process.execPath), PULUMI_HOME: directory, HOME: directory },
      /needs the Pulumi CLI.*Install it/,
    ],
  ];
  for (const [argv, environment, expected] of cases) {
    const { code, stderr } = await mailkeep(directory, argv, environment);
    assert.equal(code, 1, argv.join(" "));
    assert.match(stderr, expected);
    assert.ok(!stderr.includes("    at "), `no stack trace: ${stderr}`);
  }
  truncateSync(join(directory, ".mailkeep", ".pulumi", "stacks", "post", "dev.json"), 100);
  const damaged = await mailkeep(directory, ["up", "--yes"]);
  assert.equal(damaged.code, 1);
  assert.match(damaged.stderr, /cannot be used.*Nothing was written.*dev\.json\.bak/);
});

test("cancel removes the lock a dead process left, and says whose it was", async (context) => {
  const directory = project(context);
  const locks = join(directory, ".mailkeep", ".pulumi", "locks", "organization", "post", "dev");
  mkdirSync(locks, { recursive: true });
  const holder = {
    pid: 4_194_303,
    username: "anna",
    hostname: hostname(),
    timestamp: new Date().toISOString(),
  };
  writeFileSync(join(locks, "1.json"), JSON.stringify(holder));
  const cancelled = await mailkeep(directory, ["cancel"]);
  assert.deepEqual([cancelled.code, readdirSync(locks)], [0, []], cancelled.stderr);
  assert.match(cancelled.stdout, /Removed the lock of pid 4194303 of anna on /);
  assert.match((await mailkeep(directory, ["cancel"])).stdout, /Nothing holds stack 'dev'/);
});

test("the Pulumi CLI says 'unchanged' on the same stack, and mailkeep after it", {
  skip: pulumiMissing(),
}, async (context) => {
  const directory = project(context);
  await mailkeep(directory, ["config", "set", "--secret", "password"], {}, SECRET);
  assert.equal((await mailkeep(directory, ["up", "--yes"])).code, 0);
  const pulumi = (argv: string) =>
    run("sh", ["-c", `. .mailkeep/env && pulumi ${argv}`], directory, { PULUMI_SKIP_UPDATE_CHECK: "1" });
  const preview = await pulumi("preview --expect-no-changes --non-interactive");
  assert.equal(preview.code, 0, preview.stdout + preview.stderr);
  const up = await pulumi("up --yes --skip-preview --non-interactive");
  assert.equal(up.code, 0, up.stdout + up.stderr);
  assert.equal((await mailkeep(directory, ["preview", "--expect-no-changes"])).code, 0);
  assert.equal(readFileSync(join(directory, "Pulumi.dev.yaml"), "utf8"), "config:\n  post:name: world\n");
});

test("where no Pulumi CLI is, the state still has the documented layout of its file backend", async (context) => {
  const directory = project(context);
  assert.equal((await mailkeep(directory, ["up", "--yes"])).code, 0);
  const backend = join(directory, ".mailkeep", ".pulumi");
  assert.equal(readFileSync(join(backend, "meta.yaml"), "utf8"), "version: 1\n");
  const file = JSON.parse(readFileSync(join(backend, "stacks", "post", "dev.json"), "utf8"));
  assert.deepEqual([file.version, file.checkpoint.stack], [3, "organization/post/dev"]);
  const { manifest, secrets_providers: manager, resources } = file.checkpoint.latest;
  assert.match(manifest.magic, /^[0-9a-f]{64}$/);
  assert.equal(manager.type, "passphrase");
  assert.deepEqual(
    resources.map(({ urn, type, custom }: Record<string, unknown>) => ({ urn, type, custom })),
    [
      {
        urn: "urn:pulumi:dev::post::pulumi:pulumi:Stack::post-dev",
        type: "pulumi:pulumi:Stack",
        custom: false,
      },
    ],
  );
  assert.ok(
    existsSync(join(backend, "backups", "post", "dev")) &&
      existsSync(join(backend, "history", "post", "dev")),
  );
  assert.deepEqual(readdirSync(join(backend, "locks", "organization", "post", "dev")), []);
});

function pulumiMissing(): string | false {
  return findPulumi() === undefined ? "the Pulumi CLI is not installed" : false;
}
