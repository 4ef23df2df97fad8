import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { afterwards, before, EXPECTED } from "./testing/interrupted-program.ts";
import { type TestStack, testStack } from "./testing/stack.ts";

/** Compiled code is shared by the children: most of their time is the loading of the SDK. */
const CACHE = mkdtempSync(join(tmpdir(), "mailkeep-compile-cache-"));
after(() => rmSync(CACHE, { recursive: true, force: true }));

/** Runs an `up` of the second program that is killed at the n-th call, and says how it ended. */
async function interruptedUp(
  stack: TestStack,
  step: number,
): Promise<{ code: number | null; signal: string | null }> {
  const child = spawn(process.execPath, [CHILD, stack.files.backend, stack.root, String(step)], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE: CACHE },
  });
  const [code, signal] = await once(child, "exit");
  return { code, signal };
}

const CHILD = fileURLToPath(new URL("testing/interrupted-up.ts", import.meta.url));

test("after kill -9 at any step of an up, the next up finishes the work", async (context) => {
  const stack = testStack(context);
  await stack.up(before);
  const [backend, root] = [stack.files.backend, stack.root];
  const saved = `${backend}.saved`;
  cpSync(backend, `${saved}/backend`, { recursive: true });
  cpSync(root, `${saved}/root`, { recursive: true });
  let killed = 0;
  for (let step = 1; ; step += 1) {
    for (const [name, path] of [
      ["backend", backend],
      ["root", root],
    ] as const) {
      rmSync(path, { recursive: true, force: true });
      cpSync(`${saved}/${name}`, path, { recursive: true });
    }
    const { code, signal } = await interruptedUp(stack, step);
    if (signal !== "SIGKILL") {
      assert.equal(code, 0, "the run that is not interrupted succeeds");
      break;
    }
    killed += 1;
    const result = await stack.up(afterwards);
    assert.deepEqual([result.succeeded, stack.errors()], [true, []], `after the kill at call ${step}`);
    assert.deepEqual(readdirSync(root).sort(), EXPECTED, `after the kill at call ${step}`);
    for (const name of EXPECTED)
      assert.equal(stack.content(name), "two", `${name} after the kill at call ${step}`);
    const { latest } = JSON.parse(readFileSync(stack.files.checkpoint, "utf8")).checkpoint;
    assert.equal(latest.pending_operations, undefined, `after the kill at call ${step}`);
    assert.ok(!JSON.stringify(latest).includes("pendingReplacement"));
    const notices = stack.events.flatMap((event) => (event.kind === "diagnostic" ? [event.message] : []));
    assert.match(notices.join("\n"), /took over the lock of pid \d+ of .*: that process is gone/);
    const again = await stack.up(afterwards);
    assert.equal(again.changed, false, `after the kill at call ${step}`);
  }
  // A create, an update, a create and a delete of a replacement, a delete and a create of another, a deletion: each
  // is interrupted before and after it has its effect.
  assert.equal(killed, 14);
});

test("a create that was interrupted is finished with a notice", async (context) => {
  const stack = testStack(context);
  await interruptedUp(stack, 2);
  const { pending_operations: pending } = JSON.parse(readFileSync(stack.files.checkpoint, "utf8")).checkpoint
    .latest;
  assert.deepEqual(
    pending.map(
      ({ type, resource }: { type: string; resource: { urn: string } }) =>
        `${type} ${resource.urn.split("::").at(-1)}`,
    ),
    ["creating created"],
  );
  await stack.up(afterwards);
  const notice = stack.events.find((event) => event.kind === "diagnostic" && event.urn.endsWith("::created"));
  assert.ok(notice?.kind === "diagnostic");
  assert.match(notice.message, /interrupted while this was being created; it is finished now/);
});

test("a create that was interrupted and is no longer named stays on record until a refresh", async (context) => {
  const stack = testStack(context);
  await interruptedUp(stack, 2);
  await stack.up(() => {});
  const warning = stack.events.find(
    (event) => event.kind === "diagnostic" && event.severity === "warning" && event.urn.endsWith("::created"),
  );
  assert.ok(warning, "the orphan is named");
  await stack.refresh();
  assert.equal(
    JSON.parse(readFileSync(stack.files.checkpoint, "utf8")).checkpoint.latest.pending_operations,
    undefined,
  );
});
