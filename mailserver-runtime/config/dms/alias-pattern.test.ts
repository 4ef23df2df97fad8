import assert from "node:assert/strict";
import { test } from "node:test";
import { aliasPattern, PatternTooSlow } from "./alias-pattern.ts";

/** A simple pattern, one for RE2, and one that only JavaScript reads. */
const kinds: readonly (readonly [
  source: string,
  text: string,
  groups: readonly (string | undefined)[] | undefined,
])[] = [
  ["^order-(\\d+)@x\\.test$", "ORDER-17@x.test", ["ORDER-17@x.test", "17"]],
  ["^((?:[a-z]+\\.)*)([a-z]+)@x\\.test$", "a.b.c@x.test", ["a.b.c@x.test", "a.b.", "c"]],
  ["^(?!boss@)(.*)@x\\.test$", "ann@x.test", ["ann@x.test", "ann"]],
  ["^(?!boss@)(.*)@x\\.test$", "boss@x.test", undefined],
];

test("patterns of each kind match and give their groups", () => {
  for (const [source, text, groups] of kinds) {
    const found = aliasPattern(source, "is").match(text);
    assert.deepEqual(found && [...found], groups, `${source} ${text}`);
  }
});

test("no address makes a pattern run for long (hostile text, pcre_table(5) patterns)", () => {
  const hostile = `${"a".repeat(240)}!`;
  for (const source of ["^(a+)+@x", "^(a|a)*@x", "^.*.*.*.*.*@x", "^([a-z]+)*@x\\.test$", "^(?=(a+)+@)x"]) {
    const pattern = aliasPattern(source, "is");
    const began = performance.now();
    try {
      assert.equal(pattern.match(hostile), undefined, source);
    } catch (error) {
      assert.ok(error instanceof PatternTooSlow, String(error));
    }
    assert.ok(performance.now() - began < 500, `${source} took ${performance.now() - began} ms`);
  }
});
