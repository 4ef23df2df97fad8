import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalAddress, InvalidAddress, parseDomain } from "./address.ts";

test("an address is kept in lower case with its domain as a-labels (RFC 5890)", () => {
  assert.equal(canonicalAddress("Anna.Li+x@BÜCHER.example."), "anna.li+x@xn--bcher-kva.example");
});

test("what is no dot-string before the @ is refused (RFC 5321 §4.1.2)", () => {
  for (const text of [
    "anna",
    "@example.org",
    ".a@example.org",
    "a..b@example.org",
    "a b@example.org",
    '"a"@example.org',
    "a\r\n@example.org",
  ])
    assert.throws(() => canonicalAddress(text), InvalidAddress, text);
});

test("a local part has at most 64 octets (RFC 5321 §4.5.3.1.1)", () => {
  assert.ok(canonicalAddress(`${"a".repeat(64)}@example.org`));
  assert.throws(() => canonicalAddress(`${"a".repeat(65)}@example.org`), /64 octets/);
  assert.throws(() => canonicalAddress(`${"ü".repeat(33)}@example.org`), /64 octets/);
});

test("a mail domain has at least two labels, each fit for a host (RFC 1123 §2.1)", () => {
  for (const text of [
    "",
    "localhost",
    "a_b.example",
    "-a.example",
    "a..example",
    "*.example.org",
    "ex ample.org",
  ])
    assert.throws(() => parseDomain(text), InvalidAddress, text);
});
