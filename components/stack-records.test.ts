import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { parseMasterFile } from "../mailserver-runtime/dns/records.ts";
import { masterFile, recordSetsOf } from "./provider/resources/zone.ts";
import { planStack } from "./stack-plan.ts";
import { stackRecords, zoneOrigins } from "./stack-records.ts";

const publicKey = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .publicKey.export({ type: "spki", format: "der" })
  .toString("base64");
const plan = planStack({ host: { type: "local" }, domains: ["green.test", "blue.test"] });
const keys = plan.domains.flatMap(({ name, keys }) =>
  keys.map(({ selector }) => ({ domain: name, selector, publicKey })),
);
const tlsKeys = { current: "aa".repeat(32), next: "bb".repeat(32) };

test("the zones are known before any key is made", () => {
  assert.deepEqual(zoneOrigins(plan).sort(), ["0.0.127.in-addr.arpa", "blue.test", "green.test"]);
  assert.deepEqual(
    Object.keys(stackRecords(plan, keys, tlsKeys, undefined).zones).sort(),
    zoneOrigins(plan).sort(),
  );
});

test("each zone has what its mail needs: MX, SPF, both DKIM keys, DMARC, and the host its address", () => {
  const { zones } = stackRecords(plan, keys, tlsKeys, 300);
  const green = zones["green.test"]!;
  assert.deepEqual(green["green.test MX"], ["300 10 mail.green.test."]);
  assert.match(green["green.test TXT"]!.join(), /v=spf1 .*-all/);
  assert.ok(green["mk1._domainkey.green.test TXT"] && green["mk2._domainkey.green.test TXT"]);
  assert.match(green["_dmarc.green.test TXT"]!.join(), /p=reject/);
  assert.deepEqual(green["mail.green.test A"], ["300 127.0.0.1"]);
  assert.deepEqual(zones["blue.test"]!["blue.test MX"], ["300 10 mail.green.test."]);
});

test("no key is published that was not made", () => {
  const { zones, leftOut } = stackRecords(plan, [], undefined, undefined);
  assert.ok(!Object.keys(zones["green.test"]!).some((set) => set.includes("_domainkey")));
  assert.ok(!Object.keys(zones["green.test"]!).some((set) => set.endsWith("TLSA")));
  assert.ok(leftOut.length > 0);
});

test("a zone's record sets and its master file say the same (RFC 1035 §5)", () => {
  for (const [origin, recordSets] of Object.entries(stackRecords(plan, keys, tlsKeys, undefined).zones)) {
    const text = masterFile({ origin, recordSets });
    assert.deepEqual(parseMasterFile(text, { origin }).problems, [], origin);
    assert.deepEqual(recordSetsOf(text, recordSets), recordSets, origin);
  }
});
