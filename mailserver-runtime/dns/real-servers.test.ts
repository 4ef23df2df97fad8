import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { silentLog } from "../net/log.ts";
import { addresses, createResolver, mxHosts, type StubResolver } from "./resolver.ts";
import { startNameServer } from "./server.ts";
import { directoryWith, hasTool, publicKeysOf, startKnot, startUnbound } from "./test-support.ts";

const KEY = "ab".repeat(32);
const zone = (more: string) =>
  `$TTL 300\n@ SOA ns hostmaster 1 7200 900 1209600 60\n@ NS ns\nns A 127.0.0.1\n@ MX 10 mail\nmail A 192.0.2.1\nmail AAAA 2001:db8::1\n_25._tcp.mail TLSA 3 1 1 ${KEY}\nwww CNAME mail\n*.w TXT "wild"\nlong TXT ${Array.from({ length: 20 }, () => `"${"t".repeat(250)}"`).join(" ")}\n${more}`;

/** Knot with two signed zones and a plain one, and unbound in front of it, which also asks our own server. */
async function internet(t: TestContext) {
  const signing = (on: "on" | "off", policy = "nsec") => [
    `dnssec-signing: ${on}`,
    `dnssec-policy: ${policy}`,
  ];
  const knotPort = await startKnot(
    t,
    {
      "plain.test": { text: zone(""), lines: signing("off") },
      "bogus.test": { text: zone(""), lines: signing("on") },
      "hashed.test": { text: zone(""), lines: signing("on", "nsec3") },
      "signed.test": { text: zone(""), lines: signing("on") },
    },
    [
      "policy:",
      ...["nsec", "nsec3"].map(
        (id) =>
          `  - id: ${id}\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n    nsec3: ${id === "nsec3" ? "on" : "off"}`,
      ),
    ].join("\n"),
  );
  const ownZones = await directoryWith(t, { "ours.test.zone": zone("") });
  const ours = await startNameServer({
    address: "127.0.0.1",
    port: 0,
    zoneDirectory: ownZones,
    log: silentLog,
  });
  t.after(() => ours.close());

  const signedKey = await publicKeysOf(knotPort, "signed.test");
  await publicKeysOf(knotPort, "bogus.test");
  const anchors = [
    signedKey,
    await publicKeysOf(knotPort, "hashed.test"),
    // The bogus zone is signed, and unbound is told to expect the other zone's key.
    signedKey.replaceAll("signed.test.", "bogus.test."),
  ];
  const zones = ["signed.test", "hashed.test", "bogus.test", "plain.test"];
  const unboundPort = await startUnbound(t, anchors.join(""), {
    ...Object.fromEntries(zones.map((name) => [name, knotPort])),
    "ours.test": ours.port,
  });
  return { knotPort, unboundPort };
}

test("behind unbound, in front of knot: what is authentic is told from what is not (RFC 7672 §2.2.1)", async (t) => {
  const tools = [
    ["knotd", "knot"],
    ["kdig", "knot-dnsutils"],
    ["unbound", "unbound"],
    ["dig", "bind9-dnsutils"],
  ] as const;
  for (const [program, debianPackage] of tools) if (!hasTool(t, program, debianPackage)) return;
  const { knotPort, unboundPort } = await internet(t);
  const resolvers: StubResolver[] = [];
  const resolverAt = (port: number, trust: "loopback" | "never" = "loopback") => {
    const resolver = createResolver({
      servers: [`127.0.0.1:${port}`],
      trustAuthenticData: trust,
      deadlineMs: 5000,
    });
    resolvers.push(resolver);
    return resolver;
  };
  t.after(() => {
    for (const resolver of resolvers) resolver.close();
  });
  const validating = resolverAt(unboundPort);

  await t.test("a signed zone's answers are secure", async () => {
    const tlsa = await validating.resolve("_25._tcp.mail.signed.test", "TLSA");
    assert.deepEqual([tlsa.status, tlsa.secure, tlsa.records[0]?.certificate], ["ok", true, KEY]);
    const mx = await mxHosts(validating, "signed.test");
    assert.deepEqual([mx.hosts[0]?.host, mx.secure], ["mail.signed.test", true]);
    const host = await addresses(validating, "www.signed.test");
    assert.deepEqual(
      [host.status, host.secure, host.cname, host.addresses.length],
      ["ok", true, "mail.signed.test", 2],
    );
    const wild = await validating.resolve("any.w.signed.test", "TXT");
    assert.deepEqual([wild.status, wild.secure], ["ok", true]);
  });

  // Denial of existence is proven by names in the one (RFC 4034 §4), by hashes in the other (RFC 5155).
  for (const origin of ["signed.test", "hashed.test"])
    await t.test(`what ${origin} says is not there is not there, securely`, async () => {
      for (const [name, status] of [
        [`gone.${origin}`, "nxdomain"],
        [origin, "nodata"],
      ] as const) {
        const answer = await validating.resolve(name, "TLSA");
        assert.deepEqual([answer.status, answer.secure], [status, true]);
        assert.ok(answer.ttl > 0 && answer.ttl <= 60, String(answer.ttl));
      }
    });

  await t.test("an unsigned zone's answers are not, nor any from a server that is not believed", async () => {
    const plain = await validating.resolve("_25._tcp.mail.plain.test", "TLSA");
    assert.deepEqual([plain.status, plain.secure], ["ok", false]);
    const unbelieved = await resolverAt(unboundPort, "never").resolve("signed.test", "MX");
    assert.deepEqual([unbelieved.status, unbelieved.secure], ["ok", false]);
    const authoritative = await resolverAt(knotPort).resolve("signed.test", "MX");
    assert.deepEqual([authoritative.status, authoritative.secure], ["ok", false]);
  });

  await t.test("a zone with a wrong signature gives no answer at all", async () => {
    const answer = await validating.resolve("bogus.test", "MX");
    assert.deepEqual([answer.status, answer.records.length], ["tempfail", 0]);
    assert.match(answer.reason ?? "", /SERVFAIL/);
    assert.equal((await mxHosts(validating, "bogus.test")).status, "tempfail");
  });

  await t.test("signed answers too long for UDP come over TCP", async () => {
    const answer = await validating.resolve("long.signed.test", "TXT");
    assert.deepEqual([answer.records[0]?.strings.join("").length, answer.secure], [5000, true]);
  });

  await t.test("unbound is content with our own name server", async () => {
    assert.equal((await mxHosts(validating, "ours.test")).hosts[0]?.host, "mail.ours.test");
    assert.equal((await validating.resolve("long.ours.test", "TXT")).records[0]?.strings.length, 20);
    assert.equal((await validating.resolve("gone.ours.test", "A")).status, "nxdomain");
    assert.equal((await validating.resolve("x.w.ours.test", "TXT")).status, "ok");
    assert.equal((await addresses(validating, "www.ours.test")).addresses.length, 2);
  });
});
