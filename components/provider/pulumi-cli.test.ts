/** The program and the plugin under the Pulumi CLI, where it is installed: the whole life of a stack. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parseDocument } from "yaml";

const found = spawnSync("pulumi", ["version"], { encoding: "utf8" });
const skip = found.error ? "the Pulumi CLI is not on PATH" : false;

const repository = fileURLToPath(new URL("../../", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "pulumi-cli-"));
const environment = {
  ...process.env,
  // The CLI's language host runs `node` from PATH.
  PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
  PULUMI_HOME: join(project, "home"),
  PULUMI_BACKEND_URL: `file://${project}`,
  PULUMI_CONFIG_PASSPHRASE: "correct horse",
  PULUMI_SKIP_UPDATE_CHECK: "true",
};

async function pulumi(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("pulumi", [...args, "--non-interactive"], {
    cwd: project,
    env: environment,
    maxBuffer: 64 << 20,
  }).catch((error: { stdout: string; stderr: string }) => {
    throw new Error(`pulumi ${args.join(" ")} failed:\n${error.stdout}\n${error.stderr}`);
  });
  return stdout;
}

/** Counts of the operations of a preview, by kind. */
async function preview(): Promise<Record<string, number>> {
  const { changeSummary } = JSON.parse(await pulumi("preview", "--json")) as {
    changeSummary: Record<string, number>;
  };
  return changeSummary;
}

function declare(mailboxes: string[], portBase: number): void {
  const config = parseDocument("{}");
  const mail = { domains: ["green.test", "blue.test"], mailboxes, server: { portBase } };
  config.setIn(["config", "mailkeep:mail"], mail);
  const salt = /^encryptionsalt: .*$/m.exec(readConfig())?.[0] ?? "";
  writeFileSync(join(project, "Pulumi.dev.yaml"), `${config.toString()}${salt}\n`);
}

function readConfig(): string {
  try {
    return readFileSync(join(project, "Pulumi.dev.yaml"), "utf8");
  } catch {
    return "";
  }
}

/** A base under which every port of the stack is free. */
async function freeBase(): Promise<number> {
  for (let base = 2_000; base < 30_000; base += 1_000) {
    const standard = [25, 53, 143, 465, 587, 993];
    if ((await Promise.all(standard.map((port) => isFree(base + port)))).every(Boolean)) return base;
  }
  throw new Error("there are no free ports for a stack");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().on("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

let base: number;
before(async () => {
  if (skip) return;
  // Copies: the server's version is the fingerprint of its files, which somebody may be working on.
  for (const name of ["index.ts", "package.json", "Pulumi.yaml", "components", "mailserver-runtime"])
    cpSync(join(repository, name), join(project, name), { recursive: true });
  symlinkSync(join(repository, "node_modules"), join(project, "node_modules"));
  base = await freeBase();
  await pulumi("stack", "init", "dev");
});

after(async () => {
  if (!skip) await pulumi("destroy", "--yes", "--skip-preview").catch(() => undefined);
  rmSync(project, { recursive: true, force: true });
});

test("up makes the stack, and then preview and refresh find nothing to change", { skip }, async () => {
  declare(["anna@green.test", "ben@blue.test"], base);
  assert.deepEqual(Object.keys(await preview()), ["create"]);
  await pulumi("up", "--yes", "--skip-preview");
  assert.deepEqual(Object.keys(await preview()), ["same"]);
  await pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes");
});

test("one more mailbox is one more resource and nothing else, and one less is one less", {
  skip,
}, async () => {
  declare(["anna@green.test", "ben@blue.test", "cleo@green.test"], base);
  const { same, ...changes } = await preview();
  assert.ok(same);
  assert.deepEqual(changes, { create: 1 });
  await pulumi("up", "--yes", "--skip-preview");
  declare(["anna@green.test", "ben@blue.test"], base);
  const { same: _, ...less } = await preview();
  assert.deepEqual(less, { delete: 1 });
});

test("a server that was killed is a change of one line", { skip }, async () => {
  await pulumi("up", "--yes", "--skip-preview");
  const declared = join(project, ".mailkeep", "dev", "run", "declared.json");
  process.kill((JSON.parse(readFileSync(declared, "utf8")) as { pid: number }).pid, "SIGKILL");
  const { same, ...changes } = await preview();
  assert.ok(same);
  assert.deepEqual(changes, { update: 1 });
  assert.match(await pulumi("preview", "--diff"), /\+ running: true/);
});

test("no state file holds a password or a private key", { skip }, () => {
  const { passwords } = JSON.parse(
    readFileSync(join(project, ".mailkeep", "dev", "secrets.json"), "utf8"),
  ) as {
    passwords: Record<string, string>;
  };
  const state = join(project, ".pulumi");
  for (const file of readdirSync(state, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const text = readFileSync(join(file.parentPath, file.name), "latin1");
    assert.ok(!text.includes("PRIVATE KEY"), file.name);
    for (const password of Object.values(passwords)) assert.ok(!text.includes(password), file.name);
  }
});

test("destroy ends everything and leaves the mail where it is", { skip }, async () => {
  await pulumi("destroy", "--yes", "--skip-preview");
  assert.ok(readdirSync(join(project, ".mailkeep", "dev")).includes("mail"));
  assert.deepEqual(Object.keys(await preview()), ["create"]);
});
