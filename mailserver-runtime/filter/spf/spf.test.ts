import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type TestZone, zoneResolver } from "../../dns/zone-for-tests.ts";
import { type SpfQuestion, verifySpf } from "./spf.ts";

const asked: SpfQuestion = {
  ip: "192.0.2.3",
  helo: "mx.example.org",
  sender: "strong-bad@email.example.com",
  receiver: "our.mx.test",
  now: 1_790_000_000_000,
};
/** The result for a record of the sender's domain, which may have others beside it. */
async function resultOf(record: string, zone: TestZone = {}, question: Partial<SpfQuestion> = {}) {
  const resolver = zoneResolver({ "TXT email.example.com": [record], ...zone });
  return verifySpf(resolver, { ...asked, ...question });
}

const grammar: readonly (readonly [record: string, result: string])[] = [
  ["v=spf1", "neutral"],
  ["v=spf10 +all", "none"],
  ["V=SpF1 +ALL", "pass"],
  ["v=spf1   -all  ", "fail"],
  ["v=spf1 ~all", "softfail"],
  ["v=spf1 ?all", "neutral"],
  ["v=spf1 all.", "permerror"],
  ["v=spf1 all:x.test", "permerror"],
  ["v=spf1 ip4:192.0.2.3 -all nonsense", "permerror"],
  ["v=spf1 ip4:192.0.2.3\tmx -all", "permerror"],
  ["v=spf1 ip4:192.0.2.0/24 -all", "pass"],
  ["v=spf1 ip4:192.0.2.128/25 -all", "fail"],
  ["v=spf1 ip4:192.0.2.3/33 -all", "permerror"],
  ["v=spf1 ip4:192.0.2.3/032 -all", "permerror"],
  ["v=spf1 ip4:192.0.2 -all", "permerror"],
  ["v=spf1 ip4 -all", "permerror"],
  ["v=spf1 ip4:0.0.0.0/0 -all", "pass"],
  ["v=spf1 ip6:::/0 -all", "fail"],
  ["v=spf1 ip6:2001:db8::/129 -all", "permerror"],
  ["v=spf1 ip6:2001:db8::%eth0 -all", "permerror"],
  ["v=spf1 a:host -all", "permerror"],
  ["v=spf1 a:192.0.2.3 -all", "permerror"],
  ["v=spf1 a:x.test/24/64 -all", "permerror"],
  ["v=spf1 a: -all", "permerror"],
  ["v=spf1 include -all", "permerror"],
  ["v=spf1 exists: -all", "permerror"],
  ["v=spf1 ptr/24 -all", "permerror"],
  ["v=spf1 redirect= -all", "permerror"],
  ["v=spf1 exp=a.test exp=b.test -all", "permerror"],
  ["v=spf1 redirect=a.test redirect=b.test", "permerror"],
  ["v=spf1 redirect:a.test", "permerror"],
  ["v=spf1 future.mod-1=what:ever/%{d} +all", "pass"],
  ["v=spf1 future=%{x} +all", "permerror"],
  ["v=spf1 =x +all", "permerror"],
  ["v=spf1 exists:%{c}.test -all", "permerror"],
  ["v=spf1 exists:%{d0}.test -all", "permerror"],
  ["v=spf1 exists:%x.test -all", "permerror"],
  ["v=spf1 \xef\xbb\xbfa -all", "permerror"],
];
for (const [record, expected] of grammar)
  test(`${JSON.stringify(record)} gives ${expected} (RFC 7208 §4.5, §4.6, §5, §12)`, async () => {
    assert.equal((await resultOf(record)).result, expected);
  });

test("every example of RFC 7208 §7.4 expands as it says", async () => {
  const examples: readonly (readonly [macro: string, name: string])[] = [
    ["%{d}", "email.example.com"],
    ["%{d4}", "email.example.com"],
    ["%{d3}", "email.example.com"],
    ["%{d2}", "example.com"],
    ["%{d1}", "com"],
    ["%{dr}", "com.example.email"],
    ["%{d2r}", "example.email"],
    ["%{l}", "strong-bad"],
    ["%{l-}", "strong.bad"],
    ["%{lr}", "strong-bad"],
    ["%{lr-}", "bad.strong"],
    ["%{l1r-}", "strong"],
    ["%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"],
    ["%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"],
    ["%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"],
    ["%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"],
    ["%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"],
  ];
  for (const [macro, name] of examples) {
    const { result } = await resultOf(`v=spf1 exists:${macro}.x.test -all`, {
      [`A ${name}.x.test`]: ["127.0.0.2"],
    });
    assert.equal(result, "pass", macro);
  }
  const ipv6 = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com";
  const { result } = await resultOf(
    "v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all",
    { [`A ${ipv6}`]: ["127.0.0.2"] },
    { ip: "2001:db8::cb01" },
  );
  assert.equal(result, "pass");
});

test("a, mx and ptr match by the client's family and the prefix given (RFC 7208 §5.3 to §5.5)", async () => {
  const zone: TestZone = {
    "A a.test": ["192.0.2.77"],
    "AAAA a.test": ["2001:db8::1"],
    "MX email.example.com": ["10 a.test"],
    "PTR 3.2.0.192.in-addr.arpa": ["liar.test", "host.example.com"],
    "A host.example.com": ["192.0.2.3"],
    "A liar.test": ["198.51.100.1"],
  };
  const cases: readonly (readonly [record: string, ip: string, result: string])[] = [
    ["v=spf1 a:a.test -all", "192.0.2.3", "fail"],
    ["v=spf1 a:a.test/24 -all", "192.0.2.3", "pass"],
    ["v=spf1 a:a.test//64 -all", "2001:db8::9", "pass"],
    ["v=spf1 a:a.test/24//128 -all", "2001:db8::9", "fail"],
    ["v=spf1 mx/24 -all", "192.0.2.3", "pass"],
    ["v=spf1 mx -all", "::ffff:192.0.2.77", "pass"],
    ["v=spf1 ptr:example.com -all", "192.0.2.3", "pass"],
    ["v=spf1 ptr:liar.test -all", "192.0.2.3", "fail"],
    ["v=spf1 exists:%{p}.seen.test -all", "192.0.2.3", "fail"],
  ];
  for (const [record, ip, expected] of cases)
    assert.equal((await resultOf(record, zone, { ip })).result, expected, `${record} for ${ip}`);
});

test("include and redirect take over results as the tables say (RFC 7208 §5.2, §6.1)", async () => {
  const cases: readonly (readonly [
    inner: string | "tempfail" | undefined,
    include: string,
    redirect: string,
  ])[] = [
    ["v=spf1 +all", "pass", "pass"],
    ["v=spf1 -all", "softfail", "fail"],
    ["v=spf1 ~all", "softfail", "softfail"],
    ["v=spf1 ?all", "softfail", "neutral"],
    ["v=spf1 bad", "permerror", "permerror"],
    ["tempfail", "temperror", "temperror"],
    [undefined, "permerror", "permerror"],
  ];
  for (const [inner, include, redirect] of cases) {
    const zone: TestZone =
      inner === undefined ? {} : { "TXT inner.test": inner === "tempfail" ? inner : [inner] };
    assert.equal((await resultOf("v=spf1 include:inner.test ~all", zone)).result, include, inner);
    assert.equal((await resultOf("v=spf1 redirect=inner.test", zone)).result, redirect, inner);
  }
  // With an `all` anywhere a redirect is not looked at.
  assert.equal((await resultOf("v=spf1 redirect=inner.test ~all")).result, "softfail");
});

test("eleven terms that need the DNS, three answers without a record or eleven MX hosts are a permerror (RFC 7208 §4.6.4)", async () => {
  const hosts = Object.fromEntries(
    Array.from({ length: 12 }, (_, at) => [`A h${at}.test`, ["198.51.100.9"]]),
  );
  const terms = (count: number) => Array.from({ length: count }, (_, at) => `a:h${at}.test`).join(" ");
  assert.equal((await resultOf(`v=spf1 ${terms(10)} -all`, hosts)).result, "fail");
  assert.equal((await resultOf(`v=spf1 ${terms(11)} -all`, hosts)).result, "permerror");
  const included = { ...hosts, "TXT inner.test": [`v=spf1 ${terms(9)} ?all`] };
  assert.equal((await resultOf("v=spf1 include:inner.test -all", included)).result, "fail");
  assert.equal((await resultOf("v=spf1 include:inner.test a:h1.test -all", included)).result, "permerror");
  assert.equal((await resultOf("v=spf1 a:n1.test mx:n2.test -all")).result, "fail");
  assert.equal((await resultOf("v=spf1 a:n1.test mx:n2.test a:n3.test -all")).result, "permerror");
  const exchangers = (count: number) => Array.from({ length: count }, (_, at) => `10 h${at}.test`);
  assert.equal(
    (await resultOf("v=spf1 mx -all", { ...hosts, "MX email.example.com": exchangers(10) })).result,
    "fail",
  );
  assert.equal(
    (await resultOf("v=spf1 mx -all", { ...hosts, "MX email.example.com": exchangers(11) })).result,
    "permerror",
  );
  assert.equal((await resultOf("v=spf1 include:email.example.com -all")).result, "permerror");
});

test("two SPF records are a permerror, records of other kinds are none of ours (RFC 7208 §4.5)", async () => {
  const two = zoneResolver({ "TXT email.example.com": ["v=spf1 +all", "v=spf1 +all"] });
  assert.equal((await verifySpf(two, asked)).result, "permerror");
  const one = zoneResolver({ "TXT email.example.com": ["v=spf1 -all", "v=spf10", "\x96"] });
  assert.equal((await verifySpf(one, asked)).result, "fail");
});

test("the identity is MAIL FROM, or postmaster at HELO for a null one (RFC 7208 §2.4, §4.3)", async () => {
  const resolver = zoneResolver({
    "TXT mx.example.org": ["v=spf1 exists:%{l}.%{o}.x.test -all"],
    "A postmaster.mx.example.org.x.test": ["127.0.0.2"],
  });
  const null_ = await verifySpf(resolver, { ...asked, sender: "" });
  assert.deepEqual([null_.result, null_.domain, null_.identity], ["pass", "mx.example.org", "helo"]);
  for (const helo of ["localhost", "[192.0.2.3]", `${"a".repeat(64)}.test`, "a..test", ""])
    assert.equal((await verifySpf(resolver, { ...asked, sender: "", helo })).result, "none", helo);
  const umlaut = zoneResolver({ "TXT xn--mller-kva.test": ["v=spf1 +all"] });
  assert.equal((await verifySpf(umlaut, { ...asked, sender: "a@müller.test" })).result, "pass");
});

test("a fail is explained in the domain owner's words, where they can be had (RFC 7208 §6.2)", async () => {
  const explanation = async (text: string | undefined, record = "v=spf1 -all exp=why.test") =>
    (await resultOf(record, text === undefined ? {} : { "TXT why.test": [text] })).explanation;
  assert.equal(
    await explanation("%{i} may not send for %{o}%_at %{t}, says %{r} to %{c}; see http://x.test/%{S}"),
    "192.0.2.3 may not send for email.example.com at 1790000000, says our.mx.test to 192.0.2.3; see http://x.test/strong-bad%40email.example.com",
  );
  assert.equal(await explanation("not %{x}"), undefined);
  assert.equal(await explanation("nöt"), undefined);
  assert.equal(await explanation(undefined), undefined);
  assert.equal(await explanation("of the includer only", "v=spf1 ~all exp=why.test"), undefined);
});

test("a name server that does not answer is a temperror, and no text makes it throw", async () => {
  assert.equal((await resultOf("v=spf1 a:x.test -all", { "A x.test": "tempfail" })).result, "temperror");
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.constantFrom(
            "a",
            "mx",
            "ptr",
            "include:",
            "exists:",
            "ip4:",
            "ip6:",
            "redirect=",
            "exp=",
            "/24",
            "//64",
            "%{",
            "}",
            "%{ir}",
            "email.example.com",
            " ",
            "-",
            "~",
            ".",
            "::1",
          ),
          fc.string({ unit: "binary", maxLength: 8 }),
        ),
        { maxLength: 12 },
      ),
      async (pieces) => {
        const { result } = await resultOf(`v=spf1 ${pieces.join("")}`);
        assert.match(result, /^(none|neutral|pass|fail|softfail|temperror|permerror)$/);
      },
    ),
    { numRuns: 500 },
  );
});
