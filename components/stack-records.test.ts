import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { parseMasterFile } from "../mailserver-runtime/dns/records.ts";
import { masterFile, recordSetsOf } from "./provider/resources/zone.ts";
import { planStack } from "./stack-plan.ts";
import { hostZones, leftOut, publishedPart, stackRecords } from "./stack-records.ts";

const publicKey = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .publicKey.export({ type: "spki", format: "der" })
  .toString("base64");
const plan = planStack({ host: { type: "local" }, domains: ["green.test", "blue.test"] });
const algorithm = "rsa-2048";
const keys = plan.domains.map(({ name }) => ({
  domain: name,
  keys: [
    { selector: "mk1", role: "current", algorithm, publicKey } as const,
    { selector: "mk2", role: "next", algorithm, publicKey } as const,
  ],
}));
const tlsKeys = { current: "aa".repeat(32), next: "bb".repeat(32) };

const known = { keys, tlsKeys, ipv4: ["127.0.0.1"], ipv6: [] };
const zonesOf = (facts: Parameters<typeof stackRecords>[1], of = plan) => {
  const [publication] = of.publications;
  const part = publishedPart(stackRecords(of, facts), publication!, of.publications);
  return hostZones(part, publication!, of.hostname, "of-host-addresses");
};

test("the zones are known before any key is made", () => {
  const before = Object.keys(zonesOf({ ...known, keys: [] })).sort();
  assert.deepEqual(before, ["0.0.127.in-addr.arpa", "blue.test", "green.test"]);
  assert.deepEqual(Object.keys(zonesOf(known)).sort(), before);
});

test("each zone has what its mail needs: MX, SPF, both DKIM keys, DMARC, and the host its address", () => {
  const brief = planStack({
    host: { type: "local" },
    domains: ["green.test", "blue.test"],
    dns: { type: "local", ttl: 300 },
  });
  const zones = zonesOf(known, brief);
  const green = zones["green.test"]!;
  assert.deepEqual(green["green.test MX"], ["300 10 mail.green.test."]);
  assert.match(green["green.test TXT"]!.join(), /v=spf1 .*-all/);
  assert.ok(green["mk1._domainkey.green.test TXT"] && green["mk2._domainkey.green.test TXT"]);
  assert.match(green["_dmarc.green.test TXT"]!.join(), /p=reject/);
  assert.deepEqual(green["mail.green.test A"], ["300 127.0.0.1"]);
  assert.deepEqual(zones["blue.test"]!["blue.test MX"], ["300 10 mail.green.test."]);
});

test("no key is published that was not made", () => {
  const { tlsKeys: _, ...unmade } = { ...known, keys: [] };
  const zones = zonesOf(unmade);
  assert.ok(!Object.keys(zones["green.test"]!).some((set) => set.includes("_domainkey")));
  assert.ok(!Object.keys(zones["green.test"]!).some((set) => set.endsWith("TLSA")));
  assert.ok(leftOut(stackRecords(plan, unmade), plan.publications).length > 0);
});

test("a zone's record sets and its master file say the same (RFC 1035 §5)", () => {
  for (const [origin, recordSets] of Object.entries(zonesOf(known))) {
    const text = masterFile({ origin, recordSets });
    assert.deepEqual(parseMasterFile(text, { origin }).problems, [], origin);
    assert.deepEqual(recordSetsOf(text, recordSets), recordSets, origin);
  }
});
