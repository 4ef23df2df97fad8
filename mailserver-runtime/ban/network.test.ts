import assert from "node:assert/strict";
import { SocketAddress } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { clientNetwork, networkKey, networkText, parseNetwork, widened } from "./network.ts";

test("an address or a network has one spelling (RFC 5952 §4)", () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["192.0.2.1", "192.0.2.1"],
    ["192.0.2.77/24", "192.0.2.0/24"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8::/32", "2001:db8::/32"],
    ["2001:db8:1:2:3:4:5:6/64", "2001:db8:1:2::/64"],
    ["::", "::"],
    ["::1", "::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["192.0.2.1/33", undefined],
    ["192.0.2", undefined],
    ["2001:db8::/129", undefined],
    ["192.0.2.0/24/1", undefined],
    ["192.0.2.0/-1", undefined],
    ["mail.example.org", undefined],
    ["", undefined],
  ];
  for (const [text, spelling] of rows) {
    const network = parseNetwork(text);
    assert.equal(network && networkText(network), spelling, text);
  }
});

test("the spelling of every IPv6 address is the system's own", () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const network = parseNetwork(address);
      assert.ok(network);
      const text = networkText(network);
      // The C library writes the last 32 bits of some with dots; both read as the same address.
      const theirs = new SocketAddress({ address, family: "ipv6" }).address;
      assert.equal(networkKey(parseNetwork(theirs)!), networkKey(network));
      if (!theirs.includes(".")) assert.equal(text, theirs);
      assert.deepEqual(parseNetwork(text), network);
    }),
  );
});

test("no text makes the reader throw", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseNetwork(text)));
});

test("a client is an IPv4 address or the /64 of an IPv6 address", () => {
  assert.equal(networkText(clientNetwork("192.0.2.7")!), "192.0.2.7");
  assert.equal(networkText(clientNetwork("2001:db8:1:2:aaaa::1")!), "2001:db8:1:2::/64");
  assert.equal(networkText(widened(clientNetwork("2001:db8:1:2::1")!, 48)), "2001:db8:1::/48");
});
