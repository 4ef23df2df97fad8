import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { type TestContext } from "node:test";
import { findPulumi, runPulumi } from "./pulumi-cli.ts";

function home(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-pulumi-home-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function executable(path: string, text = "#!/bin/sh\n"): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

test("the CLI is found on PATH first, then where its installers put it, the newest version first", (context) => {
  const directory = home(context);
  const environment = { PATH: join(directory, "bin"), HOME: directory };
  assert.equal(findPulumi(environment), undefined);
  const older = executable(join(directory, ".pulumi", "versions", "3.99.0", "bin", "pulumi"));
  assert.equal(findPulumi(environment), older);
  const newer = executable(join(directory, ".pulumi", "versions", "3.265.0", "bin", "pulumi"));
  assert.equal(findPulumi(environment), newer);
  const installed = executable(join(directory, ".pulumi", "bin", "pulumi"));
  assert.equal(findPulumi(environment), installed);
  const onPath = executable(join(directory, "bin", "pulumi"));
  assert.equal(findPulumi(environment), onPath);
});

test("its exit code is handed on", async (context) => {
  const directory = home(context);
  executable(
    join(directory, "bin", "pulumi"),
    '#!/bin/sh\ntest "$1 $2 $FOO" = "up --yes bar" && exit 7\nexit 1\n'.replaceAll("\\\n", "\n"),
  );
  const environment = { PATH: `${join(directory, "bin")}:/bin:/usr/bin`, FOO: "bar" };
  assert.equal(await runPulumi(["up", "--yes"], environment, directory), 7);
});
