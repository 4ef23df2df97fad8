/** The step that makes JavaScript of the sources, and that Node runs the result below node_modules. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { makeJavascript, root, runtimeEntries, stackEntries } from "../build/javascript.ts";

const directory = mkdtempSync(join(tmpdir(), "javascript-"));
after(() => rmSync(directory, { recursive: true, force: true }));

test("the server's program runs below node_modules and answers an operation on its files", () => {
  const installed = join(directory, "node_modules/mailkeep");
  const { modules, packages } = makeJavascript(runtimeEntries, installed);
  assert.ok(modules.includes("mailserver-runtime/auth/password/thread.ts"), "threads are taken along");
  assert.deepEqual(
    modules.filter((name) => /test|^components\/|^index/.test(name)),
    [],
  );
  assert.deepEqual(
    packages.filter((name) => name.startsWith("@pulumi/")),
    [],
  );
  for (const name of packages) {
    const link = join(directory, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, "node_modules", name), link);
  }
  writeFileSync(join(installed, "package.json"), '{"version":"7.8.9","type":"module"}');
  const request = `{"operation":"mailbox.put","request":{"address":"anna@green.test","owner":"me","password":{"text":"a password","policy":"initial"}}}
{"operation":"status","request":{}}
`;
  const answers = execFileSync(
    process.execPath,
    [join(installed, "mailserver-runtime/cli/main.js"), "--root", join(directory, "data"), "admin"],
    { input: request, encoding: "utf8" },
  );
  const [put, status] = answers
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(put, { ok: true, answer: { address: "anna@green.test", created: true } });
  assert.equal(status.answer.version, "7.8.9");
  assert.equal(status.answer.accounts, 1);
});

test("the stack's programs come with nothing that only tests use", () => {
  const { modules } = makeJavascript(stackEntries, join(directory, "stack"));
  assert.ok(modules.includes("components/mail-stack.ts"));
  assert.ok(modules.includes("components/engine/lazy/typescript.cjs"));
  assert.deepEqual(
    modules.filter((name) => /test/.test(name)),
    [],
  );
});
