import assert from "node:assert/strict";
import { test } from "node:test";
import { warningFor } from "./quota.ts";

test("A warning is due once for each crossing of 80, 95 and 100 per cent, the highest alone, and again after falling below", () => {
  assert.equal(warningFor(0, 799, 1000), undefined);
  assert.equal(warningFor(799, 800, 1000), 80);
  assert.equal(warningFor(800, 949, 1000), undefined);
  assert.equal(warningFor(0, 960, 1000), 95);
  assert.equal(warningFor(960, 1200, 1000), 100);
  assert.equal(warningFor(1200, 1300, 1000), undefined);
  assert.equal(warningFor(900, 700, 1000), undefined);
  assert.equal(warningFor(700, 801, 1000), 80);
  assert.equal(warningFor(0, 5, 0), undefined, "without a limit nothing is full");
});
