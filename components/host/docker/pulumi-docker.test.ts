/** A stack on Docker under the Pulumi CLI with the real docker plugin, where the CLI is installed: its whole life. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { root } from "../../../build/javascript.ts";
import { buildImage, openDocker } from "../../../test/support/docker.ts";

const cli = spawnSync("sh", ["-c", "command -v pulumi"], { encoding: "utf8" }).stdout.trim();
const skip = cli === "" ? "the Pulumi CLI is not on PATH" : false;
const project = mkdtempSync(join(tmpdir(), "pulumi-docker-"));
const container = `mailkeep-cli-${process.pid}`;
after(() => rmSync(project, { recursive: true, force: true }));

async function pulumi(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("pulumi", [...args, "--non-interactive"], {
    cwd: project,
    env: {
      ...process.env,
      // The CLI's language host runs `node` from PATH.
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      PULUMI_HOME: join(project, "home"),
      PULUMI_BACKEND_URL: `file://${project}`,
      PULUMI_CONFIG_PASSPHRASE: "correct horse",
      PULUMI_SKIP_UPDATE_CHECK: "true",
    },
    maxBuffer: 64 << 20,
  }).catch((error: { stdout: string; stderr: string }) => {
    throw new Error(`pulumi ${args.join(" ")} failed:\n${error.stdout}\n${error.stderr}`);
  });
  return stdout;
}

function declare(image: string, mailboxes: readonly string[]): void {
  // A plugin beside the CLI is taken; else the CLI fetches it.
  const docker = existsSync(join(dirname(cli), "pulumi-resource-docker"))
    ? [{ name: "docker", path: dirname(cli) }]
    : [];
  const providers = [{ name: "mailkeep", path: join(root, "components/provider") }, ...docker];
  const runtime = { name: "nodejs", options: { typescript: false } };
  const main = join(root, "index.ts");
  writeFileSync(
    join(project, "Pulumi.yaml"),
    stringify({ name: "mailkeep", main, runtime, plugins: { providers } }),
  );
  const mail = {
    domains: ["green.test"],
    mailboxes,
    host: {
      ...{ type: "docker", directory: join(project, "data/mail"), image: { reference: image } },
      ...{ container, publishOn: "127.0.0.1" },
    },
    server: { portBase: 23_000 + (process.pid % 2_000) },
  };
  const passwords = Object.fromEntries(mailboxes.map((address) => [address, "a long password"]));
  writeFileSync(
    join(project, "Pulumi.test.yaml"),
    stringify({ config: { "mailkeep:mail": mail, "mailkeep:passwords": passwords } }),
  );
}

test("a stack on Docker comes up, stands, changes without a new container, heals and goes", {
  skip,
}, async (t) => {
  const docker = await openDocker();
  if (typeof docker === "string") return t.skip(docker);
  t.after(async () => {
    await docker.ask(["rm", "--force", "--volumes", container]);
    await docker.ask(["network", "rm", container]);
    await docker.end();
  });
  if (docker.address !== "unix:///var/run/docker.sock")
    return t.skip("the stack's default engine is another one");
  const image = await buildImage(docker);
  declare(image, ["anna@green.test"]);
  await pulumi("stack", "init", "test");
  await pulumi("up", "--yes", "--skip-preview");
  await pulumi("preview", "--expect-no-changes");
  await pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes");
  const id = () => docker.do(["inspect", "--format", "{{.Id}}", container]);
  const first = await id();

  declare(image, ["anna@green.test", "ben@green.test"]);
  await pulumi("up", "--yes", "--skip-preview");
  assert.equal(await id(), first, "a mailbox is a file and a reload");

  await docker.do(["rm", "--force", container]);
  await assert.rejects(pulumi("up", "--yes", "--skip-preview"), /removed by hand.*pulumi refresh/s);
  await pulumi("up", "--yes", "--skip-preview", "--refresh");
  assert.notEqual(await id(), first);

  await pulumi("destroy", "--yes", "--skip-preview");
  assert.equal((await docker.ask(["inspect", container])).code, 1);
  assert.deepEqual(readdirSync(join(project, "data/mail")).sort(), ["config", "log", "mail", "state"]);
});
