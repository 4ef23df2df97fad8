import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { readIfPresent, removeDurably, UNFINISHED, writeDurably } from "./durable-file.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "durable-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

test("A new file gets the mode asked for, an existing one keeps its own, and nothing is left beside it", async () => {
  const path = join(root, "a/b/file");
  await writeDurably(path, "one", 0o640);
  assert.equal((await stat(path)).mode & 0o777, 0o640);
  await chmod(path, 0o604);
  await writeDurably(path, "two", 0o600);
  assert.equal((await stat(path)).mode & 0o777, 0o604);
  assert.equal(await readFile(path, "utf8"), "two");
  assert.deepEqual(await readdir(join(root, "a/b")), ["file"]);
});

test("A write that fails leaves the file as it was and no unfinished one", async () => {
  const path = join(root, "directory");
  await writeDurably(join(path, "inside"), "x");
  await assert.rejects(writeDurably(path, "text"));
  assert.equal(await readFile(join(path, "inside"), "utf8"), "x");
  assert.deepEqual(await readdir(root), ["directory"]);
});

test("Removing says whether there was a file, and reading a missing one is undefined", async () => {
  await writeFile(join(root, "x"), "");
  assert.equal(await removeDurably(join(root, "x")), true);
  assert.equal(await removeDurably(join(root, "x")), false);
  assert.equal(await readIfPresent(join(root, "x")), undefined);
});

test("A file that is rewritten while its writer is killed again and again is whole at every moment", async () => {
  const path = join(root, "file");
  const whole = /^(\d+)-{20000}\1$/;
  await writeDurably(path, `0${"-".repeat(20_000)}0`);
  const module = new URL("./durable-file.ts", import.meta.url).href;
  const script = `import { writeDurably } from ${JSON.stringify(module)};
    process.stdout.write("go"); for (let n = 1; ; n++) await writeDurably(${JSON.stringify(path)}, n + "-".repeat(20000) + n);`;
  for (let round = 0; round < 6; round++) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, 7 * round));
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.match(await readFile(path, "utf8"), whole);
  }
  for (const name of await readdir(root)) assert.ok(name === "file" || name.startsWith(UNFINISHED), name);
});
