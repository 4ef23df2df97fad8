/** Whose address is it: DMS's `smtpd_sender_login_maps`, by the routing that mail to the address would take. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { needs, run } from "../../test/support/tools.ts";
import { routeRecipient } from "../routing/routing.ts";
import { snapshotOf } from "../routing/snapshot-for-tests.ts";
import { ownsAddress } from "./sender-ownership.ts";
import { smtpServer } from "./testing.ts";

const snapshot = snapshotOf({
  domains: ["example.org", "alias.test", "catch.test"],
  accounts: ["ann@example.org", "bob@example.org", "!gone@example.org", "named@catch.test"],
  aliases: {
    "sales@example.org": ["ann@example.org", "bob@example.org", "far@elsewhere.test"],
    "chain@example.org": ["sales@example.org"],
    "out@example.org": ["far@elsewhere.test"],
    "@alias.test": ["@example.org"],
    "@catch.test": ["bob@example.org"],
  },
  regexps: [[/^shop-.*@example\.org$/i, ["ann@example.org"]]],
});
const owns = (account: string, address: string) =>
  ownsAddress({ routeRecipient: (at, to) => routeRecipient(at, to) }, snapshot, account, address);

test("an account owns the addresses whose mail reaches it, by every kind of alias, and no others", () => {
  const rows: readonly (readonly [account: string, address: string, owned: boolean])[] = [
    ["ann@example.org", "ann@example.org", true],
    ["ann@example.org", "ANN@Example.ORG", true],
    ["ann@example.org", "ann+news@example.org", true],
    ["ann@example.org", "sales@example.org", true],
    ["bob@example.org", "sales@example.org", true],
    ["ann@example.org", "chain@example.org", true],
    ["ann@example.org", "shop-7@example.org", true],
    ["bob@example.org", "shop-7@example.org", false],
    ["ann@example.org", "ann@alias.test", true],
    ["bob@example.org", "ann@alias.test", false],
    ["bob@example.org", "anything@catch.test", true],
    // An account of its own is never the catch-all's.
    ["bob@example.org", "named@catch.test", false],
    ["named@catch.test", "named@catch.test", true],
    ["ann@example.org", "bob@example.org", false],
    ["ann@example.org", "out@example.org", false],
    ["ann@example.org", "nobody@example.org", false],
    ["ann@example.org", "gone@example.org", false],
    ["ann@example.org", "postmaster@example.org", false],
    ["ann@example.org", "ann@elsewhere.test", false],
    ["ann@example.org", "not an address", false],
  ];
  for (const [account, address, owned] of rows)
    assert.equal(owns(account, address), owned, `${account} as ${address}`);
});

test("swaks: a master user sends as the account it opened and as nobody else", async (t) => {
  if (!needs(t, "swaks")) return;
  const server = await smtpServer(t, {
    mode: "submission",
    authenticator: {
      verify: async ({ username, password }) =>
        username === "ann@example.org*chief" && password === "master"
          ? { ok: true, account: "ann@example.org" }
          : { ok: false, reason: "credentials" },
      async close() {},
    },
  });
  const send = (from: string) =>
    run("swaks", [
      ...["--server", "127.0.0.1", "--port", String(server.port), "--tls", "--ehlo", "laptop.local"],
      ...["--auth", "PLAIN", "--auth-user", "ann@example.org*chief", "--auth-password", "master"],
      ...["--from", from, "--to", "x@y.test", "--header", "X-Mailer: swaks", "--header", "User-Agent: swaks"],
    ]);
  assert.equal((await send("sales@example.org")).code, 0);
  const refused = await send("bob@example.org");
  assert.match(
    refused.stdout,
    /553 5\.7\.1 <bob@example\.org>: Sender address rejected: not owned by user ann@example\.org/,
  );
  assert.equal(server.queued.length, 1);
  const [sent] = server.queued;
  assert.doesNotMatch(`${sent!.prefix}${sent!.content}`, /laptop\.local|X-Mailer|User-Agent/);
});
