import assert from "node:assert/strict";
import { test } from "node:test";
import { type TestZone, zoneResolver } from "../../dns/zone-for-tests.ts";
import { type DmarcQuestion, verifyDmarc } from "./dmarc.ts";
import { parseDmarcRecord } from "./record.ts";

function verified(zone: TestZone, question: Partial<DmarcQuestion> = {}) {
  return verifyDmarc(zoneResolver(zone), {
    author: "news.example.com",
    spfDomains: [],
    dkimDomains: [],
    ...question,
  });
}
const org = (record: string): TestZone => ({ "TXT _dmarc.example.com": [record] });

const policies: readonly (readonly [zone: TestZone, result: string, policy: string | undefined])[] = [
  [{}, "none", undefined],
  [org("v=DMARC1; p=reject"), "fail", "reject"],
  [org("v=DMARC1; p=reject; sp=quarantine"), "fail", "quarantine"],
  [org("v=DMARC1; p=reject; sp=none; t=y"), "fail", "none"],
  [org("v=DMARC1; p=reject; t=y"), "fail", "quarantine"],
  [{ ...org("v=DMARC1; p=none; np=reject") }, "fail", "reject"],
  [{ ...org("v=DMARC1; p=none; np=reject"), "MX news.example.com": ["1 a.test"] }, "fail", "none"],
  [{ ...org("v=DMARC1; p=none; np=reject"), "A news.example.com": "tempfail" }, "temperror", undefined],
  [{ ...org("v=DMARC1; p=reject"), "TXT _dmarc.news.example.com": ["v=DMARC1; p=none"] }, "fail", "none"],
  [org("v=DMARC1; p=nothing"), "none", undefined],
  [org("v=DMARC1; p=nothing; rua=mailto:a@example.com"), "fail", "none"],
  [org("v=DMARC1; sp=whatever; p=reject; rua=mailto:a@example.com!10m"), "fail", "none"],
  [org("v=DMARC1; p=reject; p=none"), "none", undefined],
  [org("v=dmarc1; p=reject"), "none", undefined],
  [org("p=reject; v=DMARC1"), "none", undefined],
  [org(" v = DMARC1 ; P = REJECT ;"), "fail", "reject"],
  [{ "TXT _dmarc.example.com": ["v=DMARC1; p=reject", "v=DMARC1; p=none"] }, "none", undefined],
  [{ "TXT _dmarc.example.com": ["v=DMARC1; p=reject", "something else"] }, "fail", "reject"],
  [{ "TXT _dmarc.news.example.com": "tempfail" }, "temperror", undefined],
  [{ ...org("v=DMARC1; p=reject"), "TXT _dmarc.com": "tempfail" }, "temperror", undefined],
];
for (const [zone, result, policy] of policies)
  test(`${JSON.stringify(zone)}: ${result}, ${policy ?? "no policy"} (RFC 9989 §4.7, §4.10)`, async () => {
    const found = await verified(zone);
    assert.deepEqual([found.result, found.policy], [result, policy]);
  });

const alignments: readonly (readonly [zone: TestZone, domain: string, aligned: boolean])[] = [
  [org("v=DMARC1; p=reject"), "news.example.com", true],
  [org("v=DMARC1; p=reject"), "NEWS.example.com.", true],
  [org("v=DMARC1; p=reject"), "example.com", true],
  [org("v=DMARC1; p=reject"), "mail.example.com", true],
  [org("v=DMARC1; p=reject"), "example.net", false],
  [org("v=DMARC1; p=reject"), "badexample.com", false],
  [org("v=DMARC1; p=reject; adkim=s; aspf=s"), "example.com", false],
  [org("v=DMARC1; p=reject; adkim=s; aspf=s"), "news.example.com", true],
  // Below a public suffix everybody is another organization (§4.10.2).
  [org("v=DMARC1; p=reject; psd=y"), "other.example.com", false],
  [org("v=DMARC1; p=reject; psd=y"), "a.news.example.com", true],
  // A subdomain that declares itself an organization of its own.
  [
    { ...org("v=DMARC1; p=reject"), "TXT _dmarc.mail.example.com": ["v=DMARC1; p=none; psd=n"] },
    "mail.example.com",
    false,
  ],
];
for (const [zone, domain, aligned] of alignments)
  test(`${domain} ${aligned ? "is" : "is not"} aligned under ${JSON.stringify(zone)} (RFC 9989 §4.4)`, async () => {
    for (const identifier of [{ spfDomains: [domain] }, { dkimDomains: [domain] }])
      assert.equal((await verified(zone, identifier)).result, aligned ? "pass" : "fail");
  });

test("a walk asks at most eight names, whatever the author's name (RFC 9989 §4.10)", async () => {
  const resolver = zoneResolver({});
  const author = `${"a.".repeat(30)}example.com`;
  const { result } = await verifyDmarc(resolver, { author, spfDomains: [author], dkimDomains: [] });
  assert.equal(result, "none");
  assert.equal(resolver.queries.size, 8);
});

test("a message with a hundred signatures makes ten walks and not more (RFC 9989 §4.10.2)", async () => {
  const resolver = zoneResolver({ "TXT _dmarc.example.com": ["v=DMARC1; p=reject"] });
  const dkimDomains = Array.from({ length: 100 }, (_, at) => `${"x.".repeat(5)}s${at}.example.com`);
  const zone = { author: "news.example.com", spfDomains: [], dkimDomains };
  await verifyDmarc(resolver, zone);
  assert.ok(resolver.queries.size <= 3 + 10 * 8, String(resolver.queries.size));
});

test("report addresses are URIs; an obsolete size is dropped (RFC 9989 §4.8)", () => {
  const record = parseDmarcRecord("v=DMARC1; p=none; rua=mailto:a@b.test!10m, b@c.test ,https://d.test/x");
  assert.deepEqual(record?.reportsTo, ["mailto:a@b.test", "https://d.test/x"]);
});
