import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { LockHeld, withLock } from "./lock.ts";

const module = new URL("./lock.ts", import.meta.url).href;
let root: string;
let folder: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "lock-"));
  folder = join(root, "lock");
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A process that runs a script with the lock's module as `lock`. */
function process_(script: string) {
  const source = `import * as lock from ${JSON.stringify(module)}; import fs from "node:fs/promises"; const folder=${JSON.stringify(folder)}, root=${JSON.stringify(root)};\n${script}`;
  return spawn(process.execPath, ["--input-type=module", "-e", source], {
    stdio: ["pipe", "pipe", "inherit"],
  });
}

test("Within a process, callers hold the lock one after the other, in the order they asked", async () => {
  const order: string[] = [];
  const take = (name: string) =>
    withLock(folder, async () => {
      order.push(`${name} in`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      order.push(`${name} out`);
    });
  await Promise.all([take("a"), take("b"), take("c")]);
  assert.deepEqual(order, ["a in", "a out", "b in", "b out", "c in", "c out"]);
});

test("Between processes, no increment of a shared counter is lost", async () => {
  await writeFile(join(root, "counter"), "0");
  const script = `for (let i = 0; i < 15; i++) await lock.withLock(folder, async () => {
    const n = Number(await fs.readFile(root + "/counter", "utf8"));
    await new Promise((r) => setImmediate(r));
    await fs.writeFile(root + "/counter", String(n + 1));
  });`;
  const children = Array.from({ length: 4 }, () => process_(script));
  const codes = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0] as number));
  assert.deepEqual(codes, [0, 0, 0, 0]);
  assert.equal(await readFile(join(root, "counter"), "utf8"), "60");
});

test("The lock of a process that was killed is taken over, and that of a living one is waited for", async () => {
  const child = process_(
    `await lock.withLock(folder, async () => { console.log("held"); await new Promise((r) => setTimeout(r, 60000)); });`,
  );
  await once(child.stdout!, "data");
  await assert.rejects(
    withLock(folder, async () => "never", 100),
    (error: Error) => error instanceof LockHeld && error.message.includes(String(child.pid)),
  );
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal(await withLock(folder, async () => "taken", 5000), "taken");
});

test("A holder whose process id is somebody else's by now, a torn file and an old one of another container are stale", async () => {
  await mkdir(folder, { recursive: true });
  const world = async () => {
    let record = "";
    await withLock(folder, async () => {
      record = await readFile(
        join(folder, (await readdir(folder)).sort((a, b) => Number(b) - Number(a))[0]!),
        "utf8",
      );
    });
    return JSON.parse(record) as { pid: number; startedAt: string; world: string };
  };
  const me = await world();
  await writeFile(join(folder, "100"), JSON.stringify({ ...me, startedAt: "1" }));
  assert.equal(await withLock(folder, async () => 1, 1000), 1);
  await writeFile(join(folder, "200"), '{"pid":');
  assert.equal(await withLock(folder, async () => 2, 1000), 2);
  await writeFile(join(folder, "300"), JSON.stringify({ ...me, world: "another" }));
  await assert.rejects(
    withLock(folder, async () => 3, 100),
    LockHeld,
  );
  const old = new Date(Date.now() - 120_000);
  await utimes(join(folder, "300"), old, old);
  assert.equal(await withLock(folder, async () => 3, 1000), 3);
});

test("An error of the work is passed on and the lock is free again, with one file left", async () => {
  await assert.rejects(
    withLock(folder, async () => {
      throw new Error("mine");
    }),
    /mine/,
  );
  assert.equal(await withLock(folder, async () => "free", 100), "free");
  assert.equal((await readdir(folder)).length, 1);
});
