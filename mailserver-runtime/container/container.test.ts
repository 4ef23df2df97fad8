import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { capabilitiesNow, privilegesFor } from "./privileges.ts";
import { addressed, runUserPatches } from "./user-patches.ts";

const directory = mkdtempSync(join(tmpdir(), "container-"));
after(() => rmSync(directory, { recursive: true, force: true }));

async function patched(script: string, env: Record<string, string> = {}, mode = 0o755) {
  const said: string[] = [];
  writeFileSync(join(directory, "user-patches.sh"), script);
  chmodSync(join(directory, "user-patches.sh"), mode);
  const { PATH } = process.env;
  await runUserPatches(directory, { PATH, ...env }, (text) => said.push(text));
  return said.join("\n");
}

test("user-patches.sh runs by bash, executable or not, and both is said", async () => {
  const mark = join(directory, "mark");
  assert.match(
    await patched(`touch ${mark}\n`, {}, 0o644),
    /^user-patches\.sh is not executable; .*\n.* ran, \d+ ms$/,
  );
  assert.ok(existsSync(mark));
});

test("after a failure the server starts all the same, as in docker-mailserver, unless it shall stop", async () => {
  assert.match(await patched("exit 4"), /ended with code 4; the server starts all the same/);
  await assert.rejects(
    patched("exit 4", { USER_PATCHES_FAILURE: "stop" }),
    /ended with code 4; the server is not started/,
  );
});

test("a script that hangs is ended, with what it started", async () => {
  const mark = join(directory, "late");
  const said = await patched(`trap '' TERM; (sleep 4; touch ${mark}) & sleep 60`, {
    USER_PATCHES_TIMEOUT: "1",
  });
  assert.match(said, /did not end within 1 s and was ended \(USER_PATCHES_TIMEOUT\)/);
  await new Promise((done) => setTimeout(done, 2_500));
  assert.ok(!existsSync(mark));
});

test("daemons that are not here are named with the line that addresses them", () => {
  const script =
    "#!/bin/bash\n# postconf in a comment\npostconf -e a=b\nsed -i s/a/b/ /etc/dovecot/conf.d/10-auth.conf\necho done\n";
  assert.deepEqual(addressed(script), [
    { line: 3, daemon: "Postfix" },
    { line: 4, daemon: "Dovecot" },
  ]);
});

test("of the granted capabilities the needed ones are kept, and no other can come back (capabilities(7))", () => {
  // What Docker grants by default.
  const granted = capabilitiesNow("CapPrm:\t00000000a80425fb\n");
  assert.deepEqual(privilegesFor("server", granted, false).kept, ["net_bind_service"]);
  assert.deepEqual(privilegesFor("server", granted, true).kept, ["net_bind_service", "dac_override"]);
  assert.deepEqual(privilegesFor("command", granted, true).kept, ["chown", "fowner", "dac_override"]);
  const prefix = privilegesFor("server", granted, false).prefix({ uid: 5000, gid: 5001 });
  assert.ok(prefix.includes("--bounding-set=-all,+net_bind_service"));
  assert.ok(
    prefix.includes("--reuid=5000") && prefix.includes("--regid=5001") && prefix.includes("--no-new-privs"),
  );
  // Without SETPCAP the bounding set cannot be cut, and setpriv would refuse to try.
  assert.ok(
    !privilegesFor("server", new Set(["net_bind_service"] as const), false)
      .prefix({ uid: 5000, gid: 5000 })
      .some((word) => word.startsWith("--bounding-set")),
  );
});
