import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  canonicalAddress,
  domainOf,
  formatAddress,
  MAX_ADDRESS_OCTETS,
  needsSmtpUtf8,
  parseAddress,
  parsePath,
} from "./address.ts";
import { parseAddressList } from "./address-list.ts";

const canonical: readonly (readonly [written: string, canonical: string | undefined])[] = [
  ["ann@example.org", "ann@example.org"],
  ["Ann.Lee+x@EXAMPLE.org", "ann.lee+x@example.org"],
  ['"ann"@example.org', "ann@example.org"],
  ['"ann lee"@example.org', '"ann lee"@example.org'],
  ['"a\\"b\\\\c"@example.org', '"a\\"b\\\\c"@example.org'],
  ['"a@b"@example.org', '"a@b"@example.org'],
  ['""@example.org', '""@example.org'],
  ["!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"],
  ["ann@bücher.example", "ann@xn--bcher-kva.example"],
  ["ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"],
  ["Jürgen@example.org", "jürgen@example.org"],
  ["ann@[192.0.2.1]", "ann@[192.0.2.1]"],
  ["ann@[IPv6:2001:DB8:0::1]", "ann@[IPv6:2001:db8::1]"],
  ["ann@localhost", "ann@localhost"],
  ["ann@under_score.example", "ann@under_score.example"],
  ["ann", undefined],
  ["@example.org", undefined],
  ["ann@", undefined],
  ["ann@example.org.", undefined],
  ["ann@.example.org", undefined],
  ["ann..lee@example.org", undefined],
  [".ann@example.org", undefined],
  ["ann.@example.org", undefined],
  ["ann lee@example.org", undefined],
  ["ann@example.org ", undefined],
  ["ann@exa mple.org", undefined],
  ["ann@b@example.org", undefined],
  ["ann@*.example.org", undefined],
  ['"ann@example.org', undefined],
  ['"an\nn"@example.org', undefined],
  ["ann\r\n@example.org", undefined],
  ["ann\0@example.org", undefined],
  ["an\ufffdn@example.org", undefined],
  ["an\u0085n@example.org", undefined],
  ["ann@[300.0.2.1]", undefined],
  ["ann@[2001:db8::1]", undefined],
  ["ann@[IPv6:192.0.2.1]", undefined],
  ["<ann@example.org>", undefined],
  [
    `${"a".repeat(MAX_ADDRESS_OCTETS - 12)}@example.org`,
    `${"a".repeat(MAX_ADDRESS_OCTETS - 12)}@example.org`,
  ],
  [`${"a".repeat(MAX_ADDRESS_OCTETS - 11)}@example.org`, undefined],
  [`${"ü".repeat(122)}@example.org`, undefined],
];
test("an address has one canonical text (RFC 5321 §4.1.2, RFC 5890, RFC 6531)", () => {
  for (const [written, expected] of canonical) assert.equal(canonicalAddress(written), expected, written);
});

test("formatting keeps the case of the local part and quotes only what needs it (RFC 5321 §2.4)", () => {
  const address = parseAddress('"Ann"@Example.ORG');
  assert.ok(address);
  assert.equal(formatAddress(address), "Ann@example.org");
  assert.equal(formatAddress({ localPart: "a b", domain: "example.org" }), '"a b"@example.org');
});

test("only a local part outside ASCII needs SMTPUTF8, a domain has a-labels (RFC 6531 §3.2)", () => {
  const needs = (text: string): boolean => needsSmtpUtf8(parseAddress(text) ?? assert.fail(text));
  assert.equal(needs("ann@bücher.example"), false);
  assert.equal(needs("jürgen@example.org"), true);
});

const paths: readonly (readonly [text: string, mailbox: string | undefined, rest: string])[] = [
  ["<>", "null", ""],
  ["<ann@example.org> SIZE=7", "ann@example.org", " SIZE=7"],
  ["<@a.example,@b.example:ann@example.org>", "ann@example.org", ""],
  ["<PostMaster>", "postmaster", ""],
  ['<"a>b"@example.org>x', '"a>b"@example.org', "x"],
  ["<ann>", undefined, ""],
  ["<@a.example:postmaster>", undefined, ""],
  ["ann@example.org", undefined, ""],
  ["<ann@example.org", undefined, ""],
  ["< ann@example.org>", undefined, ""],
  ["<ann@example.org >", undefined, ""],
];
test("a path in angle brackets is read up to its end, source routes ignored (RFC 5321 §4.1.2, appendix C)", () => {
  for (const [text, expected, rest] of paths) {
    const path = parsePath(text);
    const mailbox = path?.mailbox;
    assert.equal(typeof mailbox === "object" ? formatAddress(mailbox) : mailbox, expected, text);
    if (path !== undefined) assert.equal(text.slice(path.end), rest, text);
  }
});

test("what is written can be read again, whatever the local part holds", () => {
  const localPart = fc
    .string({ unit: "binary", minLength: 1, maxLength: 40 })
    .filter((text) => !/[\0-\x1f\x7f\u0080-\u009f\u2028\u2029\ufffd]|\p{Cs}/u.test(text));
  fc.assert(
    fc.property(localPart, fc.domain(), (local, domain) => {
      const text = formatAddress({ localPart: local, domain });
      if (Buffer.byteLength(text) > MAX_ADDRESS_OCTETS) return;
      const read = parseAddress(text);
      assert.equal(read?.localPart, local);
      assert.equal(
        formatAddress(read ?? assert.fail()),
        formatAddress({ localPart: local, domain: read.domain }),
      );
      const once = canonicalAddress(text) ?? assert.fail(text);
      assert.equal(canonicalAddress(once), once);
    }),
    { numRuns: 2000 },
  );
});

test("no text makes the readers of addresses throw", () => {
  const pieces = fc.constantFrom(
    "<",
    ">",
    "@",
    '"',
    "\\",
    "(",
    ")",
    ",",
    ";",
    ":",
    "[",
    "]",
    ".",
    "a",
    " ",
    "IPv6:",
    "ü",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.array(pieces).map((p) => p.join("")),
      ),
      (text) => {
        parseAddress(text);
        parsePath(text);
        parseAddressList(text);
        domainOf(text);
      },
    ),
    { numRuns: 5000 },
  );
});

const lists: readonly (readonly [value: string, addresses: readonly string[]])[] = [
  ["ann@example.org", ["ann@example.org"]],
  ["Ann Lee <ann@example.org>, bob@example.org", ["ann@example.org", "bob@example.org"]],
  ['"Lee, Ann" <ann@example.org>', ["ann@example.org"]],
  ['"evil@example.com" <ann@example.org>', ["ann@example.org"]],
  ["ann@example.org (Ann (the first) Lee)", ["ann@example.org"]],
  ["(hidden@example.com) ann@example.org", ["ann@example.org"]],
  ["Team: ann@example.org, Bob <bob@example.org>;", ["ann@example.org", "bob@example.org"]],
  ["undisclosed-recipients:;", []],
  ["<@a.example:ann@example.org>", ["ann@example.org"]],
  ["ann . lee @ example.org", ["ann.lee@example.org"]],
  ["ann lee@example.org", []],
  ["ann@[IPv6:2001:db8::1]", ["ann@[IPv6:2001:db8::1]"]],
  ['"a b"@example.org', ['"a b"@example.org']],
  ["nonsense, ann@example.org,,", ["ann@example.org"]],
  ["<ann@example.org", ["ann@example.org"]],
  ["", []],
];
test("the addresses of a field are found among names, comments and groups (RFC 5322 §3.4, §4.4)", () => {
  for (const [value, expected] of lists)
    assert.deepEqual(
      parseAddressList(value).map((mailbox) => formatAddress(mailbox.address)),
      expected,
      value,
    );
  assert.equal(parseAddressList('"Lee, Ann" (x) <ann@example.org>')[0]?.name, "Lee, Ann");
});

test("a field of a hundred thousand brackets is read in linear time", () => {
  const began = performance.now();
  for (const piece of ["[", "(", '"', "<", "a@", "\\", ":"])
    parseAddressList(piece.repeat(100_000 / piece.length));
  assert.ok(performance.now() - began < 4000);
});
