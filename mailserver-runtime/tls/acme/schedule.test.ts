import assert from "node:assert/strict";
import { test } from "node:test";
import { retryAfterMs } from "./client.ts";
import { dueAt } from "./schedule.ts";

const DAY = 86_400_000;
const now = Date.UTC(2030, 0, 1);
const ninety = { notBefore: now, notAfter: now + 90 * DAY };
const well = { failures: 0, lastFailureAt: undefined, retryAfterMs: undefined };

test("a certificate is renewed with a third of its life left, spread by jitter, however long it lives", () => {
  assert.equal(dueAt({ ...well, current: ninety, jitter: 0 }), now + 60 * DAY);
  assert.equal(dueAt({ ...well, current: ninety, jitter: 1 }), now + 57 * DAY);
  const six = { notBefore: now, notAfter: now + 6 * DAY };
  assert.equal(dueAt({ ...well, current: six, jitter: 0 }), now + 4 * DAY);
  assert.ok(dueAt({ ...well, current: undefined, jitter: 0.5 }) <= now);
});

test("failures wait longer each time, as long as the authority wishes, and never for longer than a week", () => {
  const failed = (failures: number, wish?: number) =>
    dueAt({ current: undefined, failures, lastFailureAt: now, retryAfterMs: wish, jitter: 0 }) - now;
  const waits = [1, 2, 3, 4, 5, 6, 7, 1000].map((count) => failed(count));
  assert.deepEqual(
    [...waits].sort((a, b) => a - b),
    waits,
  );
  assert.equal(waits[0], 300_000);
  assert.equal(waits.at(-1), DAY / 2);
  assert.equal(failed(1, 7_200_000), 7_200_000);
  assert.equal(failed(1, 365 * DAY), 7 * DAY);
});

test("a failed renewal is not tried before it was due, and Retry-After is seconds or a date (RFC 9110 §10.2.3)", () => {
  const renewal = { current: ninety, failures: 1, lastFailureAt: now, retryAfterMs: undefined, jitter: 0 };
  assert.equal(dueAt(renewal), now + 60 * DAY);
  assert.equal(retryAfterMs("120"), 120_000);
  assert.equal(retryAfterMs(new Date(now + 5000).toUTCString(), now), 5000);
  assert.equal(retryAfterMs("soon"), undefined);
});
