import assert from "node:assert/strict";
import { test } from "node:test";
import { createResolver } from "../../dns/resolver.ts";
import { hasTool, startKnot } from "../../dns/test-support.ts";
import { zoneResolver } from "../../dns/zone-for-tests.ts";
import { memoryContent } from "../../message/content.ts";
import { silentLog } from "../../net/log.ts";
import { dnsListsCheck } from "../checks/dns-lists.ts";
import { createInboundFilter } from "../inbound-filter.ts";
import { DnsList, reversedAddress } from "./dns-list.ts";

const settings = { zone: "bl.test", of: "addresses", score: 4 } as const;
const proof = { "A 2.0.0.127.bl.test": ["127.0.0.2"] };

for (const [why, zone] of [
  ["lists its test entry and not its neighbour", proof],
  ["lists everybody", { ...proof, "A 1.0.0.127.bl.test": ["127.0.0.2"] }],
  ["lists nobody", {}],
  ["answers with a web server's address", { "A 2.0.0.127.bl.test": ["203.0.113.80"] }],
  ["says that it may not be asked so", { "A 2.0.0.127.bl.test": ["127.255.255.254"] }],
  ["does not answer", { "A 2.0.0.127.bl.test": "tempfail", "A 1.0.0.127.bl.test": "tempfail" }],
] as const)
  test(`a list that ${why} ${zone === proof ? "has" : "has no"} say (RFC 5782 §5)`, async () => {
    const resolver = zoneResolver({ ...zone, "A 9.113.0.203.bl.test": ["127.0.0.4"] });
    const list = new DnsList(settings, { resolver, log: silentLog });
    assert.equal(await list.find("9.113.0.203"), undefined, "nothing before the proof");
    await list.prove();
    const found = await list.find("9.113.0.203");
    assert.deepEqual(found?.codes, zone === proof ? ["127.0.0.4"] : undefined);
  });

test("an answer that says failure ends a list's say until it is proven again, which is tried within the hour and daily", async () => {
  const clock = { now: 0 };
  const zone: Record<string, string[]> = { ...proof, "A 9.113.0.203.bl.test": ["127.255.255.255"] };
  const resolver = zoneResolver(zone);
  const list = new DnsList(settings, { resolver, log: silentLog, clock: () => clock.now });
  await list.prove();
  assert.equal(list.isUsable, true);
  assert.equal(await list.find("9.113.0.203"), undefined);
  assert.equal(list.isUsable, false);
  clock.now += 3_600_000;
  assert.equal(list.isUsable, false, "a proof has begun, and nobody waits for it");
  await list.prove();
  assert.equal(list.isUsable, true);
  const asked = resolver.queries.get("A 2.0.0.127.bl.test");
  clock.now += 86_400_000;
  assert.equal(list.isUsable, true);
  await list.prove();
  assert.equal(resolver.queries.get("A 2.0.0.127.bl.test"), asked! + 1);
});

test("addresses are asked about in reverse, IPv6 by its digits (RFC 5782 §2.4)", () => {
  assert.equal(reversedAddress("203.0.113.9"), "9.113.0.203");
  assert.equal(
    reversedAddress("2001:db8::1"),
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2",
  );
});

test("lists that knot serves weigh on a client, on a link and on a sender's domain, and one of trust speaks for him", async (t) => {
  if (!hasTool(t, "knotd", "knot") || !hasTool(t, "kdig", "knot-dnsutils")) return;
  const text = (origin: string, ...lines: string[]) =>
    [
      `$ORIGIN ${origin}.`,
      "$TTL 60",
      "@ SOA ns hostmaster 1 60 60 60 60",
      "@ NS ns",
      "ns A 127.0.0.1",
      ...lines,
      "",
    ].join("\n");
  const port = await startKnot(t, {
    "bl.test": { text: text("bl.test", "2.0.0.127 A 127.0.0.2", "9.113.0.203 A 127.0.0.4"), lines: [] },
    "wl.test": { text: text("wl.test", "2.0.0.127 A 127.0.10.0", "9.113.0.203 A 127.0.5.2"), lines: [] },
    "dbl.test": {
      text: text("dbl.test", "test A 127.0.1.2", "spam.example A 127.0.1.2", "wild A 127.0.1.2"),
      lines: [],
    },
    "landing.test": { text: text("landing.test", "* A 127.0.0.2"), lines: [] },
  });
  const resolver = createResolver({ servers: [`127.0.0.1:${port}`] });
  t.after(() => resolver.close());
  const lists = [
    { zone: "bl.test", of: "addresses", score: 4 },
    { zone: "wl.test", of: "addresses", score: -2 },
    { zone: "dbl.test", of: "domains", score: 3 },
    { zone: "landing.test", of: "addresses", score: 100 },
  ].map((one) => new DnsList(one as DnsList["settings"], { resolver, log: silentLog }));
  const filter = createInboundFilter({
    hostname: () => "mx.test",
    resolver,
    log: silentLog,
    checks: [dnsListsCheck(() => lists)],
  });
  const inspect = (address: string, body: string) =>
    filter.inspect({
      content: memoryContent(Buffer.from(`From: a@good.example\r\n\r\n${body}\r\n`)),
      client: { address, port: 1, secure: false },
      helo: "x.test",
      from: "a@good.example",
      recipients: ["b@example.org"],
      receivedAt: new Date(),
    });
  assert.deepEqual((await inspect("203.0.113.9", "hello")).findings, []);
  await Promise.all(lists.map((list) => list.prove()));
  const { findings, score } = await inspect("203.0.113.9", "see http://www.spam.example/x");
  assert.deepEqual(
    findings.map(({ symbol }) => symbol),
    ["RBL_BL_TEST", "DNSWL_WL_TEST", "DBL_DBL_TEST"],
  );
  assert.equal(score, 5);
  assert.deepEqual((await inspect("203.0.113.10", "hello")).findings, []);
  assert.deepEqual((await inspect("10.0.0.9", "hello")).findings, []);
});
