/** App passwords: their file, what each opens, and that one taken back opens nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAppPasswords } from "../config/dms/app-passwords.ts";
import type { Account, Snapshot } from "../config/snapshot.ts";
import { silentLog } from "../net/log.ts";
import { createAuthenticator } from "./account-authenticator.ts";
import { declaredAppPasswords, newAppPassword } from "./app-passwords.ts";

const ANN = "ann@example.org";
const client = { address: "192.0.2.1", port: 1 };

test("lines are read with their services, and what is wrong in one is said and costs no other", () => {
  const { entries, problems } = parseAppPasswords(
    [
      "ann@Example.org|k7d2|*|{PLAIN}a|phone | tablet",
      "ann@example.org|m3x9|imap,pop3|{PLAIN}b|reader",
      "ann@example.org|m3x9|imap|{PLAIN}c|again",
      "ann@example.org|abcd|ftp|{PLAIN}d|x",
      "ann@example.org|k|imap|{PLAIN}d|x",
      "ann@example.org|abcd|imap|nohash|x",
    ].join("\n"),
  );
  assert.deepEqual(
    entries.map(({ account, id, services, label }) => [account, id, services.join(), label]),
    [
      [ANN, "k7d2", "imap,smtp,pop3,sieve", "phone | tablet"],
      [ANN, "m3x9", "imap,pop3", "reader"],
    ],
  );
  assert.deepEqual(
    problems.map(({ line }) => line),
    [3, 4, 5, 6],
  );
});

test("a new one is long, tells its id, and never looks like another", () => {
  const made = new Set(Array.from({ length: 200 }, () => newAppPassword().password));
  assert.equal(made.size, 200);
  const { id, password } = newAppPassword();
  assert.ok(password.startsWith(`${id}-`));
  assert.match(password, /^[a-z2-9]{4}(-[a-z2-9]{5}){4}$/);
});

test("an app password opens its services alone, beside the account's own password, until it is taken back", async () => {
  const account = { address: ANN, enabled: true, passwordHash: "{PLAIN}secret" } as unknown as Account;
  let snapshot = {
    account: (address: string) => (address === ANN ? account : undefined),
    appPasswords: parseAppPasswords(`${ANN}|k7d2|imap|{PLAIN}k7d2-aaaaa|phone`).entries,
  } as unknown as Snapshot;
  const checked: string[] = [];
  const authenticator = createAuthenticator({
    snapshot: () => snapshot,
    async verifyPassword(password, hash) {
      checked.push(hash);
      return hash === `{PLAIN}${password}`;
    },
    appPasswords: declaredAppPasswords(() => snapshot),
    log: silentLog,
  });
  const opens = async (password: string, service: "imap" | "smtp", username = ANN) =>
    (await authenticator.verify({ username, password, service, client })).ok;
  assert.ok(await opens("k7d2-aaaaa", "imap"));
  assert.ok(!(await opens("k7d2-aaaaa", "smtp")));
  assert.ok(!(await opens("k7d2-wrong", "imap")));
  assert.ok(!(await opens("k7d2-aaaaa", "imap", `${ANN}*master`)));
  checked.length = 0;
  assert.ok(await opens("secret", "imap"));
  assert.deepEqual(checked, ["{PLAIN}secret"]);
  snapshot = { ...snapshot, appPasswords: [] };
  assert.ok(!(await opens("k7d2-aaaaa", "imap")));
});
