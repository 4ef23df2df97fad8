/** What the world is told, asked of a real name server, and what an SPF policy costs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { lookAtReverse, lookAtSets } from "./publication.ts";
import { recordsIn } from "./record-sets.ts";
import { createResolver } from "./resolver.ts";
import { spfCost } from "./spf-cost.ts";
import { hasTool, publicKeysOf, startKnot, startUnbound } from "./test-support.ts";
import { zoneResolver } from "./zone-for-tests.ts";

const ZONE = `$TTL 300
@ SOA ns h 1 7200 900 1209600 60
@ NS ns
ns A 127.0.0.1
@ MX 10 mail
@ MX 20 other
@ TXT "v=spf1 -all"
mail A 192.0.2.1
`;
const declared = recordsIn({
  "signed.test MX": ["3600 10 mail.signed.test."],
  "signed.test TXT": ['3600 "v=spf1 ip4:192.0.2.1 -all"'],
  "mail.signed.test A": ["3600 192.0.2.1"],
  "gone.signed.test A": ["3600 192.0.2.1"],
});

test("each set is seen, missing or different at every name server, and DNSSEC is told with the DS to enter", async (t) => {
  for (const [program, debianPackage] of [
    ["knotd", "knot"],
    ["kdig", "knot-dnsutils"],
    ["unbound", "unbound"],
    ["dig", "bind9-dnsutils"],
  ] as const)
    if (!hasTool(t, program, debianPackage)) return;
  const lines = ["dnssec-signing: on", "dnssec-policy: quick"];
  const knot = await startKnot(
    t,
    { "signed.test": { text: ZONE, lines }, "island.test": { text: ZONE, lines } },
    "policy:\n  - id: quick\n    algorithm: ecdsap256sha256\n    single-type-signing: on",
  );
  const anchors = await publicKeysOf(knot, "signed.test");
  const unbound = await startUnbound(t, anchors, { "signed.test": knot, "island.test": knot });
  const resolver = createResolver({ servers: [`127.0.0.1:${unbound}`], deadlineMs: 5000 });
  t.after(() => resolver.close());
  const at = [`127.0.0.1:${knot}`];
  const { sets, zones } = await lookAtSets(resolver, declared, at);
  assert.deepEqual(
    sets.map(({ set, state }) => [set, state]),
    [
      ["signed.test MX", "seen"],
      ["signed.test TXT", "different"],
      ["mail.signed.test A", "seen"],
      ["gone.signed.test A", "missing"],
    ],
  );
  assert.deepEqual(sets[1]?.found, [{ server: at[0], data: ['"v=spf1 -all"'] }]);
  assert.deepEqual([zones[0]?.zone, zones[0]?.dnssec], ["signed.test", "signed"]);

  // Signed, and nobody above says so: the DS that would end that is the one knot gives.
  const island = await lookAtSets(
    resolver,
    recordsIn({ "island.test MX": ["300 10 mail.island.test."] }),
    at,
  );
  assert.equal(island.zones[0]?.dnssec, "no-chain");
  assert.match(island.zones[0]?.ds[0] ?? "", /^island\.test\. IN DS \d+ 13 2 [0-9a-f]{64}$/);

  const dead = await lookAtSets(resolver, declared.slice(0, 1), [...at, "127.0.0.1:1"]);
  assert.equal(dead.sets[0]?.state, "unreachable");
});

test("an address is named after the host, after another, after none, or belongs to no public net", async () => {
  const resolver = zoneResolver({
    "PTR 9.9.9.9.in-addr.arpa": ["mail.example.org"],
    "PTR 8.8.8.8.in-addr.arpa": ["pool-8.provider.example"],
    "PTR 1.1.1.1.in-addr.arpa": "tempfail",
    "A mail.example.org": ["9.9.9.9"],
  });
  const state = async (address: string) => (await lookAtReverse(resolver, address, "mail.example.org")).state;
  assert.deepEqual(await Promise.all(["9.9.9.9", "8.8.8.8", "7.7.7.7", "1.1.1.1"].map(state)), [
    "right",
    "different",
    "missing",
    "unreachable",
  ]);
  for (const closed of [
    "127.0.0.1",
    "10.1.2.3",
    "172.31.0.1",
    "192.168.1.1",
    "192.0.2.1",
    "100.64.0.1",
    "::1",
    "fe80::1",
    "fd00::1",
    "2001:db8::1",
  ])
    assert.equal(await state(closed), "outside", closed);
  assert.notEqual(await state("172.32.0.1"), "outside");
});

test("the look-ups of an SPF policy are counted to the end of its includes (RFC 7208 §4.6.4)", async () => {
  const resolver = zoneResolver({
    "TXT example.org": [
      "v=spf1 ip4:192.0.2.1 a mx include:_spf.relay.example include:_spf.gone.example -all",
    ],
    "TXT _spf.relay.example": ["v=spf1 include:a.relay.example include:b.relay.example ~all"],
    "TXT a.relay.example": ["v=spf1 ip4:198.51.100.0/24 exists:%{i}.list.example ~all"],
    "TXT b.relay.example": ["v=spf1 redirect=_spf.relay.example"],
    "TXT plain.example": ["site-proof=1"],
  });
  const cost = await spfCost(resolver, "example.org");
  // a, mx, two includes; below the first two more, an exists and a redirect.
  assert.equal(cost?.lookups, 8);
  assert.deepEqual(cost?.problems, [
    "b.relay.example includes _spf.relay.example, which includes it again",
    "_spf.gone.example, which example.org includes, has no SPF policy",
  ]);
  assert.equal(await spfCost(resolver, "plain.example"), undefined);
});
