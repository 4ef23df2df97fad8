import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { localPasswords, secretsFile } from "./local-passwords.ts";

const root = mkdtempSync(join(tmpdir(), "local-passwords-"));
after(() => rmSync(root, { recursive: true, force: true }));

test("a password is made up once and read again ever after", () => {
  const directory = join(root, "once");
  const first = localPasswords(directory, ["a@green.test"], "keep");
  const second = localPasswords(directory, ["a@green.test", "b@green.test"], "keep");
  assert.equal(second["a@green.test"], first["a@green.test"]);
  assert.notEqual(second["b@green.test"], second["a@green.test"]);
  assert.match(first["a@green.test"]!, /^([a-z2-9]{5}-){3}[a-z2-9]{5}$/);
});

test("the file is for its owner alone", () => {
  const directory = join(root, "mode");
  localPasswords(directory, ["a@green.test"], "keep");
  assert.equal(statSync(secretsFile(directory)).mode & 0o777, 0o600);
});

test("a preview writes nothing", () => {
  const directory = join(root, "preview");
  assert.ok(localPasswords(directory, ["a@green.test"], "preview")["a@green.test"]);
  assert.ok(!existsSync(directory));
});

test("nothing is written when every password is known", () => {
  const directory = join(root, "known");
  localPasswords(directory, ["a@green.test"], "keep");
  const before = statSync(secretsFile(directory)).ino;
  localPasswords(directory, ["a@green.test"], "keep");
  assert.equal(statSync(secretsFile(directory)).ino, before);
});

test("a damaged file is named, left as it is, and its content is not shown", () => {
  const directory = join(root, "damaged");
  localPasswords(directory, ["a@green.test"], "keep");
  writeFileSync(secretsFile(directory), '{"passwords": {"a@green.test": "hunter2"');
  assert.throws(
    () => localPasswords(directory, ["a@green.test"], "keep"),
    (error: Error) => error.message.includes(secretsFile(directory)) && !error.message.includes("hunter2"),
  );
  assert.ok(readFileSync(secretsFile(directory), "utf8").includes("hunter2"));
});
