import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  characterStrings,
  characterText,
  compareNames,
  type DnsRecord,
  dnsRecord,
  domainName,
  hostName,
  InvalidName,
  InvalidRecord,
  ipAddress,
  isDomainName,
  isWithin,
  parseMasterFile,
  quoted,
  recordChanges,
  recordText,
  renderMasterFile,
  reverseName,
  sameRecord,
  sortRecords,
  uniqueRecords,
} from "./records.ts";

const label = fc.stringMatching(/^[a-z0-9_]([a-z0-9_-]{0,12}[a-z0-9_])?$/);
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join("."));
const bytes = fc
  .uint8Array({ maxLength: 255 })
  .map((octets) => Array.from(octets, (octet) => String.fromCharCode(octet)).join(""));
const u16 = fc.nat({ max: 65_535 });
const u8 = fc.nat({ max: 255 });
const time = fc.nat({ max: 2 ** 31 - 1 });
const ipv6 = fc
  .array(u16, { minLength: 8, maxLength: 8 })
  .map((g) => ipAddress(g.map((n) => n.toString(16)).join(":"))!.text);
const rdata = fc.oneof(
  fc.record({ type: fc.constant("A" as const), address: fc.ipV4() }),
  fc.record({ type: fc.constant("AAAA" as const), address: ipv6 }),
  fc.record({
    type: fc.constant("MX" as const),
    preference: u16,
    exchange: fc.oneof(name, fc.constant(".")),
  }),
  fc.record({ type: fc.constant("TXT" as const), strings: fc.array(bytes, { minLength: 1, maxLength: 4 }) }),
  fc.record({ type: fc.constantFrom("CNAME" as const, "NS" as const, "PTR" as const), target: name }),
  fc.record({ type: fc.constant("SRV" as const), priority: u16, weight: u16, port: u16, target: name }),
  fc.record({
    type: fc.constant("CAA" as const),
    flags: u8,
    tag: fc.constantFrom("issue", "issuewild", "iodef"),
    value: fc.stringMatching(/^[ -~]{0,80}$/),
  }),
  fc.record({
    type: fc.constant("TLSA" as const),
    usage: u8,
    selector: u8,
    matchingType: u8,
    certificate: fc
      .uint8Array({ minLength: 1, maxLength: 64 })
      .map((octets) => Buffer.from(octets).toString("hex")),
  }),
  fc.record({
    type: fc.constant("SOA" as const),
    mname: name,
    rname: name,
    serial: fc.nat({ max: 2 ** 32 - 1 }),
    refresh: time,
    retry: time,
    expire: time,
    minimum: time,
  }),
);
const record = fc
  .tuple(name, time, rdata)
  .map(([owner, ttl, data]) => dnsRecord({ name: `${owner}.example.com`, ttl, ...data } as DnsRecord));

describe("domain names", () => {
  const canonical: readonly [input: string, name: string][] = [
    ["Example.COM.", "example.com"],
    [".", "."],
    ["_dmarc.example.com", "_dmarc.example.com"],
    ["*.example.com", "*.example.com"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["Straße.example", "xn--strae-oqa.example"],
    ["日本語。JP", "xn--wgv71a119e.jp"],
    ["26/27.2.0.192.in-addr.arpa", "26/27.2.0.192.in-addr.arpa"],
  ];
  for (const [input, expected] of canonical)
    test(`"${input}" is ${expected} (RFC 5890, UTS #46)`, () => assert.equal(domainName(input), expected));

  const refused: readonly [input: string, reason: RegExp][] = [
    ["", /empty/],
    ["a..example", /empty label/],
    [".example", /empty label/],
    ["a b.example", /character " "/],
    ["a\\.b.example", /character "\\\\"/],
    ["a.*.example", /wildcard/],
    [`${"a".repeat(64)}.example`, /64 octets/],
    [`${"a.".repeat(127)}example`, /longer than 253/],
    ["ü@example", /URL punctuation/],
    ["ü%41.example", /URL punctuation/],
    ["\u{ad}.example", /no IDNA form/],
    ["evil.example\n", /character "\\n"/],
  ];
  for (const [input, reason] of refused)
    test(`${JSON.stringify(input.slice(0, 20))} is refused: ${reason.source}`, () =>
      assert.throws(
        () => domainName(input),
        (error: unknown) => error instanceof InvalidName && reason.test(error.message),
      ));

  test("a host name has no underscore, wildcard or outer hyphen (RFC 1123 §2.1)", () => {
    assert.equal(hostName("MAIL.example.com"), "mail.example.com");
    for (const bad of ["_a.example", "*.example", "-a.example", "a-.example"])
      assert.throws(() => hostName(bad), InvalidName);
  });

  test("what is accepted is canonical already the second time", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" }), name), (input) => {
        if (!isDomainName(input)) return;
        const once = domainName(input);
        assert.equal(domainName(once), once);
        assert.ok(once.length <= 253 && /^[a-z0-9_/+.*-]+$/.test(once));
      }),
      { numRuns: 1000 },
    );
  });

  test("zone order puts an apex before what is below it (RFC 4034 §6.1)", () => {
    const names = ["z.example", "a.example", "example", "yljkjljk.a.example", "_x.a.example", "."];
    assert.deepEqual(names.sort(compareNames), [
      ".",
      "example",
      "a.example",
      "_x.a.example",
      "yljkjljk.a.example",
      "z.example",
    ]);
    assert.ok(isWithin("a.example", "example") && !isWithin("aexample", "example") && isWithin("x", "."));
  });
});

describe("addresses", () => {
  const cases: readonly [text: string, reverse: string | undefined][] = [
    ["192.0.2.1", "1.2.0.192.in-addr.arpa"],
    ["::1", `1.${"0.".repeat(31)}ip6.arpa`],
    ["2001:DB8::ab", `b.a.${"0.".repeat(22)}8.b.d.0.1.0.0.2.ip6.arpa`],
    ["1::", `${"0.".repeat(28)}1.0.0.0.ip6.arpa`],
    ["192.0.2.01", undefined],
    ["192.0.2.256", undefined],
    ["fe80::1%eth0", undefined],
    ["[::1]", undefined],
    ["1:2", undefined],
  ];
  for (const [text, reverse] of cases)
    test(`${text} has ${reverse === undefined ? "no PTR name" : `the PTR name ${reverse}`} (RFC 1035 §3.5, RFC 3596 §2.5)`, () =>
      assert.equal(reverseName(text), reverse));

  test("IPv6 is written one way (RFC 5952)", () => {
    assert.deepEqual(ipAddress("2001:0DB8:0:0:0:0:0:1"), { family: 6, text: "2001:db8::1" });
  });
});

describe("TXT data", () => {
  test("text of any length comes back whole, and no string is over 255 octets (RFC 1035 §3.3)", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 1200 }), (text) => {
        const strings = characterStrings(text);
        assert.ok(strings.length > 0 && strings.every((string) => string.length <= 255));
        assert.equal(characterText(strings), text);
      }),
    );
  });

  test("the cut counts octets, not characters", () => {
    assert.deepEqual(
      characterStrings("é".repeat(200)).map((string) => string.length),
      [255, 145],
    );
    assert.deepEqual(characterStrings(""), [""]);
  });

  test("quotes, backslashes and octets beyond ASCII are escaped (RFC 1035 §5.1)", () => {
    assert.equal(quoted('a"b\\c\n\xff'), '"a\\"b\\\\c\\010\\255"');
  });
});

describe("records", () => {
  const refused: readonly [DnsRecord, RegExp][] = [
    [{ type: "A", name: "a.example", ttl: 1, address: "::1" }, /"::1" is not an IPv4 address/],
    [{ type: "AAAA", name: "a.example", ttl: 1, address: "192.0.2.1" }, /not an IPv6 address/],
    [{ type: "MX", name: "a.example", ttl: 1, preference: 65_536, exchange: "b" }, /preference is 65536/],
    [{ type: "A", name: "a.example", ttl: -1, address: "192.0.2.1" }, /ttl is -1/],
    [{ type: "TXT", name: "a.example", ttl: 1, strings: ["x".repeat(256)] }, /256 octets/],
    [{ type: "TXT", name: "a.example", ttl: 1, strings: ["€"] }, /characterStrings/],
    [{ type: "TXT", name: "a.example", ttl: 1, strings: [] }, /at least one/],
    [
      { type: "TLSA", name: "a.example", ttl: 1, usage: 3, selector: 1, matchingType: 1, certificate: "abc" },
      /hex/,
    ],
    [{ type: "CAA", name: "a.example", ttl: 1, flags: 0, tag: "is sue", value: "x" }, /CAA tag/],
  ];
  for (const [bad, reason] of refused)
    test(`a ${bad.type} record is refused: ${reason.source}`, () =>
      assert.throws(
        () => dnsRecord(bad),
        (error: unknown) =>
          error instanceof InvalidRecord && reason.test(error.message) && error.message.includes("a.example"),
      ));

  test("a record becomes canonical, and its text is absolute", () => {
    const mx = dnsRecord({
      type: "MX",
      name: "Example.COM.",
      ttl: 300,
      preference: 10,
      exchange: "Mail.Example.com.",
    });
    assert.equal(recordText(mx), "example.com. 300 IN MX 10 mail.example.com.");
  });

  test("TXT records that differ only in how they are cut say the same; so do others with another ttl", () => {
    const one: DnsRecord = { type: "TXT", name: "a.example", ttl: 1, strings: ["v=spf1 ", "-all"] };
    assert.ok(sameRecord(one, { ...one, ttl: 2, strings: ["v=spf1 -all"] }));
    assert.ok(!sameRecord(one, { ...one, name: "b.example" }));
    assert.equal(uniqueRecords([one, { ...one, ttl: 9 }]).length, 1);
  });

  test("changes name what to create, remove and keep", () => {
    const a: DnsRecord = { type: "A", name: "a.example", ttl: 60, address: "192.0.2.1" };
    const b: DnsRecord = { ...a, address: "192.0.2.2" };
    assert.deepEqual(recordChanges([a, b], [b, { ...a, ttl: 61 }]), {
      create: [{ ...a, ttl: 61 }],
      remove: [a],
      keep: [b],
    });
  });
});

describe("master files (RFC 1035 §5)", () => {
  test("what is written is read back as the same records, whatever the octets", () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 12 }),
        fc.constantFrom("example.com", ".", "other.test"),
        (records, origin) => {
          const text = renderMasterFile(records, { origin, header: ["a\nb"], comment: (r) => r.name });
          const { entries, problems } = parseMasterFile(text, { origin: "elsewhere.test" });
          assert.deepEqual(problems, []);
          assert.deepEqual(
            entries.map((entry) => entry.record),
            sortRecords(records),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  test("a file with everything RFC 1035 and BIND allow is read", () => {
    const { entries, problems } = parseMasterFile(
      [
        "; the zone",
        "$TTL 1h30m",
        "@ IN SOA ns hostmaster.example.com. ( 2026010100 ; serial",
        "    2h 15m",
        "    2w 300 )",
        "  NS ns",
        "\t3600 IN MX 10 mail",
        "IN  IN A 192.0.2.9",
        'long IN 60 TXT "v=DKIM1; p=a" ( "b\\"c"',
        "  unquoted\\032word ) ; end",
        "$ORIGIN sub.example.com.",
        "www CNAME @",
        "bücher AAAA 2001:DB8::1",
        "_25._tcp TLSA 3 1 1 ( AB cd\n ef )",
        '@ CAA 0 issue "letsencrypt.org; accounturi=https://a/1"',
      ].join("\r\n"),
      { origin: "Example.com" },
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(
      entries.map((entry) => `${entry.line}: ${recordText(entry.record)}`),
      [
        "3: example.com. 5400 IN SOA ns.example.com. hostmaster.example.com. 2026010100 7200 900 1209600 300",
        "6: example.com. 5400 IN NS ns.example.com.",
        "7: example.com. 3600 IN MX 10 mail.example.com.",
        "8: in.example.com. 5400 IN A 192.0.2.9",
        '9: long.example.com. 60 IN TXT "v=DKIM1; p=a" "b\\"c" "unquoted word"',
        "12: www.sub.example.com. 5400 IN CNAME sub.example.com.",
        "13: xn--bcher-kva.sub.example.com. 5400 IN AAAA 2001:db8::1",
        "14: _25._tcp.sub.example.com. 5400 IN TLSA 3 1 1 abcdef",
        '16: sub.example.com. 5400 IN CAA 0 issue "letsencrypt.org; accounturi=https://a/1"',
      ],
    );
  });

  const broken: readonly [line: string, reason: RegExp][] = [
    ["a IN A 192.0.2.300", /not an IPv4 address/],
    ["a IN A", /address is missing/],
    ["a IN A 192.0.2.1 192.0.2.2", /"192.0.2.2" is left over/],
    ["a IN WKS 192.0.2.1", /"WKS" is not a record type/],
    ["a CH TXT x", /class CH/],
    ["a IN MX ten mail", /preference is "ten"/],
    ['a IN TXT "open', /no closing quote/],
    ["a IN TXT \\999", /escape/],
    ["a IN TXT ( x", /never closed/],
    ["a IN TXT x )", /without an opening/],
    ["$INCLUDE /etc/passwd", /not read here/],
    ["$GENERATE 1-9999999 a$ A 192.0.2.1", /not read here/],
    ["$TTL soon", /takes one time/],
    ["a\\.b IN A 192.0.2.1", /escape/],
    [`a IN TXT "${"x".repeat(256)}"`, /256 octets/],
    ["a 99999999999w IN A 192.0.2.1", /not a record type|ttl/],
    ["a IN", /type is missing/],
  ];
  for (const [line, reason] of broken)
    test(`line 2 is named when it is ${JSON.stringify(line.slice(0, 40))}`, () => {
      const { entries, problems } = parseMasterFile(`ok A 192.0.2.1\n${line}\n`, { origin: "example.com" });
      assert.equal(problems.length, 1);
      assert.equal(problems[0]?.line, 2);
      assert.match(problems[0]?.reason ?? "", reason);
      assert.equal(entries.length, 1);
    });

  test("reading goes on after a mistake, and no text makes it throw or hang", () => {
    const two = parseMasterFile("a A x\nb A 192.0.2.1\nc A y\n", { origin: "example" });
    assert.deepEqual(
      two.problems.map((problem) => problem.line),
      [1, 3],
    );
    assert.equal(two.entries.length, 1);
    const noise = fc.array(
      fc.constantFrom("(", ")", '"', "\\", "\n", ";", " ", "a", "IN", "TXT", "@", "$ORIGIN", "\\1", "é", "3"),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          noise.map((parts) => parts.join("")),
        ),
        (text) => {
          parseMasterFile(text, { origin: "example" });
        },
      ),
      { numRuns: 1500 },
    );
    const before = process.cpuUsage();
    for (const unit of ["(", '"', "\\", "a\\", '"a', "( "])
      parseMasterFile(unit.repeat(50_000), { origin: "example" });
    const spent = process.cpuUsage(before).user / 1000;
    assert.ok(spent < 3000, `a hostile file costs its length, not its square: ${spent} ms`);
  });
});
