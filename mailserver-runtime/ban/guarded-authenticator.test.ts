import assert from "node:assert/strict";
import { test } from "node:test";
import type { Authenticator, LoginAttempt } from "../auth/authenticator.ts";
import { silentLog } from "../net/log.ts";
import { settingsSchema } from "../settings/schema.ts";
import { AccountPace } from "./account-pace.ts";
import { guardAuthenticator } from "./guarded-authenticator.ts";
import type { Offence } from "./offence.ts";

const HOME = "192.0.2.1";

function guarded(options: { banned?: string; slowDownAfter?: number } = {}) {
  const offences: Offence[] = [];
  const waits: number[] = [];
  const clock = { now: 1_000_000 };
  const state = { checked: 0, temporary: false, disabled: false };
  const authenticator: Authenticator = {
    async verify({ password, username }) {
      state.checked++;
      if (state.temporary) return { ok: false, reason: "temporary" };
      if (password !== "right") return { ok: false, reason: "credentials" };
      return state.disabled ? { ok: false, reason: "disabled" } : { ok: true, account: username };
    },
    async close() {},
  };
  const settings = settingsSchema.parse({
    hostname: "mail.example.org",
    ban: { slowDownAfter: options.slowDownAfter ?? 5 },
  }).ban;
  const guard = guardAuthenticator({
    authenticator,
    bans: { offend: (offence) => void offences.push(offence), isBanned: (one) => one === options.banned },
    settings: () => settings,
    log: silentLog,
    now: () => clock.now,
    wait: async (milliseconds) => void waits.push(milliseconds),
  });
  const logIn = (address: string, password: string, username = "ann@example.org") =>
    guard.verify({
      username,
      password,
      service: "imap",
      client: { address, port: 1 },
    } satisfies LoginAttempt);
  return { logIn, offences, waits, clock, state };
}

test("a failed login is an offence; trouble of ours and a disabled account are none", async () => {
  const { logIn, offences, state } = guarded();
  await logIn(HOME, "wrong");
  assert.deepEqual(offences, [{ kind: "login-failed-imap", client: HOME, about: "ann@example.org" }]);
  state.temporary = true;
  await logIn(HOME, "wrong");
  state.temporary = false;
  state.disabled = true;
  await logIn(HOME, "right");
  assert.equal(offences.length, 1);
});

test("a recent good login exempts an address for that account alone, and not for ever", async () => {
  const { logIn, offences, clock } = guarded();
  assert.deepEqual(await logIn(HOME, "right"), { ok: true, account: "ann@example.org" });
  await logIn(HOME, "wrong");
  await logIn(HOME, "wrong", "ANN@Example.org");
  assert.equal(offences.length, 0);
  await logIn(HOME, "wrong", "bob@example.org");
  await logIn("192.0.2.2", "wrong");
  assert.equal(offences.length, 2);
  clock.now += 31 * 86_400_000;
  await logIn(HOME, "wrong");
  assert.equal(offences.length, 3);
});

test("a banned client gets no password checked on a connection it still has", async () => {
  const { logIn, state } = guarded({ banned: HOME });
  assert.deepEqual(await logIn(HOME, "right"), { ok: false, reason: "credentials" });
  assert.equal(state.checked, 0);
});

test("guessing from everywhere takes turns, and the owner's known address never waits", async () => {
  const { logIn, waits, state, clock } = guarded({ slowDownAfter: 5 });
  await logIn(HOME, "right");
  for (let i = 0; i < 5; i++) await logIn(`198.51.100.${i}`, "wrong");
  assert.deepEqual(waits, []);
  const answers = [];
  for (let i = 5; i < 40; i++) answers.push(await logIn(`198.51.100.${i}`, "wrong"));
  assert.deepEqual(waits.slice(0, 4), [1000, 2000, 3000, 4000]);
  assert.equal(Math.max(...waits), 15_000);
  // Beyond the longest wait nobody's password is checked.
  assert.ok(answers.slice(-10).every((answer) => !answer.ok && answer.reason === "temporary"));
  assert.equal(state.checked, 1 + 5 + 16);
  const waited = waits.length;
  assert.deepEqual(await logIn(HOME, "right"), { ok: true, account: "ann@example.org" });
  assert.equal(waits.length, waited);
  // Others are not concerned, and after a while the owner can come from anywhere again.
  await logIn("198.51.100.99", "right", "bob@example.org");
  assert.equal(waits.length, waited);
  clock.now += 600_001;
  assert.deepEqual(await logIn("198.51.100.98", "right"), { ok: true, account: "ann@example.org" });
  assert.equal(waits.length, waited);
});

test("an account is told of once, and a flood of names and addresses stays bounded", () => {
  const told: string[] = [];
  const pace = new AccountPace({
    after: () => 3,
    now: () => 1,
    onGuessing: (account) => void told.push(account),
  });
  for (let i = 0; i < 10; i++) pace.failed("ann@example.org");
  assert.deepEqual(told, ["ann@example.org"]);
  for (let i = 0; i < 100_000; i++) {
    pace.failed(`user${i}@example.org`);
    pace.succeeded(`user${i}@example.org`, "192.0.2.1");
  }
  assert.ok(pace.size <= 60_000, String(pace.size));
});
