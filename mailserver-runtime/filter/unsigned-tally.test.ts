import assert from "node:assert/strict";
import { test } from "node:test";
import { Metrics } from "../admin/metrics.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { memoryContent } from "../message/content.ts";
import type { Log } from "../net/log.ts";
import { silentLog } from "../net/log.ts";
import { createSigner } from "./signer.ts";
import { UnsignedTally } from "./unsigned-tally.ts";

test("mail that no key signs is counted by domain and told once an hour; a domain that is not here is nobody's fault", async () => {
  const told: unknown[] = [];
  let now = 0;
  const log = { ...silentLog, warn: (fields: unknown) => void told.push(fields) } as unknown as Log;
  const tally = new UnsignedTally(log, () => now);
  const snapshot = {
    dkimKeys: () => [],
    domain: (name: string) => (name.toLowerCase() === "green.test" ? { name: "green.test" } : undefined),
  } as unknown as Snapshot;
  const signer = createSigner(
    () => snapshot,
    silentLog,
    (domain) => tally.note(domain),
  );
  const letter = memoryContent(Buffer.from("From: anna@green.test\r\n\r\nx\r\n"));
  for (const domain of ["green.test", "GREEN.test", "other.test"])
    assert.equal((await signer.sign(domain, Buffer.alloc(0), letter)).length, 0);
  assert.deepEqual(told, [{ event: "unsigned", domain: "green.test", messages: 1 }]);
  now = 3_600_000;
  tally.note("green.test");
  assert.equal(told.length, 2);
  const metrics = new Metrics();
  metrics.add(tally.family());
  assert.match(metrics.text(), /^mailkeep_unsigned_messages_total\{domain="green\.test"\} 3$/m);
});
