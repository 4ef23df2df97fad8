import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dkimSelectors } from "../settings/dkim-selectors.ts";
import { advanced, begun, outlook, type Ring, rolesOf } from "./rotation.ts";

const DAY = 86_400_000;
const start = Date.UTC(2026, 0, 1);
const idle: Ring = {
  lanes: [
    { algorithm: "rsa-2048", current: "mk1", next: "mk2", spare: "mk3" },
    { algorithm: "ed25519", current: "mk1-ed", next: "mk2-ed", spare: "mk3-ed" },
  ],
  phase: "idle",
  since: start,
  due: undefined,
};
const seen = { kind: "seen", ttl: 3600 } as const;
const missing = { kind: "missing", what: "mk2._domainkey.green.test has no TXT record" } as const;
const at = (now: number, visibility: typeof seen | typeof missing = seen) => ({
  now,
  visibility,
  queueLifetimeMs: 5 * DAY,
});

test("a rotation goes through its phases one at a time: published, seen, signing, the queue's lifetime, revoked", () => {
  let ring = begun(idle, start);
  assert.equal(ring.phase, "publishing");
  assert.equal(advanced(ring, at(start, missing)), ring, "nothing happens while the record is missing");
  assert.match(outlook(ring, missing), /^next phase: mk2, mk2-ed is seen in the DNS; mk2\._domainkey/);

  ring = advanced(ring, at(start + DAY));
  assert.deepEqual([ring.phase, ring.due], ["seen", start + DAY + 3_600_000], "caches may know otherwise");
  assert.equal(advanced(ring, at(start + DAY + 1000)), ring);
  assert.equal(outlook(ring), "next phase: mk2, mk2-ed signs, due 2026-01-02T01:00:00.000Z");

  ring = advanced(ring, at(start + 2 * DAY));
  assert.deepEqual(
    [ring.phase, ring.lanes],
    [
      "retiring",
      [
        { algorithm: "rsa-2048", current: "mk2", next: "mk3", spare: "mk1" },
        { algorithm: "ed25519", current: "mk2-ed", next: "mk3-ed", spare: "mk1-ed" },
      ],
    ],
  );
  assert.equal(advanced(ring, at(start + 6 * DAY)), ring, "mail of the old keys may be under way");
  assert.equal(outlook(ring), "next phase: revoke mk1, mk1-ed, due 2026-01-08T00:00:00.000Z");

  ring = advanced(ring, at(start + 7 * DAY));
  assert.equal(ring.phase, "idle");
  assert.deepEqual(
    rolesOf(ring).map(({ selector, role }) => `${selector} ${role}`),
    ["mk2 current", "mk3 next", "mk1 revoked", "mk2-ed current", "mk3-ed next", "mk1-ed revoked"],
  );
});

test("a record that is taken away before the key signs sends the rotation back", () => {
  const ring = advanced(begun(idle, start), at(start));
  assert.equal(advanced(ring, at(start + DAY, missing)).phase, "publishing");
});

test("whatever happens when, no key signs that was not seen for a record's time to live, and none is revoked within the queue's lifetime", () => {
  const event = fc.record({ wait: fc.integer({ min: 0, max: 3 * DAY }), there: fc.boolean() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      let [ring, now, seenSince, switchedAt] = [idle, start, undefined as number | undefined, start];
      for (const { wait, there } of events) {
        now += wait;
        if (!there) seenSince = undefined;
        const before = begun(ring, now);
        ring = advanced(before, at(now, there ? seen : missing));
        if (ring.phase === "seen" && before.phase === "publishing") seenSince = now;
        if (ring.phase === "retiring" && before.phase === "seen") {
          assert.ok(seenSince !== undefined && now >= seenSince + 3_600_000);
          switchedAt = now;
        }
        if (ring.phase === "idle" && before.phase === "retiring") assert.ok(now >= switchedAt + 5 * DAY);
      }
    }),
  );
});

test("three selectors of each kind take turns, whatever the first ones are called", () => {
  const first = { current: "mk1", next: "mk2" };
  assert.deepEqual(
    dkimSelectors(["rsa-2048", "ed25519"], first).map(({ current, next, spare }) => [current, next, spare]),
    [
      ["mk1", "mk2", "mk3"],
      ["mk1-ed", "mk2-ed", "mk3-ed"],
    ],
  );
  assert.equal(dkimSelectors(["ed25519"], { current: "b", next: "a" })[0]?.spare, "a2");
  assert.equal(dkimSelectors(["ed25519"], { current: "s3", next: "s2" })[0]?.spare, "s4");
});
