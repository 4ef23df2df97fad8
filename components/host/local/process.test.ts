import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { ended, identify, isAlive, signal } from "./process.ts";

test("a process is known by its id and its start, and gone when it has ended", async () => {
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { stdio: "ignore" });
  await once(child, "spawn");
  const identity = await identify(child.pid!);
  assert.ok(identity);
  assert.equal(await isAlive(identity), true);
  assert.equal(await signal(identity, "SIGKILL"), true);
  assert.equal(await ended(identity, 5_000), true);
  assert.equal(await signal(identity, "SIGKILL"), false);
  assert.equal(await identify(child.pid!), undefined);
});

test("another process that got the same id is not the one that was meant", async () => {
  const own = await identify(process.pid);
  assert.ok(own);
  assert.equal(await isAlive({ ...own, startTime: "1" }), false);
  assert.equal(await signal({ ...own, startTime: "1" }, "SIGKILL"), false);
});
