import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { settingsSchema } from "../settings/schema.ts";
import { FOR_EVER } from "./ban-list.ts";
import { emptyJailFile, parseJailFile, seconds } from "./jail-file.ts";
import { banPolicy, term } from "./policy.ts";

const { ban: defaults } = settingsSchema.parse({ hostname: "mail.example.org" });

test("times are fail2ban's: seconds, or amounts with units that add up", () => {
  const rows: readonly (readonly [string, number | undefined])[] = [
    ["600", 600],
    ["10m", 600],
    ["1w", 604_800],
    ["180d", 15_552_000],
    ["1h 30m", 5400],
    ["1d12h", 129_600],
    ["1.5h", 5400],
    ["-1", Number.POSITIVE_INFINITY],
    ["0", undefined],
    ["", undefined],
    ["soon", undefined],
    ["1 fortnight", undefined],
    ["1toString", undefined],
    ["%(bantime)s", undefined],
  ];
  for (const [text, value] of rows) assert.equal(seconds(text), value, text);
});

test("fail2ban-jail.cf changes times, counts and lists, for all jails or for one", () => {
  const file = parseJailFile(
    [
      "# comment",
      "[DEFAULT]",
      "bantime  = 1234",
      "findtime = 321s ; a comment",
      "maxretry = 2",
      "ignoreip = 127.0.0.1/8, 192.0.2.0/24",
      "           2001:db8::1",
      "banaction = nftables-multiport",
      "[dovecot]",
      "maxretry: 3",
      "[postfix]",
      "enabled = false",
      "[custom]",
      "bantime = -1",
      "[sshd]",
      "maxretry = nonsense of another program",
    ].join("\n"),
  );
  assert.deepEqual(file.problems, []);
  const policy = banPolicy(defaults, file);
  assert.deepEqual(policy.jail("dovecot"), { enabled: true, maxRetry: 3, findMs: 321_000, banMs: 1_234_000 });
  assert.equal(policy.jail("postfix").enabled, false);
  assert.equal(policy.jail("postfix").maxRetry, 2);
  assert.equal(policy.jail("custom").banMs, Number.POSITIVE_INFINITY);
  assert.deepEqual(policy.ignored.slice(-3), ["127.0.0.1/8", "192.0.2.0/24", "2001:db8::1"]);
});

test("without the file the defaults are docker-mailserver's", () => {
  const policy = banPolicy(defaults, emptyJailFile);
  const week = 604_800_000;
  assert.deepEqual(policy.jail("postfix"), { enabled: true, maxRetry: 6, findMs: week, banMs: week });
  assert.equal(policy.jail("custom").banMs, 180 * 86_400_000);
  assert.deepEqual(policy.ignored, ["127.0.0.0/8", "::1"]);
});

test("what cannot be understood is a problem with its line, and only that is left out", () => {
  const file = parseJailFile(
    "[DEFAULT]\nbantime = long\nmaxretry = 0\nignoreip = 192.0.2.1 home.example.org\nfindtime = 10m\nnonsense\n",
  );
  assert.deepEqual(
    file.problems.map(({ line, reason }) => [line, reason.split(":")[0]]),
    [
      [2, "bantime"],
      [3, "maxretry"],
      [4, "ignoreip"],
      [6, "this is neither [jail] nor option = value"],
    ],
  );
  assert.deepEqual(file.defaults, { ignored: ["192.0.2.1"], findSeconds: 600 });
});

test("no text makes the reader throw", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseJailFile(`[DEFAULT]\n${text}`)));
  fc.assert(fc.property(fc.string(), (text) => void parseJailFile(`[DEFAULT]\nbantime = ${text}`)));
});

test("a ban grows with each repetition up to the longest, and never below what is declared", () => {
  const rules = { growth: 2, longestMs: 1000 };
  const lasts = (banMs: number, times: number) => {
    const { since, until } = term(banMs, rules, times === 0 ? undefined : { times }, 50);
    assert.equal(since, 50);
    return until - since;
  };
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5000].map((times) => lasts(100, times)),
    [100, 200, 400, 800, 1000, 1000],
  );
  assert.equal(lasts(5000, 3), 5000);
  assert.equal(term(Number.POSITIVE_INFINITY, rules, undefined, 50).until, FOR_EVER);
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (banMs, times) => {
      assert.ok(lasts(banMs, times + 1) >= lasts(banMs, times));
    }),
  );
});
