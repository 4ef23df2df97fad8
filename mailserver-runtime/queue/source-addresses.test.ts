import assert from "node:assert/strict";
import { test } from "node:test";
import { type SettingsInput, settingsSchema } from "../settings/schema.ts";
import { findTargets } from "./client/targets.ts";
import { SourceAddresses } from "./source-addresses.ts";
import { zoneResolver } from "./zone-resolver.ts";

const hostname = "mail.here.test";
const PTR = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
const good = { "AAAA mail.here.test": ["2001:db8::1"], [`PTR ${PTR}`]: ["mail.here.test"] };
const delivery = (given: SettingsInput["delivery"]) =>
  settingsSchema.parse({ hostname, delivery: given }).delivery;
const look = (
  zone: Parameters<typeof zoneResolver>[0],
  given: SettingsInput["delivery"] = {},
  own = ["2001:db8::1"],
) =>
  new SourceAddresses({ resolver: zoneResolver(zone), clock: () => 0, own: () => own }).choose(
    hostname,
    delivery(given),
  );

test("IPv6 is used from an address that name and PTR record confirm, and from no other (RFC 8601 §3)", async () => {
  assert.deepEqual(await look(good), { v4: undefined, v6: "2001:db8::1", noIpv6: undefined });
  assert.match((await look(good, {}, [])).noIpv6 ?? "", /no global IPv6 address/);
  assert.match((await look(good, {}, ["2001:db8::2"])).noIpv6 ?? "", /mail\.here\.test has no AAAA record/);
  assert.match(
    (await look({ "AAAA mail.here.test": ["2001:db8::1"] })).noIpv6 ?? "",
    /no PTR record confirms/,
  );
  const foreign = { ...good, [`PTR ${PTR}`]: ["pool-1.provider.test"] };
  assert.match((await look(foreign)).noIpv6 ?? "", /no PTR record confirms/);
});

test("the settings decide without a look-up, and name the addresses", async () => {
  const addresses = ["192.0.2.1", "2001:db8::9"];
  assert.deepEqual(await look({}, { ipv6: "always", addresses }), {
    v4: "192.0.2.1",
    v6: "2001:db8::9",
    noIpv6: undefined,
  });
  assert.equal((await look(good, { ipv6: "never", addresses })).v6, undefined);
  assert.match((await look(good, { addresses })).noIpv6 ?? "", /no AAAA record/, "the declared one is meant");
});

test("the answer is kept, a good one for an hour and another for ten minutes", async () => {
  let asked = 0;
  let now = 0;
  let zone: Parameters<typeof zoneResolver>[0] = {};
  const resolver = {
    resolve: ((name, type) => {
      asked += 1;
      return zoneResolver(zone).resolve(name, type);
    }) as ReturnType<typeof zoneResolver>["resolve"],
  };
  const sources = new SourceAddresses({ resolver, clock: () => now, own: () => ["2001:db8::1"] });
  const choose = () => sources.choose(hostname, delivery({}));
  await choose();
  zone = good;
  assert.equal((await choose()).v6, undefined);
  assert.equal(asked, 1);
  now = 600_000;
  assert.equal((await choose()).v6, "2001:db8::1");
  const before = asked;
  now = 4_199_999;
  await choose();
  assert.equal(asked, before);
  now = 4_200_000;
  await choose();
  assert.ok(asked > before);
});

test("a host with IPv6 only waits where IPv6 is not used, and says why; others are reached by IPv4", async () => {
  const resolver = zoneResolver({
    "MX six.test": ["10 only.six.test"],
    "AAAA only.six.test": ["2001:db8::25"],
    "MX both.test": ["10 mx.both.test"],
    "AAAA mx.both.test": ["2001:db8::26"],
    "A mx.both.test": ["192.0.2.26"],
  });
  const find = (domain: string, noIpv6: string | undefined) =>
    findTargets(
      { kind: "mx", domain },
      {
        resolver,
        port: 25,
        sources: { v4: "192.0.2.1", v6: noIpv6 === undefined ? "2001:db8::1" : undefined, noIpv6 },
        isOurself: () => false,
      },
    );
  assert.deepEqual(await find("six.test", "it is off"), {
    kind: "temporary",
    status: "4.4.1",
    text: "only.six.test has IPv6 addresses only, and it is off",
  });
  const off = await find("both.test", "it is off");
  const on = await find("both.test", undefined);
  const shown = (found: typeof on) =>
    found.kind === "targets" ? found.targets.map((each) => [each.localAddress, each.address]) : found;
  assert.deepEqual(shown(off), [["192.0.2.1", "192.0.2.26"]]);
  assert.deepEqual(shown(on), [
    ["192.0.2.1", "192.0.2.26"],
    ["2001:db8::1", "2001:db8::26"],
  ]);
});
