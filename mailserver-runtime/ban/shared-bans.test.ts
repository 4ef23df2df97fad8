/** Hosts that tell each other whom they ban, by a directory that all of them see. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bansFixture } from "./bans-for-tests.ts";
import { parseNetwork } from "./network.ts";

test("a ban of one host is in force at the others, with its reason and end, and ends there when it is lifted", async (t) => {
  const sharedDirectory = await mkdtemp(join(tmpdir(), "mailkeep-shared-"));
  t.after(() => rm(sharedDirectory, { recursive: true, force: true }));
  const first = await bansFixture(t, { sharedDirectory });
  const second = await bansFixture(t, { sharedDirectory, neverBanned: ["192.0.2.9"] });
  const here = await first.open({ hostname: () => "one.example.org" });
  const there = await second.open({ hostname: () => "two.example.org" });
  for (const client of ["192.0.2.1", "192.0.2.9"])
    for (let count = 0; count < 6; count++) here.offend({ kind: "login-failed-imap", client });
  await here.ban(parseNetwork("198.51.100.0/25")!, 3600, "a person said so");
  await there.look();
  assert.equal(there.refusal("192.0.2.1"), "drop");
  assert.equal(there.refusal("198.51.100.100"), "drop");
  assert.equal(
    there.refusal("192.0.2.9"),
    undefined,
    "who is never banned here is not banned by others either",
  );
  const [ban] = there.report().bans;
  assert.deepEqual(ban, { ...here.report().bans[0], from: "one.example.org" });

  // What comes from elsewhere is not told again, and a restart forgets none of it.
  assert.deepEqual((await readdir(sharedDirectory)).sort(), ["bans-one.example.org.jsonl"]);
  await there.close();
  const again = await second.open({ hostname: () => "two.example.org" });
  assert.equal(again.refusal("192.0.2.1"), "drop");

  await here.lift(parseNetwork("192.0.2.1")!);
  await again.look();
  assert.equal(again.refusal("192.0.2.1"), undefined);
  assert.equal(again.refusal("198.51.100.100"), "drop");
});

test("a file that is no list of bans, or a directory that is gone, costs nothing but what it would have said", async (t) => {
  const sharedDirectory = await mkdtemp(join(tmpdir(), "mailkeep-shared-"));
  const fixture = await bansFixture(t, { sharedDirectory });
  await writeFile(
    join(sharedDirectory, "bans-evil.jsonl"),
    `garbage\n{"network":"192.0.2.1"}\n${"x".repeat(100_000)}\n`,
  );
  await writeFile(join(sharedDirectory, "unrelated.txt"), "hello\n");
  const bans = await fixture.open({ hostname: () => "one.example.org" });
  assert.deepEqual(bans.report().bans, []);
  await rm(sharedDirectory, { recursive: true });
  await bans.look();
  await bans.look();
  assert.equal(
    fixture.logged.filter(({ event }) => event === "bans-not-shared").length,
    1,
    "it is said once",
  );
  for (let count = 0; count < 6; count++) bans.offend({ kind: "login-failed-imap", client: "192.0.2.5" });
  assert.equal(bans.refusal("192.0.2.5"), "drop");
});
