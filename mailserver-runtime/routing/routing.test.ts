import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Snapshot } from "../config/snapshot.ts";
import { relaysOf } from "../queue/declared-relays.ts";
import { senderRefusal } from "./access.ts";
import { explain } from "./explain.ts";
import type { Route } from "./route.ts";
import { MAX_HOPS, routeRecipient, routesToAccount } from "./routing.ts";
import { type Declared, snapshotOf } from "./snapshot-for-tests.ts";
import { createSrs } from "./srs.ts";
import { MAX_ROUTES } from "./walk.ts";

/** `account`, `account+detail`, `→ address` (forwarded), `relay address`, or `code status`. */
const short = (route: Route): string =>
  route.kind === "local"
    ? route.account + (route.detail === undefined ? "" : ` detail=${route.detail}`)
    : route.kind === "remote"
      ? `${route.forwarded ? "→" : "relay"} ${route.address}`
      : `${route.refusal.code} ${route.refusal.status}`;
const ways = (snapshot: Snapshot, address: string): readonly string[] =>
  routeRecipient(snapshot, address).map(short);

const house: Declared = {
  domains: ["example.org", "alias.example", "empty.example", "xn--bcher-kva.example"],
  accounts: [
    "ann@example.org",
    "bob@example.org",
    "!gone@example.org",
    "jürgen@example.org",
    '"a b"@example.org',
  ],
  aliases: {
    "info@example.org": ["ann@example.org"],
    "ann@example.org": ["bob@example.org"],
    "team@example.org": ["ann@example.org", "bob@example.org", "Carol@Remote.example"],
    "nested@example.org": ["team@example.org", "info@example.org"],
    "loop@example.org": ["pool@example.org"],
    "pool@example.org": ["loop@example.org"],
    "half@example.org": ["half@example.org", "ann@example.org"],
    "partly@example.org": ["gone@example.org", "nobody@example.org", "bob@example.org"],
    "dead@example.org": ["gone@example.org"],
    "broken@example.org": ["not an address"],
    "bare@example.org": ["ann"],
    "ann+exact@example.org": ["bob@example.org"],
    "away@example.org": ["carol@remote.example"],
    "@alias.example": ["@example.org"],
    "@xn--bcher-kva.example": ["bob@example.org"],
  },
  regexps: [
    [/^order-(\d+)@example\.org$/, ["ann+order$1@example.org"]],
    [/^bob\+.*@example\.org$/, ["ann@example.org"]],
    [/^ext-(.*)@example\.org$/g, ["$(1)@remote.example"]],
  ],
};

const table: readonly (readonly [address: string, expected: readonly string[], why: string])[] = [
  ["ann@example.org", ["ann@example.org"], "an account comes before an alias of the same name"],
  ["ANN@Example.ORG", ["ann@example.org"], "case does not matter (RFC 5321 §2.4)"],
  ['"ann"@example.org', ["ann@example.org"], "needless quotes mean nothing (RFC 5321 §4.1.2)"],
  ['"A B"@example.org', ['"a b"@example.org'], "a quoted local part is a name like any other"],
  ["JÜRGEN@example.org", ["jürgen@example.org"], "UTF-8 local parts fold (RFC 6531)"],
  ["ju\u0308rgen@example.org", ["jürgen@example.org"], "and compare in NFC"],
  ["ann+lists@example.org", ["ann@example.org detail=lists"], "a detail goes with the delivery (RFC 5233)"],
  ["Ann+Lists+Big@example.org", ["ann@example.org detail=Lists+Big"], "the first plus splits, case stays"],
  ["ann+exact@example.org", ["bob@example.org"], "an exact alias comes before the detail is taken off"],
  ["bob+x@example.org", ["bob@example.org detail=x"], "a pattern does not take an account's details away"],
  ["info+x@example.org", ["ann@example.org detail=x"], "an alias hands a detail on at home"],
  ["away+x@example.org", ["→ carol@remote.example"], "and keeps it from other hosts"],
  ["info@example.org", ["ann@example.org"], "an alias"],
  ["team@example.org", ["ann@example.org", "bob@example.org", "→ Carol@remote.example"], "many targets"],
  ["nested@example.org", ["ann@example.org", "bob@example.org", "→ Carol@remote.example"], "each way once"],
  ["order-17@example.org", ["ann@example.org detail=order17"], "a pattern's groups are put in"],
  ["ext-dan@example.org", ["→ dan@remote.example"], "a pattern may lead away"],
  ["ext-eve@example.org", ["→ eve@remote.example"], "a pattern with a g flag has no memory"],
  ["ann@alias.example", ["ann@example.org"], "an alias domain keeps the local part"],
  ["ann+x@alias.example", ["ann@example.org detail=x"], "and the detail"],
  ["nobody@alias.example", ["550 5.1.1"], "and knows nobody more than its target does"],
  ["anything@bücher.example", ["bob@example.org"], "a catch-all, asked for by u-label"],
  ["bare@example.org", ["ann@example.org"], "a target without a domain is the host's"],
  ["gone@example.org", ["550 5.2.1"], "a removed account is refused, its mail stays (D4)"],
  ["gone+x@example.org", ["550 5.2.1"], "with a detail as well"],
  ["nobody@example.org", ["550 5.1.1"], "unknown at a hosted domain"],
  ["loop@example.org", ["554 5.4.6"], "aliases in a circle"],
  ["half@example.org", ["ann@example.org"], "a circle among good targets is left out"],
  ["partly@example.org", ["bob@example.org"], "so are targets that refuse"],
  ["dead@example.org", ["550 5.2.1"], "unless no other is there"],
  ["broken@example.org", ["451 4.3.5"], "a broken alias keeps the mail at its sender"],
  ["Eve@Remote.example", ["relay Eve@remote.example"], "not hosted: the caller decides, the case stays"],
  ["eve@[192.0.2.7]", ["relay eve@[192.0.2.7]"], "address literal"],
  ["no address", ["553 5.1.3"], "syntax"],
  ["", ["553 5.1.3"], "nothing"],
  ["postmaster", ["ann@example.org"], "no domain: the first account of the host's (RFC 5321 §4.5.1)"],
  ["PostMaster@example.org", ["ann@example.org"], "postmaster of a hosted domain"],
  ["abuse@example.org", ["ann@example.org"], "abuse (RFC 2142)"],
  ["postmaster@empty.example", ["ann@example.org"], "also where no account is"],
  ["postmaster@alias.example", ["ann@example.org"], "through an alias domain"],
  ["abuse@xn--bcher-kva.example", ["bob@example.org"], "a catch-all answers for them"],
  ["postmaster@remote.example", ["relay postmaster@remote.example"], "not ours"],
];

for (const [address, expected, why] of table)
  test(`${address || "(empty)"} leads to ${expected.join(", ")}: ${why}`, () => {
    assert.deepEqual(ways(snapshotOf(house), address), expected);
  });

test("postmaster goes to the declared address, and past it when that leads nowhere", () => {
  const declared = { ...house, postmasterAddress: "bob@example.org" };
  assert.deepEqual(ways(snapshotOf(declared), "postmaster"), ["bob@example.org"]);
  assert.deepEqual(ways(snapshotOf(declared), "abuse@empty.example"), ["bob@example.org"]);
  const away = snapshotOf({ ...house, postmasterAddress: "ops@remote.example" });
  assert.deepEqual(ways(away, "postmaster@example.org"), ["→ ops@remote.example"]);
  const dead = snapshotOf({ ...house, postmasterAddress: "gone@example.org" });
  assert.deepEqual(ways(dead, "postmaster@example.org"), ["ann@example.org"]);
});

test("postmaster of every domain follows an alias at the host's domain", () => {
  const declared = snapshotOf({
    ...house,
    aliases: { "postmaster@example.org": ["bob@example.org"] },
  });
  for (const asked of ["postmaster", "postmaster@example.org", "abuse@empty.example"])
    assert.deepEqual(ways(declared, asked), ["bob@example.org"], asked);
});

test("with no account at all even postmaster is unknown", () => {
  assert.deepEqual(ways(snapshotOf({}), "postmaster@example.org"), ["550 5.1.1"]);
  assert.deepEqual(ways(snapshotOf({}), "postmaster"), ["550 5.1.1"]);
  assert.deepEqual(ways(snapshotOf({ accounts: ["!a@example.org"] }), "abuse@example.org"), ["550 5.1.1"]);
});

test("the access lists hold for addresses and whole domains, never for postmaster and abuse", () => {
  const snapshot = snapshotOf({
    ...house,
    refusedRecipients: ["bob@example.org", "alias.example", "postmaster@example.org"],
    refusedSenders: ["spam@remote.example", "@bad.example"],
  });
  assert.deepEqual(ways(snapshot, "Bob@example.org"), ["554 5.7.1"]);
  assert.deepEqual(ways(snapshot, "ann@alias.example"), ["554 5.7.1"]);
  assert.deepEqual(ways(snapshot, "postmaster@example.org"), ["ann@example.org"]);
  assert.deepEqual(ways(snapshot, "ann@example.org"), ["ann@example.org"]);
  assert.equal(senderRefusal(snapshot, "SPAM@remote.example")?.status, "5.7.1");
  assert.equal(senderRefusal(snapshot, "anyone@bad.example")?.status, "5.7.1");
  assert.equal(senderRefusal(snapshot, "fine@remote.example"), undefined);
  assert.equal(senderRefusal(snapshot, ""), undefined);
});

test("the access lists are looked up as access(5) does, and the nearest entry decides", () => {
  const snapshot = snapshotOf({
    ...house,
    refusedSenders: [
      "bad.example",
      "good@bad.example OK",
      "robot@",
      "late@remote.example 450 4.7.1 come back later",
      "told@remote.example REJECT we know you",
    ],
  });
  const verdict = (sender: string) => {
    const refusal = senderRefusal(snapshot, sender);
    return refusal && `${refusal.code} ${refusal.status} ${refusal.text}`;
  };
  assert.match(verdict("x@sub.bad.example") ?? "", /^554 5\.7\.1/, "a domain's line holds below it");
  assert.equal(verdict("good@bad.example"), undefined);
  assert.equal(verdict("good+list@bad.example"), undefined, "the detail is taken off");
  assert.match(verdict("robot@anywhere.example") ?? "", /^554/);
  assert.equal(verdict("late@remote.example"), "450 4.7.1 come back later");
  assert.equal(verdict("told@remote.example"), "554 5.7.1 we know you");
});

test("an alias of an account's own name that names the account keeps its copy and forwards (DMS's users do so)", () => {
  const snapshot = snapshotOf({
    accounts: ["ann@example.org", "bob@example.org"],
    aliases: {
      "ann@example.org": ["ann@example.org", "ann@away.example"],
      "bob@example.org": ["bob@example.org"],
      "@example.org": ["ann@example.org"],
    },
  });
  assert.deepEqual(ways(snapshot, "ann@example.org"), ["ann@example.org", "→ ann@away.example"]);
  assert.deepEqual(ways(snapshot, "ann+x@example.org"), ["ann@example.org detail=x", "→ ann@away.example"]);
  assert.deepEqual(ways(snapshot, "bob@example.org"), ["bob@example.org"], "the catch-all takes nothing");
});

test("a copy that waited for its store goes to its account alone, whatever an alias of the name adds", () => {
  const snapshot = snapshotOf({
    accounts: ["ann@example.org"],
    aliases: {
      "ann@example.org": ["ann@example.org", "ann@away.example"],
      "all@example.org": ["ann@example.org"],
    },
  });
  const kept = (address: string) => routesToAccount(routeRecipient(snapshot, address), address).map(short);
  assert.deepEqual(kept("ann@example.org"), ["ann@example.org"]);
  assert.deepEqual(kept("all@example.org"), ["ann@example.org", "→ ann@away.example"]);
});

test("an alias takes the place of a removed account", () => {
  const snapshot = snapshotOf({
    accounts: ["!ann@example.org", "bob@example.org"],
    aliases: { "ann@example.org": ["bob@example.org"] },
  });
  assert.deepEqual(ways(snapshot, "ann@example.org"), ["bob@example.org"]);
  assert.deepEqual(ways(snapshot, "ann+x@example.org"), ["bob@example.org detail=x"]);
});

test("the delimiter is what the setting says: several characters, or none", () => {
  const delimiter = (recipientDelimiter: string) =>
    snapshotOf({ accounts: ["ann@example.org"], routing: { recipientDelimiter } });
  assert.deepEqual(ways(delimiter("+-"), "ann-list@example.org"), ["ann@example.org detail=list"]);
  assert.deepEqual(ways(delimiter("-"), "ann+list@example.org"), ["550 5.1.1"]);
  assert.deepEqual(ways(delimiter(""), "ann+list@example.org"), ["550 5.1.1"]);
});

test("postfix-aliases.cf speaks for the host's own name; root is the postmaster where it says nothing", () => {
  const declared: Declared = { accounts: ["ann@example.org", "bob@example.org"] };
  const plain = snapshotOf(declared);
  assert.deepEqual(ways(plain, "root@mail.example.org"), ["ann@example.org"]);
  assert.deepEqual(ways(plain, "postmaster@mail.example.org"), ["ann@example.org"]);
  assert.deepEqual(ways(plain, "nobody@mail.example.org"), ["550 5.1.1"]);
  const named = snapshotOf({ ...declared, localAliases: { root: ["bob@example.org"], cron: ["root"] } });
  assert.deepEqual(ways(named, "Root@mail.example.org"), ["bob@example.org"]);
  assert.deepEqual(ways(named, "cron@localhost"), ["bob@example.org"]);
});

test("a backup MX takes known recipients, or all, of its domains and refuses others at RCPT", () => {
  const snapshot = snapshotOf({
    ...house,
    backup: [
      { domain: "listed.example", recipients: ["Dan@listed.example"], lifetimeSeconds: 1000 },
      { domain: "whole.example" },
      { domain: "example.org" },
    ],
  });
  const backup = (address: string) => {
    const [route] = routeRecipient(snapshot, address);
    return route?.kind === "remote" ? route.backup?.lifetimeSeconds : route && short(route);
  };
  assert.equal(backup("dan@listed.example"), 1000);
  assert.equal(backup("Dan+x@listed.example"), 1000);
  assert.equal(backup("postmaster@listed.example"), 1000, "RFC 5321 §4.5.1");
  assert.equal(backup("eve@listed.example"), "550 5.1.1");
  assert.equal(backup("anyone@whole.example"), 2_592_000);
  assert.equal(backup("ann@example.org"), "ann@example.org", "a hosted domain stays hosted");
  assert.match(snapshot.problems[0]?.reason ?? "", /example\.org is hosted here/);
});

test("a message that has been redirected too often is refused (RFC 5321 §6.3)", () => {
  const snapshot = snapshotOf(house);
  assert.equal(routeRecipient(snapshot, "ann@example.org", { hops: MAX_HOPS })[0]?.kind, "local");
  const [route] = routeRecipient(snapshot, "ann@example.org", { hops: MAX_HOPS + 1 });
  assert.equal(route && short(route), "554 5.4.6");
});

test("aliases that share their targets cost their sum and not their product", () => {
  const aliases: Record<string, string[]> = {};
  for (let level = 0; level < 18; level += 1)
    for (const side of ["l", "r"])
      aliases[`${side}${level}@example.org`] = [`l${level + 1}@example.org`, `r${level + 1}@example.org`];
  aliases["l18@example.org"] = ["ann@example.org"];
  aliases["r18@example.org"] = ["bob@example.org"];
  const snapshot = snapshotOf({ ...house, aliases });
  const began = performance.now();
  assert.deepEqual(ways(snapshot, "l0@example.org"), ["ann@example.org", "bob@example.org"]);
  assert.ok(performance.now() - began < 200);
});

test("an alias too large to be anything but a list is refused as a whole", () => {
  const targets = Array.from({ length: MAX_ROUTES + 1 }, (_, index) => `u${index}@remote.example`);
  const snapshot = snapshotOf({ ...house, aliases: { "all@example.org": targets } });
  assert.deepEqual(ways(snapshot, "all@example.org"), ["451 4.3.5"]);
});

test("explain names file and line of every step and what is left out", () => {
  const lines = explain(snapshotOf(house), "partly@example.org").join("\n");
  assert.match(lines, /alias +partly@example\.org → bob@example\.org +\(postfix-virtual\.cf:8, setup\)/);
  assert.match(lines, /account +bob@example\.org +\(postfix-accounts\.cf:2, setup\)/);
  assert.match(lines, /= delivered to the mailbox of bob@example\.org/);
  assert.match(lines, /= left out: 550 5\.2\.1/);
  assert.match(explain(snapshotOf(house), "nobody@example.org").join("\n"), /= refused: 550 5\.1\.1/);
  assert.match(explain(snapshotOf(house), "x@remote.example").join("\n"), /not hosted here/);
});

test("explain tells the access lists, the relay, the rewritten sender, copies and the backup, each with its line", () => {
  const snapshot = snapshotOf({
    ...house,
    refusedSenders: ["spam@remote.example"],
    refusedRecipients: ["bob@example.org"],
    relay: { host: "relay.example", port: 587, user: "u", password: "secret-word" },
    copies: [{ recipient: "away@example.org", to: "ann@example.org" }],
    backup: [{ domain: "other.example" }],
  });
  const srs = createSrs({ secrets: ["x"], domain: "example.org", isOurs: () => false });
  const told = (address: string, from?: string) =>
    explain(snapshot, address, { from, srs, relayOf: relaysOf(snapshot) }).join("\n");
  const forward = told("away@example.org", "eve@remote.example");
  assert.match(forward, /SRS +eve@remote\.example → SRS0=\w+=\w+=remote\.example=eve@example\.org/);
  assert.match(
    forward,
    /by relay +relay\.example:587 \(TLS starttls, logs in as u\) +\(environment RELAY_HOST/,
  );
  assert.match(forward, /copy +ann@example\.org \(by its recipient\) +\(stack\/settings\.json:1/);
  assert.ok(!forward.includes("secret-word"));
  assert.match(
    told("ann@example.org", "spam@remote.example"),
    /sender +spam@remote\.example is refused: 554 5\.7\.1 .*\(postfix-send-access\.cf:1, setup\)/,
  );
  assert.match(told("bob@example.org"), /access list .*refused to everybody +\(postfix-receive-access\.cf:1/);
  assert.match(told("x@other.example"), /backup MX[\s\S]*kept for x@other\.example .*30 days/);
  const rewritten = srs.forward("eve@remote.example");
  assert.match(told(rewritten), /SRS .* → eve@remote\.example[\s\S]*= forwarded to eve@remote\.example/);
});

test("routing never throws, and answers ways or one refusal, whatever the aliases and the address are", () => {
  const name = fc.constantFrom("a", "b", "c", "d", "a+x", "postmaster");
  const address = fc.oneof(
    fc.tuple(name, fc.constantFrom("example.org", "alias.example", "remote.example")).map((p) => p.join("@")),
    fc.constantFrom("@example.org", "a", "", "x y", "@"),
  );
  fc.assert(
    fc.property(
      fc.dictionary(address, fc.array(address, { minLength: 1, maxLength: 4 })),
      fc.array(fc.constantFrom("a@example.org", "!b@example.org", "c@alias.example")),
      fc.oneof(address, fc.string()),
      (aliases, accounts, asked) => {
        const snapshot = snapshotOf({ domains: ["example.org", "alias.example"], accounts, aliases });
        const routes = routeRecipient(snapshot, asked);
        assert.ok(routes.length > 0);
        if (routes.some((route) => route.kind === "refused")) assert.equal(routes.length, 1);
        explain(snapshot, asked);
      },
    ),
    { numRuns: 1000 },
  );
});
