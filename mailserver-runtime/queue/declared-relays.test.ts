import assert from "node:assert/strict";
import { test } from "node:test";
import type { RelayLogin, SenderRelay, Snapshot } from "../config/snapshot.ts";
import { declaredRelays } from "./declared-relays.ts";

const origin = { file: "postfix-relaymap.cf", line: 1, owner: "setup" } as const;
function snapshot(
  relays: Readonly<Record<string, readonly [host: string, port: number] | undefined>>,
  logins: Readonly<Record<string, RelayLogin>> = {},
): Snapshot {
  const senderRelays = new Map<string, SenderRelay>(
    Object.entries(relays).map(([sender, to]) => [
      sender,
      { sender, relay: to && { host: to[0], port: to[1], lookupMx: false }, origin },
    ]),
  );
  return { senderRelays, relayLogins: new Map(Object.entries(logins)) } as unknown as Snapshot;
}

test("a sender's own line wins over its domain's, and a line without a host leaves the relay out", () => {
  const now = snapshot({
    "@green.test": ["relay.test", 587],
    "boss@green.test": ["special.test", 25],
    "@blue.test": undefined,
  });
  const choose = declaredRelays(() => now);
  assert.equal(choose("ann@green.test", "x@far.test")?.host, "relay.test");
  assert.equal(choose("boss@green.test", "x@far.test")?.host, "special.test");
  assert.equal(choose("ben@blue.test", "x@far.test"), undefined);
  assert.equal(choose("cleo@other.test", "x@far.test"), undefined);
});

test("a login demands checked TLS of its own relay and of no other", () => {
  const now = snapshot(
    { "@green.test": ["relay.test", 587], "@blue.test": ["plain.test", 25], "@red.test": ["tls.test", 465] },
    { "@green.test": { user: "u", password: "p" }, "[tls.test]:465": { user: "v", password: "q" } },
  );
  const choose = declaredRelays(() => now);
  assert.deepEqual(choose("a@green.test", "x@y.test"), {
    host: "relay.test",
    port: 587,
    tls: "starttls",
    credentials: { username: "u", password: "p" },
  });
  assert.equal(choose("a@blue.test", "x@y.test")?.tls, "opportunistic");
  assert.equal(choose("a@red.test", "x@y.test")?.tls, "implicit");
  assert.equal(choose("a@red.test", "x@y.test")?.credentials?.username, "v");
});

test("a new snapshot is in force with the next recipient", () => {
  let now = snapshot({});
  const choose = declaredRelays(() => now);
  assert.equal(choose("a@green.test", "x@y.test"), undefined);
  now = snapshot({ "@green.test": ["relay.test", 25] });
  assert.equal(choose("a@green.test", "x@y.test")?.host, "relay.test");
});
