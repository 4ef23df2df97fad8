import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { EngineError } from "../errors.ts";
import { File, testStack } from "../testing/stack.ts";
import { findLocks, takeLock } from "./lock.ts";

function directory(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "mailkeep-lock-"));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return join(path, "locks");
}

/** A lock as another process writes it. */
function foreignLock(path: string, holder: { pid: number; hostname?: string; timestamp?: string }): string {
  mkdirSync(path, { recursive: true });
  const file = join(path, "0c5a2fd8-0000-4000-8000-000000000000.json");
  const content = { username: "anna", hostname: hostname(), timestamp: new Date().toISOString(), ...holder };
  writeFileSync(file, JSON.stringify(content));
  return file;
}

const isLocked = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof EngineError && error.code === "locked");
  assert.match(error.message, pattern);
  return true;
};

/** A process number that nobody has: the largest the kernel gives. */
const DEAD_PID = 4_194_303;

test("a lock is Pulumi's: a JSON file with pid, username, hostname and timestamp, gone after release", async (context) => {
  const path = directory(context);
  const lock = await takeLock(path, "dev");
  const [name] = readdirSync(path);
  assert.match(name!, /^[0-9a-f-]{36}\.json$/);
  const content = JSON.parse(readFileSync(join(path, name!), "utf8"));
  assert.deepEqual(Object.keys(content), ["pid", "username", "hostname", "timestamp"]);
  assert.deepEqual(
    [content.pid, content.username, content.hostname],
    [process.pid, userInfo().username, hostname()],
  );
  await lock.release();
  assert.deepEqual(await findLocks(path), []);
});

test("who finds the stack locked is told by whom, where, since when, and what to do", async (context) => {
  const path = directory(context);
  foreignLock(path, { pid: process.ppid, timestamp: new Date().toISOString() });
  await assert.rejects(
    takeLock(path, "dev"),
    isLocked(
      new RegExp(
        `stack 'dev' is in use by pid ${process.ppid} of anna on ${hostname()}, since .*mailkeep cancel --stack dev`,
      ),
    ),
  );
});

test("the lock of a dead process of this host is taken over, one of another host is not", async (context) => {
  const path = directory(context);
  const file = foreignLock(path, { pid: DEAD_PID });
  const lock = await takeLock(path, "dev");
  assert.deepEqual(
    lock.takenOver.map(({ pid }) => pid),
    [DEAD_PID],
  );
  await lock.release();
  foreignLock(path, { pid: DEAD_PID, hostname: "elsewhere.example" });
  await assert.rejects(takeLock(path, "dev"), isLocked(/elsewhere\.example/));
  rmSync(file);
});

test("a process number that was given to a newer process does not hold the lock", async (context) => {
  const path = directory(context);
  foreignLock(path, { pid: process.pid, timestamp: "2001-01-01T00:00:00Z" });
  const lock = await takeLock(path, "dev");
  assert.equal(lock.takenOver.length, 1);
  await lock.release();
});

test("a lock file that cannot be read holds the stack", async (context) => {
  const path = directory(context);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "x.json"), "{");
  await assert.rejects(takeLock(path, "dev"), isLocked(/cannot be read/));
});

test("of many that come at once exactly one gets the lock", async (context) => {
  const path = directory(context);
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => takeLock(path, "dev")));
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
});

test("a second up while one runs is refused, and the first one is not disturbed", async (context) => {
  let second: Promise<unknown> | undefined;
  const stack = testStack(context, {
    interrupt: async (call) => {
      if (call !== "create a.txt") return;
      const { up } = await import("../operations.ts");
      second = up(stack.operation, {
        directory: tmpdir(),
        config: {},
        secretKeys: [],
        load: async () => ({}),
      });
      await assert.rejects(second, isLocked(new RegExp(`pid ${process.pid} of `)));
    },
  });
  const result = await stack.up(() => {
    new File("a", { path: "a.txt", content: "one" });
  });
  assert.deepEqual([result.succeeded, stack.errors(), second !== undefined], [true, [], true]);
});
