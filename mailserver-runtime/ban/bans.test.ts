import assert from "node:assert/strict";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { silentLog } from "../net/log.ts";
import type { Bans } from "./bans.ts";
import { bansFixture, DAY } from "./bans-for-tests.ts";
import { parseNetwork } from "./network.ts";
import { gatewaysOf4, gatewaysOf6 } from "./never-banned.ts";
import type { OffenceKind } from "./offence.ts";
import { OffenceCounter } from "./offence-counter.ts";

function offend(bans: Bans, client: string, count: number, kind: OffenceKind = "login-failed-imap"): void {
  for (let i = 0; i < count; i++) bans.offend({ kind, client });
}

test("the sixth failed login within a week bans for a week, and not one sooner", async (t) => {
  const { open, clock } = await bansFixture(t);
  const bans = await open();
  for (let i = 0; i < 5; i++) {
    offend(bans, "192.0.2.1", 1);
    clock.now += DAY;
  }
  assert.equal(bans.refusal("192.0.2.1"), undefined);
  offend(bans, "192.0.2.1", 1);
  assert.equal(bans.refusal("192.0.2.1"), "drop");
  assert.equal(bans.refusal("::ffff:192.0.2.1"), "drop");
  assert.equal(bans.refusal("192.0.2.2"), undefined);
  clock.now += 7 * DAY - 1;
  assert.equal(bans.refusal("192.0.2.1"), "drop");
  clock.now += 1;
  assert.equal(bans.refusal("192.0.2.1"), undefined);
});

test("offences further apart than findtime never add up; as many as maxretry within it always ban", () => {
  const findMs = 1000;
  const maxRetry = 6;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 60 }), (gaps) => {
      const counter = new OffenceCounter(10);
      let now = 0;
      const times: number[] = [];
      for (const gap of gaps) {
        now += gap;
        times.push(now);
        const points = counter.add("a", 1, findMs, now);
        const within = times.filter((at) => now - at <= findMs).length;
        assert.ok(points <= within, "never counts what is out of the window");
        if (gap > findMs) assert.equal(points, 1);
      }
      for (let i = 1; i < maxRetry; i++) counter.add("b", 1, findMs, now);
      assert.equal(counter.add("b", 1, findMs, now + findMs), maxRetry);
    }),
  );
});

test("each jail counts for itself, and small offences count in part", async (t) => {
  const { open } = await bansFixture(t);
  const bans = await open();
  offend(bans, "192.0.2.1", 5, "login-failed-imap");
  offend(bans, "192.0.2.1", 5, "login-failed-smtp");
  assert.equal(bans.refusal("192.0.2.1"), undefined);
  offend(bans, "192.0.2.2", 59, "unknown-recipient");
  assert.equal(bans.refusal("192.0.2.2"), undefined);
  offend(bans, "192.0.2.2", 1, "unknown-recipient");
  assert.equal(bans.refusal("192.0.2.2"), "drop");
  offend(bans, "192.0.2.3", 3, "foreign-protocol");
  const { bans: list } = bans.report();
  assert.deepEqual(
    list.map(({ network, jail }) => [network, jail]),
    [
      ["192.0.2.2", "postfix"],
      ["192.0.2.3", "postfix"],
    ],
  );
  assert.match(
    list[0]!.reason,
    /^6 points of offences in 604800 s, the last one mail to unknown recipients$/,
  );
});

test("who comes back is banned for longer each time, also after a restart", async (t) => {
  const { open, clock } = await bansFixture(t, { maxRetry: 2, banSeconds: 100, findSeconds: 10 });
  let bans = await open();
  const lasts = () => {
    offend(bans, "192.0.2.1", 2);
    const ban = bans.report().bans.at(-1)!;
    clock.now = ban.until + 1;
    return (ban.until - ban.since) / 1000;
  };
  assert.equal(lasts(), 100);
  assert.equal(lasts(), 200);
  await bans.close();
  bans = await open();
  assert.equal(bans.refusal("192.0.2.1"), undefined);
  assert.equal(lasts(), 400);
});

test("an IPv6 client is its /64, whatever address in it is used", async (t) => {
  const { open } = await bansFixture(t);
  const bans = await open();
  for (let i = 1; i <= 6; i++) offend(bans, `2001:db8:1:2::${i}`, 1);
  assert.equal(bans.refusal("2001:db8:1:2:ffff::99"), "drop");
  assert.equal(bans.refusal("2001:db8:1:3::1"), undefined);
  assert.deepEqual(
    bans.report().bans.map(({ network }) => network),
    ["2001:db8:1:2::/64"],
  );
});

test("many banned clients of one /24 or /48 ban it whole, where that is asked for", async (t) => {
  const fixture = await bansFixture(t, { networkAfter: 3 });
  const bans = await fixture.open();
  for (const last of [1, 2, 3]) offend(bans, `192.0.2.${last}`, 6);
  assert.equal(bans.refusal("192.0.2.200"), "drop");
  assert.equal(bans.refusal("192.0.3.1"), undefined);
  for (const site of [1, 2, 3]) offend(bans, `2001:db8:7:${site}::1`, 6);
  assert.equal(bans.refusal("2001:db8:7:ffff::1"), "drop");
  assert.equal(bans.refusal("2001:db8:8::1"), undefined);

  const plain = await (await bansFixture(t)).open();
  for (let last = 1; last < 100; last++) offend(plain, `192.0.2.${last}`, 6);
  assert.equal(plain.refusal("192.0.2.200"), undefined);
});

test("loopback, declared networks, proxies, the gateway and our own address are never banned", async (t) => {
  const { open, logged } = await bansFixture(
    t,
    { neverBanned: ["127.0.0.0/8", "203.0.113.0/24"] },
    "[DEFAULT]\nignoreip = 198.51.100.7\n",
  );
  const bans = await open({
    trusted: () => ["10.9.0.0/16"],
    isOwn: (address) => address === "192.0.2.10",
    gateways: () => new Set(["172.18.0.1"]),
  });
  for (const client of ["127.0.0.1", "203.0.113.5", "198.51.100.7", "10.9.1.1", "192.0.2.10", "172.18.0.1"]) {
    offend(bans, client, 50);
    assert.equal(bans.refusal(client), undefined, client);
  }
  assert.equal(bans.report().bans.length, 0);
  assert.match(bans.report().withheld.at(-1)!.reason, /this host's gateway/);
  assert.equal(logged.filter(({ event }) => event === "ban-withheld").length, 6, "each is said once");
  // A network banned by hand does not reach them either.
  await bans.ban(parseNetwork("0.0.0.0/0")!, undefined, "everybody");
  assert.equal(bans.refusal("203.0.113.5"), undefined);
  assert.equal(bans.refusal("172.18.0.1"), undefined);
  assert.equal(bans.refusal("192.0.2.77"), "drop");
});

test("gateways are the next hops of the default routes", () => {
  const route4 = [
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
    "eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0",
    "eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
    "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0",
  ].join("\n");
  assert.deepEqual(gatewaysOf4(route4), ["172.18.0.1"]);
  const zero = "0".repeat(32);
  const route6 = [
    `${zero} 00 ${zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0`,
    `20010db8000000000000000000000000 40 ${zero} 00 ${zero} 00000100 00000001 00000000 00000001 eth0`,
    `${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200 lo`,
  ].join("\n");
  assert.deepEqual(gatewaysOf6(route6), ["fe80::1"]);
  assert.deepEqual([...gatewaysOf4("nonsense\n\n"), ...gatewaysOf6("")], []);
});

test("the only client there is is not banned, and that is said; once there is another one, it is", async (t) => {
  const { openAlone } = await bansFixture(t);
  const lonely = await openAlone();
  lonely.refusal("10.0.2.2");
  lonely.refusal("127.0.0.1");
  offend(lonely, "10.0.2.2", 100);
  assert.equal(lonely.refusal("10.0.2.2"), undefined);
  assert.match(lonely.report().withheld[0]!.reason, /no other client than 10\.0\.2\.2 has been seen/);
  lonely.refusal("10.0.2.9");
  offend(lonely, "10.0.2.2", 6);
  assert.equal(lonely.refusal("10.0.2.2"), "drop");
});

test("bans survive a restart with reason and end, lifted ones do not, and broken lines are passed over", async (t) => {
  const { open, directories, logged } = await bansFixture(t);
  let bans = await open();
  offend(bans, "192.0.2.1", 6);
  offend(bans, "192.0.2.2", 6);
  await bans.ban(parseNetwork("2001:db8::/32")!, undefined, "by hand");
  await bans.lift(parseNetwork("192.0.2.2")!);
  const before = bans.report().bans;
  assert.equal(before.length, 2);
  await bans.close();
  const file = join(directories.state, "bans.jsonl");
  assert.match(await readFile(file, "utf8"), /"lifted":true/);
  await appendFile(
    file,
    '{"network":"192.0.2.9","jail":"nobody"}\n[]\n\u0000\n{"network":"192.0.2.8","jail":"custom","rea',
  );
  bans = await open();
  assert.deepEqual(bans.report().bans, before);
  assert.deepEqual(
    logged.filter(({ event }) => event === "bans-broken").map(({ lines }) => lines),
    [4],
  );
  assert.equal(bans.refusal("192.0.2.1"), "drop");
  assert.equal(bans.refusal("192.0.2.2"), undefined);
  assert.equal(bans.refusal("2001:db8:9::1"), "drop");
  // The next ban does not stand behind the line that was cut off.
  offend(bans, "192.0.2.3", 6);
  await bans.close();
  bans = await open();
  assert.equal(bans.refusal("192.0.2.3"), "drop");
});

test("a ban by hand is on disk when it is answered, and outlives a server that is killed", async (t) => {
  const { open } = await bansFixture(t);
  const killed = await open();
  await killed.ban(parseNetwork("192.0.2.1")!, 60, "by hand");
  await killed.ban(parseNetwork("192.0.2.2")!, 60, "by hand");
  await killed.lift(parseNetwork("192.0.2.1")!);
  const next = await open();
  assert.equal(next.refusal("192.0.2.1"), undefined);
  assert.equal(next.refusal("192.0.2.2"), "drop");
});

test("a file that cannot be written or read is said, and bans hold without it", async (t) => {
  const fixture = await bansFixture(t);
  await writeFile(fixture.directories.state, "not a folder");
  const bans = await fixture.open();
  offend(bans, "192.0.2.1", 6);
  await bans.ban(parseNetwork("192.0.2.2")!, 60, "by hand");
  assert.equal(bans.refusal("192.0.2.1"), "drop");
  assert.equal(bans.refusal("192.0.2.2"), "drop");
  assert.ok(fixture.logged.some(({ event }) => event === "bans-not-kept"));
  assert.ok(fixture.logged.some(({ event }) => event === "bans-not-read"));
});

test("the jail file takes effect when it is read again; a broken value keeps the rest", async (t) => {
  const { open, directories } = await bansFixture(t, {}, "[DEFAULT]\nmaxretry = 2\nbantime = x\n");
  const bans = await open();
  assert.deepEqual(
    bans.problems().map(({ file, line }) => [file, line]),
    [["fail2ban-jail.cf", 3]],
  );
  offend(bans, "192.0.2.1", 2);
  assert.equal(bans.refusal("192.0.2.1"), "drop");
  await writeFile(join(directories.config, "fail2ban-jail.cf"), "[dovecot]\nenabled = false\n");
  await bans.reload();
  offend(bans, "192.0.2.2", 50);
  assert.equal(bans.refusal("192.0.2.2"), undefined);
  assert.deepEqual(bans.problems(), []);
});

test("switched off it bans nobody and serves who was banned; reject is a way to refuse", async (t) => {
  const fixture = await bansFixture(t, { blockType: "reject" });
  const bans = await fixture.open();
  offend(bans, "192.0.2.1", 6);
  assert.equal(bans.refusal("192.0.2.1"), "reject");
  fixture.settings = { ...fixture.settings, enabled: false };
  assert.equal(bans.refusal("192.0.2.1"), undefined);
  offend(bans, "192.0.2.2", 6);
  fixture.settings = { ...fixture.settings, enabled: true };
  assert.equal(bans.refusal("192.0.2.2"), undefined);
});

/** Bytes that are held, garbage not counted. */
function heapInUse(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

test("a million offences of a hundred thousand clients, and of a million more, stay within the memory set aside", async (t) => {
  const { open, clock } = await bansFixture(t, { maxRetry: 6, offencesLog: false });
  const bans = await open({ log: silentLog });
  const before = heapInUse();
  const began = performance.now();
  for (let i = 0; i < 1_000_000; i++) {
    const n = i % 100_000;
    clock.now += 1;
    bans.offend({ kind: "login-failed-imap", client: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}` });
    // Whatever was written has its turn, as between two connections.
    if (i % 10_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const perOffence = ((performance.now() - began) / 1_000_000) * 1000;
  for (let i = 0; i < 150_000; i++)
    bans.offend({
      kind: "foreign-protocol",
      client: `2001:db8:${(i >> 16).toString(16)}:${(i & 65535).toString(16)}::1`,
    });
  const { bans: list, jails } = bans.report();
  assert.ok(list.length <= 100_000);
  for (const { counted } of jails) assert.ok(counted <= 100_000);
  await bans.close();
  const grown = (heapInUse() - before) / 1024 / 1024;
  t.diagnostic(
    `${perOffence.toFixed(1)} µs an offence, ${list.length} bans, heap grown by ${grown.toFixed(0)} MB`,
  );
  assert.ok(grown < 120, `heap grew by ${grown} MB`);
  assert.ok(perOffence < 100);
});

test("the list is bounded: the oldest automatic ban gives way, what a person banned stays", async () => {
  const { BanList } = await import("./ban-list.ts");
  const list = new BanList(3);
  const put = (text: string, jail: "custom" | "dovecot") =>
    list.put(parseNetwork(text)!, { network: text, jail, reason: "", since: 0, until: 100, times: 1 })[0]
      ?.network;
  assert.equal(put("192.0.2.1", "custom"), undefined);
  assert.equal(put("192.0.2.2", "dovecot"), undefined);
  assert.equal(put("192.0.2.3", "dovecot"), undefined);
  assert.equal(put("192.0.2.4", "dovecot"), "192.0.2.2");
  assert.equal(put("192.0.2.5", "custom"), "192.0.2.3");
  assert.equal(put("192.0.2.6", "custom"), "192.0.2.4");
  assert.equal(put("192.0.2.7", "dovecot"), "192.0.2.7");
  assert.equal(list.find("192.0.2.1", 50)?.jail, "custom");
  assert.equal(list.size, 3);
});
