import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import { test } from "node:test";
import { needs } from "../test/support/tools.ts";
import { until } from "./queue/queue-for-tests.ts";
import { runningServer, zone } from "./server-for-tests.ts";

const zones = {
  "green.test": zone("@ MX 10 mail\nmail A 127.0.0.1"),
  "source.test": zone("@ MX 10 mx\nmx A 127.0.0.2"),
};
const account = "ann@green.test|{PLAIN}secret\n";

test("a mailbox that fills up tells its user once for each crossing, and what does not fit is refused with 5.2.2 or 4.2.2", async (t) => {
  if (!needs(t, "swaks", "knotd")) return;
  const files = { "postfix-accounts.cf": account, "dovecot-quotas.cf": "ann@green.test:20k\n" };
  const { directories, swaks } = await runningServer(t, { zones, files });
  const arrived = `${directories.mail}/green.test/ann/new`;
  const warnings = async () => {
    const texts = await Promise.all(
      (await fs.readdir(arrived)).map((name) => fs.readFile(`${arrived}/${name}`, "latin1")),
    );
    return texts.flatMap((text) => /^Your mailbox is now (\d+)% full\.\r$/m.exec(text)?.[1] ?? []).sort();
  };
  const letter = ["--to", "ann@green.test", "--from", "bob@source.test"];
  const big = await swaks(...letter, "--body", `${"x".repeat(70)}\n`.repeat(235));
  assert.equal(big.code, 0, big.text);
  await until(async () => (await warnings()).length === 1, "the warning");
  assert.deepEqual(await warnings(), ["80"]);
  const small = await swaks(...letter, "--body", "x");
  assert.equal(small.code, 0, small.text);
  const refused = await swaks(...letter, "--body", `${"x".repeat(70)}\n`.repeat(100));
  assert.match(refused.text, /<\*\* (552 5\.2\.2|452 4\.2\.2)/);
  assert.deepEqual(await warnings(), ["80"]);
});
