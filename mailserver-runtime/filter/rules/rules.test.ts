import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { zoneResolver } from "../../dns/zone-for-tests.ts";
import { memoryContent } from "../../message/content.ts";
import { silentLog } from "../../net/log.ts";
import { rulesCheck } from "../checks/rules.ts";
import { createInboundFilter } from "../inbound-filter.ts";
import { parseExpression } from "./expression.ts";
import { loadLinearRegex, type RegexCompiler } from "./linear-regex.ts";
import { loadRules } from "./load-rules.ts";
import { readRules } from "./rule-file.ts";

const engine = await loadLinearRegex().catch((error: unknown) => error as Error);
const skip = engine instanceof Error && !process.env.CI ? `no engine: ${engine.message}` : false;
function compiler(): RegexCompiler {
  if (engine instanceof Error) throw engine;
  return engine;
}
/** Finds the pattern as plain text: enough where the language is tested and not the engine. */
const literal: RegexCompiler = (pattern, flags) => ({
  matches: (text) =>
    flags.includes("i") ? text.toLowerCase().includes(pattern.toLowerCase()) : text.includes(pattern),
});

async function symbols(
  rules: string,
  message: string,
  compile: RegexCompiler,
): Promise<Record<string, number>> {
  const file = readRules(rules, compile);
  const filter = createInboundFilter({
    hostname: () => "mx.test",
    resolver: zoneResolver({}),
    log: silentLog,
    checks: [rulesCheck(() => file)],
  });
  const { findings } = await filter.inspect({
    content: memoryContent(Buffer.from(message.replace(/\n/g, "\r\n"))),
    client: { address: "192.0.2.1", port: 1, secure: false },
    helo: "x.test",
    from: "bounce@lists.test",
    recipients: [],
    receivedAt: new Date(),
  });
  return Object.fromEntries(findings.map(({ symbol, score }) => [symbol, score]));
}
const message = `From: "Big Bank" <alice@shop.test>
To: bob@example.test
Subject: =?utf-8?q?Special_Offer?=
List-Id: <x.lists.test>
MIME-Version: 1.0
Content-Type: text/html

<p>Make   money
fast</p><a href="http://win.test/now">go</a>
`;

test("header, body, rawbody, uri, full, exists and meta rules hit as Mail::SpamAssassin::Conf says", async () => {
  const rules = `
# the shop's rules
header   SUBJECT_OFFER  Subject =~ /special offer/i
score    SUBJECT_OFFER  2.5
header   FROM_SHOP      From:addr =~ m{@shop.test}
score    FROM_SHOP      0.1 0.2 0.3 0.4
header   FROM_NAME      From:name =~ /Big Bank/
header   NOT_ANN        From !~ /ann@/
header   NO_MAILER      X-Mailer =~ /none/ [if-unset: none]
header   LISTED         exists:List-Id
header   BOUNCED        EnvelopeFrom =~ /@lists.test/
body     __MONEY        /make money fast/i
rawbody  TAGGED         /<p>/
uri      WIN            /win.test\\/now/
full     MIMED          /MIME-Version: 1.0/
meta     BOTH           (__MONEY && SUBJECT_OFFER) && !MISSING
score    BOTH           3
meta     ENOUGH         __MONEY + LISTED + WIN >= 3
meta     TOO_MUCH       __MONEY + LISTED > 2
body     OFF            /money/i
score    OFF            0
describe BOTH           Money and an offer
`;
  assert.deepEqual(readRules(rules, literal).problems, []);
  assert.equal(readRules(rules, literal).rules.get("BOTH")?.description, "Money and an offer");
  assert.deepEqual(await symbols(rules, message, literal), {
    SUBJECT_OFFER: 2.5,
    FROM_SHOP: 0.4,
    FROM_NAME: 1,
    NOT_ANN: 1,
    NO_MAILER: 1,
    LISTED: 1,
    BOUNCED: 1,
    TAGGED: 1,
    WIN: 1,
    MIMED: 1,
    BOTH: 3,
    ENOUGH: 1,
  });
});

test("what cannot be run is named with its line, and the rest runs", () => {
  const { rules, problems } = readRules(
    `header RDNS eval:check_rdns()
body GOOD /good/
body BAD no pattern
meta HALF (A &&
wibble X 1
ifplugin Mail::SpamAssassin::Plugin::DKIM
body INSIDE /x/
endif
body AFTER /after/
score GOOD many`,
    literal,
  );
  assert.deepEqual([...rules.keys()], ["GOOD", "AFTER"]);
  assert.deepEqual(
    problems.map(({ line }) => line),
    [1, 3, 4, 5, 6, 10],
  );
});

test("metas that ask for each other in a circle end, as rules that did not hit", async () => {
  assert.deepEqual(await symbols("meta A B\nmeta B A\nmeta SELF SELF || 0\n", message, literal), {});
});

for (const [expression, value] of [
  ["1 + 2 * 3", 7],
  ["(1 + 2) * 3", 9],
  ["!A && B", 1],
  ["A || B", 1],
  ["A == 0", 1],
  ["6 / 0", 0],
  ["5 - 2 - 1", 2],
  ["1 + 1 >= 2 && 3 > 2", 1],
] as const)
  test(`the expression ${expression} is ${value}`, () => {
    const parsed = parseExpression(expression);
    assert.ok(typeof parsed === "object");
    assert.equal(Number(parsed.evaluate((name) => (name === "B" ? 1 : 0))), value);
  });

test("no expression and no rule file makes the reader throw", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseExpression(text);
      readRules(`meta X ${text}\nheader Y ${text}\n${text}`, literal);
    }),
  );
  assert.equal(parseExpression(`${"(".repeat(500)}1${")".repeat(500)}`), "it is nested too deeply");
});

test("a pattern that makes other engines backtrack for ever takes no time (RE2)", { skip }, async () => {
  const rules = "body EVIL /(a+)+b/\nbody EVIL2 /(x+x+)+y/i\nbody FOUND /\\bneedle\\b/\n";
  assert.deepEqual(readRules(rules, compiler()).problems, []);
  const before = process.cpuUsage();
  const hit = await symbols(
    rules,
    `Subject: x\n\n${"a".repeat(20_000)} ${"x".repeat(10_000)} needle\n`,
    compiler(),
  );
  const { user } = process.cpuUsage(before);
  assert.deepEqual(hit, { FOUND: 1 });
  assert.ok(user < 2_000_000, `${user} µs`);
});

test("look-around and backreferences are refused by name, flags are Perl's", { skip }, async () => {
  const rules =
    "body LOOK /(?<!a)b/\nbody BACK /(a)\\1/\nbody BLANKS /o f f e r/x\nheader DOT Subject =~ /^spec.al/i\n";
  const { problems } = readRules(rules, compiler());
  assert.deepEqual(
    problems.map(({ reason }) => /^(\w+): the pattern needs/.exec(reason)?.[1]),
    ["LOOK", "BACK"],
  );
  assert.deepEqual(await symbols(rules, "Subject: Special\n\nan offer\n", compiler()), { BLANKS: 1, DOT: 1 });
});

test("a rules file is read with its problems in the log, and a missing one means no rules", {
  skip,
}, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-rules-"));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "spamassassin-rules.cf");
  const said: object[] = [];
  const log = { ...silentLog, warn: (fields: object) => void said.push(fields) };
  assert.equal((await loadRules(path, log)).rules.size, 0);
  await writeFile(path, "body A /a/\nheader B eval:b()\n");
  assert.deepEqual([...(await loadRules(path, log)).rules.keys()], ["A"]);
  assert.match(JSON.stringify(said), /"line":2/);
});
