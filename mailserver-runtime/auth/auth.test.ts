import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import type { Account, Snapshot } from "../config/snapshot.ts";
import { silentLog } from "../net/log.ts";
import { type AccountAuthenticatorOptions, createAuthenticator } from "./account-authenticator.ts";
import type { LoginAttempt } from "./authenticator.ts";
import { bearer } from "./bearer-exchange.ts";
import { decodeSaslResponse, login as loginExchange, plain, type SaslExchange } from "./sasl.ts";
import { scram } from "./scram-exchange.ts";

const client = { address: "192.0.2.1", port: 1 };
const login = (username: string, password: string): LoginAttempt => ({
  username,
  password,
  service: "smtp",
  client,
});

/** An authenticator over plain-text "hashes" that counts how often a password was really checked. */
function fixture(options: Partial<AccountAuthenticatorOptions> = {}) {
  const accounts = new Map<string, Partial<Account>>([
    ["ann@example.org", { passwordHash: "{PLAIN}secret", enabled: true }],
    ["gone@example.org", { passwordHash: "{PLAIN}secret", enabled: false }],
    ["nopassword@example.org", { passwordHash: undefined, enabled: true }],
  ]);
  const checked: string[] = [];
  const snapshot: Pick<Snapshot, "account"> = {
    account(address) {
      const found = accounts.get(address);
      return found === undefined ? undefined : ({ address, ...found } as Account);
    },
  };
  const authenticator = createAuthenticator({
    snapshot: () => snapshot as Snapshot,
    log: silentLog,
    async verifyPassword(password, hash) {
      checked.push(hash);
      await sleep(1);
      return hash === `{PLAIN}${password}`;
    },
    ...options,
  });
  return { accounts, checked, authenticator };
}

test("the right password opens an account in any case, a wrong one does not, and a disabled one says so only to its owner", async () => {
  const { authenticator } = fixture();
  const table: [string, string, unknown][] = [
    ["Ann@Example.ORG", "secret", { ok: true, account: "ann@example.org" }],
    ["ann@example.org", "wrong", { ok: false, reason: "credentials" }],
    ["ann", "secret", { ok: false, reason: "credentials" }],
    ["nobody@example.org", "secret", { ok: false, reason: "credentials" }],
    ["nopassword@example.org", "", { ok: false, reason: "credentials" }],
    ["gone@example.org", "secret", { ok: false, reason: "disabled" }],
    ["gone@example.org", "wrong", { ok: false, reason: "credentials" }],
    ["ann@example.org", "x".repeat(5000), { ok: false, reason: "credentials" }],
  ];
  for (const [username, password, expected] of table)
    assert.deepEqual(await authenticator.verify(login(username, password)), expected, username);
});

test("an unknown name costs a real hash check, as a known one does", async () => {
  const { authenticator, checked } = fixture();
  await authenticator.verify(login("nobody@example.org", "x"));
  await authenticator.verify(login("nonsense", "x"));
  assert.equal(checked.length, 2);
  assert.ok(checked.every((hash) => hash.startsWith("{SHA512-CRYPT}$6$")));
});

test("a repeated login is remembered, but neither a changed password nor another one passes by it", async () => {
  let time = 0;
  const { authenticator, checked, accounts } = fixture({ now: () => time, rememberMs: 1000 });
  for (let count = 0; count < 5; count++) await authenticator.verify(login("ann@example.org", "secret"));
  assert.equal(checked.length, 1);
  assert.equal((await authenticator.verify(login("ann@example.org", "guess"))).ok, false);
  time = 1001;
  await authenticator.verify(login("ann@example.org", "secret"));
  assert.equal(checked.length, 3);
  accounts.set("ann@example.org", { passwordHash: "{PLAIN}changed", enabled: true });
  assert.equal((await authenticator.verify(login("ann@example.org", "secret"))).ok, false);
  assert.equal((await authenticator.verify(login("ann@example.org", "changed"))).ok, true);
});

test("a master user opens any account with the master's own password", async () => {
  const { authenticator } = fixture({
    masterHash: (name) => (name === "chief" ? "{PLAIN}master" : undefined),
  });
  assert.deepEqual(await authenticator.verify(login("ann@example.org*chief", "master")), {
    ok: true,
    account: "ann@example.org",
  });
  for (const [name, password] of [
    ["ann@example.org*chief", "secret"],
    ["ann@example.org*other", "master"],
    ["nobody@example.org*chief", "master"],
    ["ann@example.org*", "master"],
  ] as const)
    assert.equal((await authenticator.verify(login(name, password))).ok, false, name);
});

test("more attempts at once than can be checked, and a broken check, are temporary", async () => {
  const { authenticator } = fixture({ maxPending: 2 });
  const attempts = Array.from({ length: 5 }, () => authenticator.verify(login("ann@example.org", "wrong")));
  const reasons = (await Promise.all(attempts)).map((result) => (result.ok ? "ok" : result.reason)).sort();
  assert.deepEqual(reasons, ["credentials", "credentials", "temporary", "temporary", "temporary"]);
  const broken = fixture({ verifyPassword: () => Promise.reject(new Error("busy")) });
  assert.deepEqual(await broken.authenticator.verify(login("ann@example.org", "secret")), {
    ok: false,
    reason: "temporary",
  });
});

test("PLAIN takes authorization id, name and password in one response (RFC 4616 §2)", () => {
  const exchange = () => plain();
  assert.deepEqual(exchange().next(undefined), { kind: "challenge", bytes: Buffer.alloc(0) });
  assert.deepEqual(exchange().next(Buffer.from("\0ann\0sécret")), {
    kind: "credentials",
    username: "ann",
    password: "sécret",
    authorizationId: "",
  });
  for (const wrong of ["", "ann", "\0ann", "\0ann\0", "\0\0secret", "a\0b\0c\0d", "\0ann\0\xff"])
    assert.equal(exchange().next(Buffer.from(wrong, "latin1")).kind, "malformed", JSON.stringify(wrong));
});

test("LOGIN asks for name and password, and takes the name as an initial response", () => {
  const exchange = loginExchange();
  assert.deepEqual(exchange.next(undefined), { kind: "challenge", bytes: Buffer.from("Username:") });
  assert.deepEqual(exchange.next(Buffer.from("ann")), { kind: "challenge", bytes: Buffer.from("Password:") });
  assert.deepEqual(exchange.next(Buffer.from("secret")), {
    kind: "credentials",
    username: "ann",
    password: "secret",
    authorizationId: "",
  });
  assert.equal(loginExchange().next(Buffer.from("ann")).kind, "challenge");
});

const context = { channelBinding: () => Buffer.from("bound") };
const keys = () => ({ salt: Buffer.from("salt"), iterations: 4096 });
const everyExchange: readonly (() => SaslExchange)[] = [
  plain,
  loginExchange,
  () => scram(keys, false, context),
  () => scram(keys, true, context),
  () => bearer("OAUTHBEARER"),
  () => bearer("XOAUTH2"),
];
const beginnings = [
  "n,,n=ann,r=nonce",
  "p=tls-exporter,,n=ann,r=nonce",
  "c=biws,r=nonce,p=AAAA",
  "n,a=ann,\x01auth=Bearer x\x01\x01",
  "user=ann\x01auth=Bearer x\x01\x01",
].map((text) => Buffer.from(text));

test("no response makes a mechanism throw, and only canonical base64 is decoded", () => {
  const response = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined });
  fc.assert(
    fc.property(
      fc.constantFrom(...everyExchange),
      fc.array(fc.oneof(response, fc.constantFrom(...beginnings)), { maxLength: 5 }),
      (begin, responses) => {
        const exchange = begin();
        for (const bytes of responses) exchange.next(bytes === undefined ? undefined : Buffer.from(bytes));
      },
    ),
    { numRuns: 2000 },
  );
  assert.deepEqual(decodeSaslResponse("="), Buffer.alloc(0));
  assert.deepEqual(decodeSaslResponse("YW5u"), Buffer.from("ann"));
  for (const wrong of ["YW5", "YW 5u", "====", "*", "YW5u\r"])
    assert.equal(decodeSaslResponse(wrong), undefined, wrong);
});
