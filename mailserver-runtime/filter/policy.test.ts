import assert from "node:assert/strict";
import { test } from "node:test";
import type { Finding } from "./pipeline.ts";
import { adviceOf, spamHeaders, standardPolicy } from "./policy.ts";

const found: Finding = { check: "x", symbol: "A_SYMBOL", score: 7, reason: "because" };

for (const [score, kind] of [
  [-5, undefined],
  [5.99, undefined],
  [6, "junk"],
  [10.99, "junk"],
  [11, "reject"],
] as const)
  test(`with docker-mailserver's thresholds a score of ${score} asks for ${kind ?? "nothing"}`, () => {
    assert.equal(adviceOf(score, standardPolicy)?.kind, kind);
  });

test("without a reject score nothing is refused by its score", () => {
  assert.equal(adviceOf(1000, { ...standardPolicy, rejectScore: undefined })?.kind, "junk");
});

test("the X-Spam fields say what the score was and why, and stay away below the tag score", () => {
  const fields = Object.fromEntries(
    spamHeaders([found], 7, true, standardPolicy).map(({ name, value }) => [name, value]),
  );
  assert.equal(fields["X-Spam-Flag"], "YES");
  assert.equal(fields["X-Spam-Level"], "*******");
  assert.match(fields["X-Spam-Status"] ?? "", /^Yes, score=7\.0 required=6\.0\r\n\ttests=A_SYMBOL$/);
  assert.deepEqual(spamHeaders([found], 1, false, { ...standardPolicy, tagScore: 2 }), []);
  assert.ok(spamHeaders([found], 1, false, standardPolicy).length > 0);
});

test("no symbol breaks the header it stands in, and no line is longer than 998 (RFC 5322 §2.1.1)", () => {
  const many = Array.from({ length: 500 }, (_, index) => ({
    ...found,
    symbol: `BAD\r\nX: ${index} ${"y".repeat(50)}`,
  }));
  for (const { value } of spamHeaders(many, 50, true, standardPolicy))
    for (const line of value.split("\r\n")) assert.ok(line.length < 900 && !line.startsWith("X:"), line);
});
