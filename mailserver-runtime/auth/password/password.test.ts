import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { after, test } from "node:test";
import fc from "fast-check";
import {
  closePasswordHashing,
  hashPassword,
  PasswordHashingBusy,
  schemeProblem,
  UnsupportedScheme,
  verifyPassword,
} from "./password.ts";
import { checkPassword } from "./schemes.ts";
import { MAX_PASSWORD_BYTES, MAX_ROUNDS, shaCrypt } from "./sha-crypt.ts";

after(closePasswordHashing);

/** The vectors of SHA-crypt.txt, version 0.6: setting, password, result. */
const vectors: readonly (readonly [string, string, string])[] = [
  [
    "$6$saltstring",
    "Hello world!",
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
  ],
  [
    "$6$rounds=10000$saltstringsaltstring",
    "Hello world!",
    "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
  ],
  [
    "$6$rounds=5000$toolongsaltstring",
    "This is just a test",
    "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
  ],
  [
    "$6$rounds=1400$anotherlongsaltstring",
    "a very much longer text to encrypt.  This one even stretches over morethan one line.",
    "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
  ],
  [
    "$6$rounds=10$roundstoolow",
    "the minimum number is still observed",
    "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.",
  ],
  ["$5$saltstring", "Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"],
  [
    "$5$rounds=10000$saltstringsaltstring",
    "Hello world!",
    "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
  ],
];

test("SHA-crypt gives the results of its specification's test vectors", () => {
  for (const [setting, password, result] of vectors)
    assert.equal(shaCrypt(Buffer.from(password), setting), result);
});

test("SHA-crypt agrees with openssl passwd for passwords of every length class", (t) => {
  if (spawnSync("openssl", ["version"]).status !== 0) {
    if (process.env.CI) assert.fail("openssl is missing");
    t.skip("openssl is not installed");
    return;
  }
  for (const length of [1, 8, 31, 32, 33, 63, 64, 65, 128])
    for (const [option, prefix] of [
      ["-6", "$6$"],
      ["-5", "$5$"],
    ] as const) {
      const password = "pä5".repeat(length).slice(0, length);
      const salt = randomBytes(6).toString("hex");
      const theirs = execFileSync("openssl", ["passwd", option, "-salt", salt, "-stdin"], {
        input: password,
      });
      assert.equal(shaCrypt(Buffer.from(password), prefix + salt), theirs.toString().trim());
    }
});

test("A hash that is made verifies its password and no other, and two hashes of one password differ", async () => {
  const hash = await hashPassword("correct horse");
  assert.match(hash, /^\{SHA512-CRYPT\}\$6\$[./0-9A-Za-z]{16}\$[./0-9A-Za-z]{86}$/);
  assert.equal(await verifyPassword("correct horse", hash), true);
  assert.equal(await verifyPassword("correct hors", hash), false);
  assert.equal(await verifyPassword("", hash), false);
  assert.notEqual(await hashPassword("correct horse"), hash);
});

test("Every scheme of the table accepts its password and refuses another", () => {
  const salt = Buffer.from("somesalt");
  const ssha512 = createHash("sha512").update("secret").update(salt).digest();
  const stored = [
    "{PLAIN}secret",
    `{SSHA512}${Buffer.concat([ssha512, salt]).toString("base64")}`,
    `{ssha512.hex}${Buffer.concat([ssha512, salt]).toString("hex")}`,
    `{SHA256}${createHash("sha256").update("secret").digest("base64")}`,
    `{CRYPT}${shaCrypt(Buffer.from("secret"), "$5$abc")}`,
    shaCrypt(Buffer.from("secret"), "$6$abc"),
  ];
  for (const one of stored) {
    assert.equal(checkPassword("secret", one), true, one);
    assert.equal(checkPassword("Secret", one), false, one);
    assert.equal(checkPassword("", one), false, one);
  }
});

test("A scheme that is not supported is refused by its name, and the hash is not told", async () => {
  for (const stored of ["{ARGON2ID}$argon2id$v=19$abc", "{BLF-CRYPT}$2y$05$abc", "{CRYPT}$1$abc$def"])
    await assert.rejects(verifyPassword("x", stored), (error: Error) => {
      assert.ok(error instanceof UnsupportedScheme);
      assert.ok(!error.message.includes("abc"));
      return true;
    });
  assert.match(schemeProblem("{ARGON2ID}$x") ?? "", /ARGON2ID.*setup email update/);
  assert.match(schemeProblem("{SHA512-CRYPT}") ?? "", /no password hash/);
  assert.equal(schemeProblem("{PLAIN}x"), undefined);
});

test("Hostile lengths and round counts are bounded", async () => {
  const long = "x".repeat(MAX_PASSWORD_BYTES + 1);
  assert.equal(await verifyPassword(long, `{PLAIN}${long}`), false);
  await assert.rejects(hashPassword(long), RangeError);
  assert.throws(() => shaCrypt(Buffer.from("x"), `$6$rounds=${MAX_ROUNDS + 1}$abc`), RangeError);
});

test("No stored text makes a check throw anything but the errors it promises", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), fc.string({ maxLength: 60 }), (password, stored) => {
      if (/rounds=\d{4,}/.test(stored)) return;
      try {
        checkPassword(password, stored);
      } catch (error) {
        assert.ok(error instanceof UnsupportedScheme || error instanceof RangeError, String(error));
      }
    }),
    { numRuns: 300 },
  );
});

test("The event loop runs while passwords are checked, and a flood is refused as busy", async () => {
  const hash = await hashPassword("x");
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await Promise.all(Array.from({ length: 20 }, () => verifyPassword("x", hash)));
  clearInterval(timer);
  assert.ok(ticks >= 5, `${ticks} ticks of the event loop`);
  const flood = Array.from({ length: 600 }, () => verifyPassword("x", "{PLAIN}x"));
  const results = await Promise.allSettled(flood);
  const refused = results.filter(
    (one) => one.status === "rejected" && one.reason instanceof PasswordHashingBusy,
  );
  assert.equal(refused.length, 600 - 512);
  assert.equal(results.filter((one) => one.status === "fulfilled" && one.value).length, 512);
});

test("After the thread was ended, the next password starts another", async () => {
  const pending = assert.rejects(hashPassword("x"), PasswordHashingBusy);
  await closePasswordHashing();
  await pending;
  assert.equal(await verifyPassword("x", "{PLAIN}x"), true);
});
