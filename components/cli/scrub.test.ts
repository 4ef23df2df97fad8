import assert from "node:assert/strict";
import test from "node:test";
import { scrub, secretTexts } from "./scrub.ts";

test("a secret quoted in an error text is taken out, also one from inside an object, the longest first", () => {
  const config = {
    a: "hunter2-hunter2",
    b: JSON.stringify({ "anna@example.org": "correct horse", deep: ["battery", "hunter2-hunter2-too"] }),
    c: "public",
  };
  const secrets = secretTexts(config, ["a", "b"]);
  assert.equal(
    scrub("login with hunter2-hunter2-too, hunter2-hunter2 or correct horse failed on public", secrets),
    "login with [secret], [secret] or [secret] failed on public",
  );
});

test("a text too short to be told from a word is left", () => {
  assert.deepEqual(secretTexts({ a: "on" }, ["a"]), []);
});
