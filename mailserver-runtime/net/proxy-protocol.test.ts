import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { clientKey, networkList, normalAddress } from "./address.ts";
import { parseProxyHeader } from "./proxy-protocol.ts";

const signature = "\r\n\r\n\0\r\nQUIT\n";
const v2 = (rest: readonly number[]) => Buffer.concat([Buffer.from(signature, "latin1"), Buffer.from(rest)]);
const v4Addresses = [203, 0, 113, 7, 192, 0, 2, 1, 0x30, 0x39, 0, 25];

test("version 1 headers are read as proxy-protocol.txt §2.1 has them", () => {
  const table: [string, unknown][] = [
    [
      "PROXY TCP4 203.0.113.7 192.0.2.1 12345 25\r\nEHLO x\r\n",
      {
        kind: "header",
        length: 43,
        source: { address: "203.0.113.7", port: 12345 },
        destination: { address: "192.0.2.1", port: 25 },
      },
    ],
    ["PROXY UNKNOWN whatever\r\n", { kind: "header", length: 24 }],
    ["PROXY TCP4 203.0.113.7", { kind: "incomplete" }],
    ["PRO", { kind: "incomplete" }],
    ["EHLO client\r\n", { kind: "invalid", reason: "no PROXY header" }],
    ["PROXY TCP4 2001:db8::1 192.0.2.1 1 2\r\n", { kind: "invalid", reason: "PROXY addresses are wrong" }],
    ["PROXY TCP4 203.0.113.7 192.0.2.1 99999 25\r\n", { kind: "invalid", reason: "PROXY ports are wrong" }],
    [`PROXY UNKNOWN ${"x".repeat(200)}`, { kind: "invalid", reason: "PROXY line longer than 107 bytes" }],
  ];
  for (const [text, expected] of table)
    assert.deepEqual(parseProxyHeader(Buffer.from(text, "latin1")), expected, text);
});

test("version 2 headers are read as proxy-protocol.txt §2.2 has them", () => {
  assert.deepEqual(parseProxyHeader(v2([0x21, 0x11, 0, 12, ...v4Addresses])), {
    kind: "header",
    length: 28,
    source: { address: "203.0.113.7", port: 12345 },
    destination: { address: "192.0.2.1", port: 25 },
  });
  const mapped = [...Array(10).fill(0), 255, 255, 198, 51, 100, 9];
  const six = [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1];
  const header = parseProxyHeader(v2([0x21, 0x21, 0, 36, ...mapped, ...six, 0, 1, 0, 2]));
  assert.deepEqual(header, {
    kind: "header",
    length: 52,
    source: { address: "198.51.100.9", port: 1 },
    destination: { address: "2001:db8::1", port: 2 },
  });
  assert.deepEqual(parseProxyHeader(v2([0x20, 0, 0, 0])), { kind: "header", length: 16 });
  assert.equal(parseProxyHeader(v2([0x21, 0x11, 0, 12, 1, 2])).kind, "incomplete");
  assert.equal(parseProxyHeader(v2([0x21, 0x11, 0, 4, 1, 2, 3, 4])).kind, "invalid");
  assert.equal(parseProxyHeader(v2([0x31, 0x11, 0, 12, ...v4Addresses])).kind, "invalid");
  assert.equal(parseProxyHeader(v2([0x21, 0x11, 255, 255])).kind, "invalid");
});

test("no bytes make the PROXY reader throw, and a header never reaches beyond what came", () => {
  const start = fc.constantFrom("", "PROXY ", "PROXY TCP4 ", signature, `${signature}\x21\x11`);
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 150 }), (head, rest) => {
      const bytes = Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(rest)]);
      const header = parseProxyHeader(bytes);
      if (header.kind === "header") assert.ok(header.length <= bytes.length);
    }),
    { numRuns: 5000 },
  );
});

test("addresses have one form, and one IPv6 site is one client", () => {
  assert.equal(normalAddress("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(normalAddress("FE80::1%eth0"), "fe80::1");
  assert.equal(clientKey("192.0.2.1"), "192.0.2.1");
  assert.equal(clientKey("2001:db8:0:1::5"), clientKey("2001:db8:0:1:ffff::9"));
  assert.equal(clientKey("2001:db8::5"), "2001:db8:0:0::/64");
  assert.equal(clientKey("::1"), clientKey("::2"));
  assert.notEqual(clientKey("2001:db8:0:1::5"), clientKey("2001:db8:0:2::5"));
});

test("a network list holds its addresses and refuses what is none, naming it", () => {
  const list = networkList(["192.0.2.0/24", "::1", "2001:db8::/32"]);
  assert.ok(list.has("192.0.2.77") && list.has("::1") && list.has("2001:db8:ffff::1"));
  assert.ok(!list.has("192.0.3.1") && !list.has("nonsense"));
  for (const wrong of ["192.0.2.0/33", "10.0.0.0/", "example.org", "10.0.0.0/8/8"])
    assert.throws(() => networkList([wrong]), { message: new RegExp(wrong.replaceAll("/", "\\/")) });
});
