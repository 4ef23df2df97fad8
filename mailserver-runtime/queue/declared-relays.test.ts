import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRelayHost } from "../config/dms/relays.ts";
import type { RelayLogin, SenderRelay, Snapshot, StackRelay } from "../config/snapshot.ts";
import { snapshotOf } from "../routing/snapshot-for-tests.ts";
import type { SettingsInput } from "../settings/schema.ts";
import { declaredRelays, overflowRelay } from "./declared-relays.ts";
import { relayKey } from "./relay.ts";

const origin = { file: "postfix-relaymap.cf", line: 1, owner: "setup" } as const;
/** Lines of the relay map (undefined: a sender alone), of the login file, the variables and the stack's relays. */
function snapshot(
  relays: Readonly<Record<string, string | undefined>>,
  logins: Readonly<Record<string, RelayLogin>> = {},
  variables: SettingsInput["relay"] = {},
  stackRelays: readonly StackRelay[] = [],
): Snapshot {
  const senderRelays = new Map<string, SenderRelay>(
    Object.entries(relays).map(([sender, to]) => [
      sender,
      { sender, relay: to === undefined ? undefined : parseRelayHost(to), origin },
    ]),
  );
  const base = snapshotOf({ domains: ["green.test", "blue.test"], relay: variables });
  return { ...base, senderRelays, stackRelays, relayLogins: new Map(Object.entries(logins)) };
}
const chosen = (of: Snapshot) => {
  const choose = declaredRelays(() => of);
  return (from: string, to = "x@far.test") => choose(from, to).relay;
};
const login = (user: string) => ({ user, password: `${user}-secret` });

test("a sender's own line wins over its domain's, and a line without a host leaves the relay out", () => {
  const relay = chosen(
    snapshot({
      "@green.test": "[relay.test]:587",
      "boss@green.test": "[special.test]",
      "@blue.test": undefined,
    }),
  );
  assert.equal(relay("ann@green.test")?.host, "relay.test");
  assert.equal(relay("Boss@GREEN.test")?.host, "special.test");
  assert.equal(relay("ben@blue.test"), undefined);
  assert.equal(relay("cleo@other.test"), undefined);
});

test("a login demands checked TLS of its own relay and of no other", () => {
  const relay = chosen(
    snapshot(
      {
        "@green.test": "[relay.test]:587",
        "@blue.test": "[plain.test]",
        "@red.test": "[tls.test]:465",
        "@grey.test": "[open.test]:465",
      },
      { "@green.test": login("u"), "[tls.test]:465": login("v") },
    ),
  );
  assert.deepEqual(relay("a@green.test"), {
    host: "relay.test",
    port: 587,
    tls: "starttls",
    credentials: { username: "u", password: "u-secret" },
  });
  assert.equal(relay("a@blue.test")?.tls, "opportunistic");
  assert.equal(relay("a@red.test")?.tls, "implicit");
  assert.equal(relay("a@red.test")?.credentials?.username, "v");
  assert.equal(relay("a@grey.test")?.tls, "implicit");
});

test("logins are looked up by sender, then domain, then relay (smtp_sender_dependent_authentication)", () => {
  const relay = chosen(
    snapshot(
      { "@green.test": "[relay.test]:587", "@blue.test": "[relay.test]:587", "@red.test": "other.test" },
      {
        "ann@green.test": login("ann"),
        "@green.test": login("green"),
        "[relay.test]:587": login("relay"),
        "other.test": login("other"),
      },
    ),
  );
  const user = (from: string) => relay(from)?.credentials?.username;
  assert.deepEqual(["ann@green.test", "bob@green.test", "ben@blue.test", "cleo@red.test"].map(user), [
    "ann",
    "green",
    "relay",
    "other",
  ]);
});

test("RELAY_HOST takes the mail of hosted domains without a line, and of the server's own reports", () => {
  const relay = chosen(
    snapshot({ "@blue.test": undefined }, {}, { host: "relay.test", port: 587, user: "u", password: "p" }),
  );
  assert.deepEqual(relay("ann@green.test"), {
    host: "relay.test",
    port: 587,
    tls: "starttls",
    credentials: { username: "u", password: "p" },
  });
  assert.equal(relay("")?.host, "relay.test");
  assert.equal(relay("ben@blue.test"), undefined, "a line with the domain alone is its opt-out");
  assert.equal(relay("forwarded@other.test"), undefined);
});

test("DEFAULT_RELAY_HOST takes all other mail, in any form, and sender logins count there too", () => {
  const forms = {
    "[relay.test]:587": ["relay.test", 587, undefined],
    "[relay.test]": ["relay.test", 25, undefined],
    "relay.test:submission": ["relay.test", 587, true],
    "Relay.test": ["relay.test", 25, true],
    "[2001:db8::1]:465": ["2001:db8::1", 465, undefined],
    "[IPv6:2001:db8::1]": ["2001:db8::1", 25, undefined],
  };
  for (const [defaultHost, [host, port, lookupMx]] of Object.entries(forms)) {
    const found = chosen(snapshot({}, {}, { defaultHost }))("cleo@other.test");
    assert.deepEqual([found?.host, found?.port, found?.lookupMx], [host, port, lookupMx], defaultHost);
  }
  const relay = chosen(snapshot({}, { "@green.test": login("green") }, { defaultHost: "[relay.test]:587" }));
  assert.equal(relay("ann@green.test")?.credentials?.username, "green");
  assert.equal(relay("cleo@other.test")?.credentials, undefined);
  assert.equal(relay("cleo@other.test")?.tls, "opportunistic");
});

test("the stack's relays match by recipient domain, sender and sender domain, direct among them", () => {
  const to = (host: string) => ({ host, port: 587, tls: "starttls" as const, lookupMx: false });
  const none = { recipientDomains: [], senders: [], senderDomains: [] };
  const stack = (
    name: string,
    relay: StackRelay["relay"],
    match: Partial<StackRelay["match"]>,
  ): StackRelay => ({
    name,
    relay,
    match: { ...none, ...match },
    origin: { ...origin, owner: "stack" },
  });
  const relay = chosen(
    snapshot({ "ann@green.test": "[files.test]" }, {}, { host: "variable.test" }, [
      stack("a", to("partner.test"), { recipientDomains: ["partner.test"] }),
      stack("b", undefined, { recipientDomains: ["near.test"] }),
      stack("c", to("boss.test"), { senders: ["boss@green.test"] }),
      stack("d", to("green-relay.test"), { senderDomains: ["green.test"] }),
      stack("e", to("rest.test"), {}),
    ]),
  );
  assert.equal(relay("boss@green.test", "x@partner.test")?.host, "partner.test");
  assert.equal(relay("boss@green.test", "x@near.test"), undefined);
  assert.equal(relay("boss@green.test")?.host, "boss.test");
  assert.equal(relay("ben@green.test")?.host, "green-relay.test");
  assert.equal(relay("ann@green.test")?.host, "files.test", "a sender's line is nearer than a domain's rule");
  assert.equal(relay("cleo@other.test")?.host, "rest.test");
});

test("another login or password is another connection", () => {
  const key = (password: string) =>
    relayKey({ host: "r", port: 1, tls: "starttls", credentials: { username: "u", password } });
  assert.notEqual(key("old"), key("new"));
  assert.ok(!key("old").includes("old"));
});

test("warm-up's relay is the one the stack declares there, else the host itself with its login", () => {
  const named = (relay: string | undefined, of: Snapshot): Snapshot => {
    const { delivery } = of.settings;
    const warmUp = { ...delivery.warmUp, relay };
    return { ...of, settings: { ...of.settings, delivery: { ...delivery, warmUp } } };
  };
  const logins = { "[relay.test]:587": login("relay") };
  assert.equal(overflowRelay(named(undefined, snapshot({}))), undefined);
  const plain = overflowRelay(named("[relay.test]:587", snapshot({}, logins)));
  assert.deepEqual(plain?.credentials, { username: "relay", password: "relay-secret" });
  assert.equal(plain?.tls, "starttls", "a login goes over checked TLS only");
  const relay = { host: "relay.test", port: 587, tls: "starttls", lookupMx: false } as const;
  const declared: StackRelay = {
    name: "bulk",
    match: { recipientDomains: ["never.test"], senders: [], senderDomains: [] },
    relay,
    origin,
  };
  assert.equal(
    overflowRelay(named("[relay.test]:587", snapshot({}, logins, {}, [declared]))),
    declared.relay,
  );
  assert.equal(overflowRelay(named("bulk", snapshot({}, {}, {}, [declared]))), declared.relay);
});

test("a new snapshot is in force with the next recipient", () => {
  let now = snapshot({});
  const choose = declaredRelays(() => now);
  assert.equal(choose("a@green.test", "x@y.test").relay, undefined);
  now = snapshot({ "@green.test": "[relay.test]" });
  assert.equal(choose("a@green.test", "x@y.test").relay?.host, "relay.test");
});
