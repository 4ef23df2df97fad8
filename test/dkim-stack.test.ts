/**
 * A rotation of DKIM keys as somebody with a stack sees it: the host goes through the phases, each `up` publishes what it has come
 * to, and a preview says what comes next and when. The records are asked for by a program that is not ours.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { test } from "node:test";
import { TestProject } from "./support/project.ts";
import { needs, run } from "./support/tools.ts";

const domain = "green.test";

test("a rotation goes from phase to phase with the stack's records, and never waits", async (t) => {
  if (!needs(t, "dig")) return;
  const project = await TestProject.create();
  t.after(() => project.close());
  await project.configure({
    domains: [{ name: domain, dkim: { algorithms: ["rsa-2048", "ed25519"] } }],
    mailboxes: ["anna@green.test"],
  });
  const up = async () => {
    const result = await project.mailkeep("up", "--yes");
    assert.equal(result.code, 0, result.stdout + result.stderr);
    return result.stdout;
  };
  const rotate = async () => {
    const { code, stdout, stderr } = await project.mailkeep("dkim", "rotate", domain);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  /** The selectors whose records have a key. */
  const published = async () => {
    const selectors = ["mk1", "mk1-ed", "mk2", "mk2-ed", "mk3", "mk3-ed"];
    const where = ["@127.0.0.1", "-p", String(project.portBase + 53), "+short", "+tries=3"];
    const found: string[] = [];
    for (const selector of selectors) {
      const { stdout } = await run("dig", [...where, `${selector}._domainkey.${domain}`, "TXT"]);
      assert.match(stdout, /v=DKIM1; k=\w+; p=/, `${selector} has a record always`);
      if (!/p="?$/m.test(stdout.trim())) found.push(selector);
    }
    return found.join(" ");
  };
  const rotation = path.join(project.data, "state/dkim", domain, "rotation.json");
  const passDue = async () => {
    const ring = JSON.parse(await fs.readFile(rotation, "utf8"));
    await fs.writeFile(rotation, JSON.stringify({ ...ring, due: new Date(Date.now() - 1000).toISOString() }));
  };

  await up();
  assert.equal(await published(), "mk1 mk1-ed mk2 mk2-ed", "current and next from the first up");
  assert.match(await rotate(), /next phase: mk2, mk2-ed signs, due 20/);
  assert.match(await rotate(), /next phase: mk2, mk2-ed signs, due 20/);
  const nothing = await project.mailkeep("preview", "--expect-no-changes");
  assert.equal(nothing.code, 0, nothing.stdout);
  await passDue();
  assert.match(await rotate(), /next phase: revoke mk1, mk1-ed, due 20/);

  const preview = await project.mailkeep("preview", "--expect-no-changes");
  assert.equal(preview.code, 2, preview.stdout);
  assert.match(
    preview.stdout + preview.stderr,
    /green\.test rotates its DKIM keys: .*mk3 \(next\).*; next phase: revoke mk1, mk1-ed, due 20/,
  );
  await up();
  assert.equal(await published(), "mk1 mk1-ed mk2 mk2-ed mk3 mk3-ed");
  assert.equal((await project.mailkeep("preview", "--expect-no-changes")).code, 0);
  const probe = await project.mailkeep("probe");
  assert.match(probe.stdout, /s=mk2/, probe.stdout + probe.stderr);

  await passDue();
  assert.match(await rotate(), /no rotation is under way; next key mk3, mk3-ed/);
  await up();
  assert.equal(await published(), "mk2 mk2-ed mk3 mk3-ed", "the old key is revoked");
  const { stdout } = await project.mailkeep("dkim", "status");
  assert.match(stdout, /^ {2}mk2 \(rsa-2048\) signs$/m);
});
