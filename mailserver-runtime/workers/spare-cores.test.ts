import assert from "node:assert/strict";
import { cpus } from "node:os";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { SpareCores } from "./spare-cores.ts";

test("spare cores are counted between two questions, never more than there are", async () => {
  const spare = new SpareCores();
  assert.equal(spare.ask(), 0, "nothing is known at first");
  await delay(200);
  const found = spare.ask();
  // The kernel counts in ticks of 10 ms, whatever else runs here.
  assert.ok(found >= 0 && found <= cpus().length * 1.1, `${found} of ${cpus().length}`);
  spare.forget();
  assert.equal(spare.ask(), 0);
});
