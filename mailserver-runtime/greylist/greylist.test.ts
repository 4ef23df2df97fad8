import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { needs, run } from "../../test/support/tools.ts";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { silentLog } from "../net/log.ts";
import { settingsSchema } from "../settings/schema.ts";
import { smtpServer } from "../smtp/testing.ts";
import { type Exemptions, loadExemptions, noExemptions } from "./exemptions.ts";
import { type GreylistQuestion, openGreylist, senderOf } from "./greylist.ts";
import { createGreylisting, networkOf } from "./greylisting.ts";

const HOUR_MS = 3_600_000;
const question = (changes: Partial<GreylistQuestion> = {}): GreylistQuestion => ({
  network: "192.0.2.0/24",
  sender: "x@y.test",
  recipient: "ann@example.org",
  delaySeconds: 300,
  maxAgeDays: 35,
  autoAllowAfter: 3,
  ...changes,
});
async function opened(t: TestContext, maxSeen?: number) {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-greylist-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, "greylist");
  const clock = { now: Date.parse("2026-11-26T10:00:00Z") };
  const open = async () => {
    const list = await openGreylist({
      path,
      log: silentLog,
      clock: () => clock.now,
      ...(maxSeen ? { maxSeen } : {}),
    });
    t.after(() => list.close());
    return list;
  };
  return { directory, path, clock, open, list: await open() };
}

test("a new triple waits its delay, passes then, and is known until its age; the file says so over a restart", async (t) => {
  const { clock, list, open, path } = await opened(t);
  assert.deepEqual(list.ask(question()), { kind: "wait", seconds: 300 });
  clock.now += 100_000;
  assert.deepEqual(list.ask(question()), { kind: "wait", seconds: 200 });
  clock.now += 200_000;
  assert.deepEqual(list.ask(question()), { kind: "pass", because: "waited" });
  assert.equal(list.knows(question()), true);
  await list.save();
  assert.doesNotMatch(await readFile(path, "utf8"), /ann|y\.test/);
  const again = await open();
  clock.now += 34 * 24 * HOUR_MS;
  assert.deepEqual(again.ask(question()), { kind: "pass", because: "known" });
  clock.now += 36 * 24 * HOUR_MS;
  assert.equal(again.ask(question()).kind, "wait");
});

test("who comes again after two days begins anew, and a sender's numbers do not matter", async (t) => {
  const { clock, list } = await opened(t);
  list.ask(question({ sender: "bounce-123-4f5a@y.test" }));
  clock.now += 49 * HOUR_MS;
  assert.equal(list.ask(question({ sender: "bounce-123-4f5a@y.test" })).kind, "wait");
  clock.now += HOUR_MS;
  assert.equal(list.ask(question({ sender: "bounce-124-9e1b@y.test" })).kind, "pass");
  assert.equal(senderOf("Ann+tag@y.test"), "ann@y.test");
});

test("a network that came again often enough waits no more, counted once an hour", async (t) => {
  const { clock, list } = await opened(t);
  const visit = (name: string) => {
    list.ask(question({ sender: `${name}@y.test` }));
    clock.now += 300_000;
    list.ask(question({ sender: `${name}@y.test` }));
  };
  for (const name of ["a", "b", "c"]) visit(name);
  assert.equal(list.ask(question({ sender: "new@y.test" })).kind, "wait", "one burst is one visit");
  for (const name of ["d", "e"]) {
    clock.now += HOUR_MS;
    visit(name);
  }
  assert.deepEqual(list.ask(question({ sender: "fresh@y.test" })), {
    kind: "pass",
    because: "trusted network",
  });
  assert.equal(list.ask(question({ sender: "fresh@y.test", network: "203.0.113.0/24" })).kind, "wait");
});

test("the list is bounded: whoever was unseen for longest is forgotten", async (t) => {
  const { clock, list, path } = await opened(t, 10);
  for (let index = 0; index < 100; index += 1)
    list.ask(question({ recipient: `${String.fromCharCode(97 + (index % 26))}${index}@x` }));
  await list.save();
  assert.equal((await readFile(path, "utf8")).split("\n").length - 1, 10);
  clock.now += 1;
});

for (const [client, network] of [
  ["192.0.2.77", "192.0.2.0/24"],
  ["::ffff:192.0.2.77", "192.0.2.0/24"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
] as const)
  test(`${client} is of the network ${network}`, () => assert.equal(networkOf(client), network));

test("the whitelists are read in Postgrey's syntax", async (t) => {
  const { directory } = await opened(t);
  const clients = "# ours\n192.0.2.1\n198.51.100\n2001:db8::/32\nfriend.test\n/^mx\\d+\\.big\\.test$/\n/(/\n";
  await writeFile(join(directory, "whitelist_clients.local"), clients);
  await writeFile(
    join(directory, "whitelist_recipients"),
    "postmaster@\nann@example.org\nopen.test\n/^list-/\n",
  );
  const list = await loadExemptions(directory, silentLog);
  const named = (test: (text: string) => boolean, ...texts: string[]) => texts.filter(test);
  assert.deepEqual(
    named(list.client, "192.0.2.1", "192.0.2.2", "198.51.100.9", "2001:db8::5", "2001:db9::5"),
    ["192.0.2.1", "198.51.100.9", "2001:db8::5"],
  );
  assert.deepEqual(
    named(list.clientName, "a.friend.test", "friend.test", "notfriend.test", "mx12.big.test", "mx.big.test"),
    ["a.friend.test", "friend.test", "mx12.big.test"],
  );
  assert.deepEqual(
    named(
      list.recipient,
      "postmaster@x.test",
      "ann@example.org",
      "bob@example.org",
      "a@sub.open.test",
      "list-a@x.test",
    ),
    ["postmaster@x.test", "ann@example.org", "a@sub.open.test", "list-a@x.test"],
  );
});

async function greylisting(t: TestContext, exemptions: Exemptions = noExemptions) {
  const { list, clock } = await opened(t);
  const settings = settingsSchema.parse({ hostname: "mx.test" });
  const made = createGreylisting({
    settings: () => settings,
    resolver: zoneResolver({ "TXT y.test": ["v=spf1 ip4:192.0.2.0/24 ip4:203.0.113.0/24 -all"] }),
    exemptions: () => exemptions,
    ask: async (asked) => list.ask(asked),
    knows: async (asked) => list.knows(asked),
  });
  return { made, clock };
}

test("a sender whose domain SPF passes for may come again from another of its networks (RFC 7208)", async (t) => {
  const { made, clock } = await greylisting(t);
  const mail = { helo: "m.y.test", sender: "x@y.test", recipient: "ann@example.org" };
  assert.equal(await made.waits({ ...mail, client: "192.0.2.1" }), 300);
  clock.now += 300_000;
  assert.equal(await made.waits({ ...mail, client: "203.0.113.9" }), undefined);
  assert.equal(await made.waits({ ...mail, client: "198.51.100.1" }), 300);
});

test("swaks hears 450 4.7.1 with the administrator's words at its first visit, 250 at its second", async (t) => {
  if (!needs(t, "swaks")) return;
  const { made, clock } = await greylisting(t);
  const settings = { greylist: { all: true, text: "Come again" } };
  const server = await smtpServer(t, { settings, greylisting: made });
  const send = (recipient: string) =>
    run("swaks", ["-s", `127.0.0.1:${server.port}`, "-f", "x@z.test", "-t", recipient]);
  const first = await send("ann@example.org");
  assert.match(first.stdout, /450 4\.7\.1 <ann@example\.org>: Recipient address rejected: Come again/);
  assert.match((await send("nobody@example.org")).stdout, /550 5\.1\.1/);
  clock.now += 300_000;
  assert.equal((await send("ann@example.org")).code, 0);
  assert.equal(server.stored.length, 1);
});

for (const [score, expected] of [
  [3.9, /^250 2\.0\.0/m],
  [4, /451 4\.7\.1 Greylisted/],
] as const)
  test(`in rspamd's way a score of ${score} ${score < 4 ? "passes" : "waits"}`, async (t) => {
    if (!needs(t, "swaks")) return;
    const { made } = await greylisting(t);
    const verdict = {
      findings: [],
      score,
      authenticationResults: [],
      action: { kind: "accept" },
      times: {},
    } as const;
    const server = await smtpServer(t, {
      settings: { greylist: { suspicious: true } },
      greylisting: made,
      filter: { inspect: async () => verdict },
    });
    const sent = await run("swaks", [
      "-s",
      `127.0.0.1:${server.port}`,
      "-f",
      "x@z.test",
      "-t",
      "ann@example.org",
    ]);
    assert.match(sent.stdout.replace(/^[<\-*~! ]+/gm, ""), expected);
  });
