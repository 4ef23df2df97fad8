/**
 * Publishing under the Pulumi CLI, where it is installed: the unmodified program at the emulator of Cloudflare's API, by the
 * real cloudflare plugin where that is installed too, and by its double where it is not.
 */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { parse, parseDocument, stringify } from "yaml";
import { CloudflareEmulator } from "../support/cloudflare/emulator.ts";

const skip = spawnSync("pulumi", ["version"]).error ? "the Pulumi CLI is not on PATH" : false;
const repository = join(import.meta.dirname, "../..");
const TOKEN = "emulated-token-with-all-rights-0123456789";
const project = mkdtempSync(join(tmpdir(), "pulumi-dns-"));
const environment = {
  ...process.env,
  PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
  PULUMI_BACKEND_URL: `file://${project}`,
  PULUMI_CONFIG_PASSPHRASE: "correct horse",
  PULUMI_SKIP_UPDATE_CHECK: "true",
};

/** Runs the CLI; a non-zero code is a result. */
async function pulumi(...args: string[]): Promise<{ ok: boolean; text: string }> {
  const options = { cwd: project, env: environment, maxBuffer: 64 << 20 };
  return promisify(execFile)("pulumi", [...args, "--non-interactive"], options).then(
    ({ stdout, stderr }) => ({ ok: true, text: stdout + stderr }),
    (error: { stdout: string; stderr: string }) => ({ ok: false, text: error.stdout + error.stderr }),
  );
}

async function done(...args: string[]): Promise<string> {
  const { ok, text } = await pulumi(...args);
  assert.ok(ok, `pulumi ${args.join(" ")} failed:\n${text}`);
  return text;
}

async function preview(): Promise<Record<string, number>> {
  const text = await done("preview", "--json", "--suppress-outputs");
  return (
    JSON.parse(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1)) as {
      changeSummary: Record<string, number>;
    }
  ).changeSummary;
}

function configure(mail: object): void {
  const before = parseDocument(readFileSync(join(project, "Pulumi.dev.yaml"), "utf8"));
  before.setIn(["config", "mailkeep:mail"], mail);
  writeFileSync(join(project, "Pulumi.dev.yaml"), before.toString());
}

async function freeBase(): Promise<number> {
  const free = (port: number) =>
    new Promise<boolean>((resolve) => {
      const server = createServer().on("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
  for (let base = 3_000; ; base += 1_100)
    if ((await Promise.all([25, 53, 143, 465, 587, 993].map((port) => free(base + port)))).every(Boolean))
      return base;
}

let emulator: CloudflareEmulator;
let mail: { domains: unknown[]; dns: Record<string, unknown>; [key: string]: unknown };
before(async () => {
  if (skip) return;
  emulator = await CloudflareEmulator.start({
    zones: [{ name: "green.test", dnssec: "active" }],
    tokens: { [TOKEN]: ["zone:read", "dns:read", "dns:edit"] },
    perPage: 7,
  });
  for (const name of ["index.ts", "package.json", "build", "components", "mailserver-runtime", "test"])
    cpSync(join(repository, name), join(project, name), { recursive: true });
  symlinkSync(join(repository, "node_modules"), join(project, "node_modules"));
  const settings = parse(readFileSync(join(repository, "Pulumi.yaml"), "utf8")) as {
    plugins: { providers: { name: string; path: string }[] };
  };
  const installed = spawnSync("pulumi", ["plugin", "ls", "--json"], {
    encoding: "utf8",
    env: environment,
  }).stdout;
  if (!/"name": "cloudflare"/.test(installed))
    settings.plugins.providers.push({ name: "cloudflare", path: "./test/support/cloudflare/plugin" });
  writeFileSync(join(project, "Pulumi.yaml"), stringify(settings));
  await done("stack", "init", "dev");
  await done("config", "set", "--secret", "--path", "mailkeep:tokens.cloudflare", TOKEN);
  mail = {
    domains: ["green.test"],
    mailboxes: ["anna@green.test"],
    host: { type: "local" },
    addresses: { ipv4: ["192.0.2.1"] },
    dns: { type: "cloudflare", baseUrl: emulator.baseUrl },
    server: { portBase: await freeBase() },
  };
  configure(mail);
});
after(async () => {
  if (!skip) {
    await pulumi("destroy", "--yes", "--skip-preview");
    await emulator.close();
  }
  rmSync(project, { recursive: true, force: true, maxRetries: 5 });
});

test("a foreign record stops the preview in one sentence; adopted, it is imported by its id and becomes ours", {
  skip,
}, async () => {
  const spf = await emulator.enter("green.test", {
    type: "TXT",
    name: "green.test",
    content: '"v=spf1 include:_spf.other.example ~all"',
    ttl: 300,
  });
  const refused = await pulumi("preview");
  assert.equal(refused.ok, false);
  const told = refused.text.slice(refused.text.indexOf("Diagnostics:"));
  assert.equal(told.match(/contradict what it would publish/g)?.length, 1, refused.text);
  assert.ok(!/error serializing property|at file:|\.ts:\d+/.test(refused.text), refused.text);
  configure({
    ...mail,
    domains: [{ name: "green.test", spf: { existing: "v=spf1 include:_spf.other.example ~all" } }],
    dns: { ...mail.dns, adopt: [spf.id] },
  });
  const shown = await done("preview");
  assert.match(shown, /import/);
  assert.ok(!/will fail/.test(shown), shown);
  await done("up", "--yes", "--skip-preview");
  const now = emulator.records("green.test").find(({ id }) => id === spf.id);
  assert.equal(now?.content, '"v=spf1 ip4:192.0.2.1 include:_spf.other.example ~all"');
  assert.equal(now?.comment, "mailkeep:mailkeep/dev");
  assert.deepEqual(Object.keys(await preview()), ["same"]);
});

test("up, preview and refresh agree; a change is that one record; the list of adopted may go", {
  skip,
}, async () => {
  configure({
    ...mail,
    domains: [
      {
        name: "green.test",
        dmarc: { policy: "quarantine" },
        spf: { existing: "v=spf1 include:_spf.other.example ~all" },
      },
    ],
  });
  const { same, ...changes } = await preview();
  assert.ok(same);
  assert.deepEqual(changes, { update: 1, delete: 1 }, "DMARC, and what stood for the adoption");
  await done("up", "--yes", "--skip-preview");
  assert.deepEqual(Object.keys(await preview()), ["same"]);
  await done("refresh", "--yes", "--skip-preview", "--expect-no-changes");
});

test("a record that an interrupted run left is made room for", { skip }, async () => {
  const mx = emulator.records("green.test").find(({ type }) => type === "MX")!;
  await emulator.lose("green.test", ({ type }) => type === "MX");
  await done("refresh", "--yes", "--skip-preview");
  await emulator.enter("green.test", { ...mx });
  await done("up", "--yes", "--skip-preview");
  assert.equal(emulator.records("green.test").filter(({ type }) => type === "MX").length, 1);
});

test("no state file and no log holds the token", { skip }, async () => {
  const state = join(project, ".pulumi");
  for (const file of readdirSync(state, { recursive: true, withFileTypes: true }))
    if (file.isFile())
      assert.ok(!readFileSync(join(file.parentPath, file.name), "latin1").includes(TOKEN), file.name);
});

test("destroy takes the stack's records away", { skip }, async () => {
  await done("destroy", "--yes", "--skip-preview");
  assert.deepEqual(emulator.records("green.test"), []);
});
