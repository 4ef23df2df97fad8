import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { silentLog } from "../net/log.ts";
import { testAuthority } from "../tls/authority-for-tests.ts";
import { type MtaStsOptions, openMtaSts } from "./mta-sts.ts";
import { namesHost, readPolicy, StsError } from "./policy.ts";
import { type PolicyAnswer, type PolicyHost, policyHost, policyText } from "./policy-host-for-tests.ts";

const DAY = 86_400_000;
const authority = await testAuthority();
const enforce = policyText("enforce", ["mx.a.test", "*.b.test"]);

/** A domain a.test whose record has an id that the test changes; `open` is a start of the server. */
async function domain(context: TestContext, host: PolicyHost, record: string[] = ["v=STSv1; id=one;"]) {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-sts-"));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const zone = { "TXT _mta-sts.a.test": record, "A mta-sts.a.test": ["127.0.0.1"] };
  const clock = { now: Date.now() };
  const open = async (changes: Partial<MtaStsOptions> = {}) => {
    const opened = await openMtaSts({
      directory,
      resolver: zoneResolver(zone),
      log: silentLog,
      ca: authority.pem,
      port: host.port,
      fetchTimeoutMs: 1000,
      clock: () => clock.now,
      ...changes,
    });
    context.after(() => opened.close());
    return opened;
  };
  return { directory, record, clock, open };
}
const goodHost = async (context: TestContext) =>
  policyHost(context, await authority.issue(["mta-sts.a.test"]), enforce);

test("a policy is fetched once and holds over a restart and a policy host that is gone (RFC 8461 §3.3)", async (context) => {
  const host = await goodHost(context);
  const { open } = await domain(context, host);
  const first = await open();
  const answers = await Promise.all(Array.from({ length: 20 }, () => first.policyFor("A.test")));
  assert.equal(host.requests(), 1, "one fetch for all who wait");
  for (const { policy } of answers)
    assert.deepEqual([policy?.mode, policy?.mx], ["enforce", ["mx.a.test", "*.b.test"]]);
  first.close();
  await host.close();
  const again = await (await open()).policyFor("a.test");
  assert.deepEqual([again.policy?.mode, again.failure], ["enforce", undefined]);
});

test("a new id fetches the new policy; where that fails the old one stays, and the failure is told (§3.3)", async (context) => {
  const host = await goodHost(context);
  const { record, clock, open } = await domain(context, host);
  const sts = await open();
  assert.equal((await sts.policyFor("a.test")).policy?.id, "one");
  record[0] = "v=STSv1; id=two;";
  host.answer = { status: 500, body: "" };
  const failed = await sts.policyFor("a.test");
  assert.deepEqual([failed.policy?.id, failed.failure?.type], ["one", "sts-policy-fetch-error"]);
  host.answer = { body: policyText("testing", ["new.a.test"]) };
  assert.equal((await sts.policyFor("a.test")).policy?.id, "one", "not asked again within five minutes");
  clock.now += 6 * 60_000;
  const { policy } = await sts.policyFor("a.test");
  assert.deepEqual([policy?.id, policy?.mode], ["two", "testing"]);
  record.length = 0;
  assert.equal(
    (await sts.policyFor("a.test")).policy?.id,
    "two",
    "a record that is gone takes nothing back (§8.3)",
  );
});

test("a policy is fetched anew daily, and one whose time has run out is not applied (§3.3, §10.2)", async (context) => {
  const host = await goodHost(context);
  host.answer = { body: policyText("enforce", ["mx.a.test"], 2 * 86_400) };
  const { clock, open } = await domain(context, host);
  const sts = await open();
  await sts.policyFor("a.test");
  await sts.refresh();
  assert.equal(host.requests(), 1, "nothing is due yet");
  clock.now += DAY + 1;
  await sts.refresh();
  assert.equal(host.requests(), 2);
  host.answer = { status: 404, body: "" };
  clock.now += 2 * DAY - 1;
  assert.equal((await sts.policyFor("a.test")).policy?.mode, "enforce", "in force to its last moment");
  clock.now += 2;
  const late = await sts.policyFor("a.test");
  assert.equal(late.policy, undefined);
  assert.match(late.failure?.text ?? "", /status 404/);
});

test("mode none takes a policy back (§8.3)", async (context) => {
  const host = await goodHost(context);
  const { record, open } = await domain(context, host);
  const sts = await open();
  await sts.policyFor("a.test");
  record[0] = "v=STSv1; id=gone;";
  host.answer = { body: policyText("none", []) };
  assert.deepEqual(await sts.policyFor("a.test"), { policy: undefined, failure: undefined });
});

/** What a policy host or a record does wrong, and how it is reported (RFC 8460 §4.3). */
const faults: readonly (readonly [
  what: string,
  answer: PolicyAnswer | undefined,
  type: string,
  text: RegExp,
])[] = [
  [
    "redirects",
    { status: 301, headers: { location: "https://mta-sts.a.test/x" }, body: "" },
    "sts-policy-fetch-error",
    /301/,
  ],
  [
    "answers 204",
    { status: 204, headers: { "content-type": "text/plain" }, body: "" },
    "sts-policy-fetch-error",
    /204/,
  ],
  [
    "serves HTML",
    { headers: { "content-type": "text/html" }, body: enforce },
    "sts-policy-fetch-error",
    /media type/,
  ],
  ["has no media type", { headers: {}, body: enforce }, "sts-policy-fetch-error", /media type/],
  [
    "sends without end",
    { body: `${enforce}x: ${"x".repeat(70_000)}\r\n` },
    "sts-policy-fetch-error",
    /larger/,
  ],
  ["never answers", undefined, "sts-policy-fetch-error", /within 1 s/],
  ["has no version", { body: enforce.replace("version: STSv1\r\n", "") }, "sts-policy-invalid", /version/],
  ["has no mx", { body: policyText("enforce", []) }, "sts-policy-invalid", /mx/],
  ["has an unknown mode", { body: policyText("strict", ["mx.a.test"]) }, "sts-policy-invalid", /mode/],
  [
    "has no max_age",
    { body: "version: STSv1\nmode: enforce\nmx: mx.a.test\n" },
    "sts-policy-invalid",
    /max_age/,
  ],
  [
    "has an endless max_age",
    { body: policyText("enforce", ["mx.a.test"], 99_999_999_999) },
    "sts-policy-invalid",
    /max_age/,
  ],
  ["has a partial wildcard", { body: policyText("enforce", ["m*.a.test"]) }, "sts-policy-invalid", /mx/],
];
for (const [what, answer, type, text] of faults)
  test(`a policy host that ${what} is one without a policy, and reported`, async (context) => {
    const host = await goodHost(context);
    host.answer = answer;
    const { directory, open } = await domain(context, host);
    const got = await (await open()).policyFor("a.test");
    assert.deepEqual([got.policy, got.failure?.type], [undefined, type]);
    assert.match(got.failure?.text ?? "", text);
    assert.deepEqual(await readdir(directory), []);
  });

test("the policy host's certificate must have its name as a DNS-ID, from a trusted authority, in time (§3.3)", async (context) => {
  const stranger = await testAuthority("A stranger");
  const wrong = [
    await authority.issue(["a.test", "*.mta-sts.a.test", "mta-sts.b.test"]),
    await authority.issue(["mta-sts.a.test"], new Date(Date.now() - 5 * DAY)),
    await stranger.issue(["mta-sts.a.test"]),
  ];
  for (const certificate of wrong) {
    const { open } = await domain(context, await policyHost(context, certificate, enforce));
    const { policy, failure } = await (await open()).policyFor("a.test");
    assert.deepEqual([policy, failure?.type], [undefined, "sts-webpki-invalid"], failure?.text);
  }
  const wildcard = await policyHost(context, await authority.issue(["*.a.test"]), enforce);
  const { open } = await domain(context, wildcard);
  assert.equal((await (await open()).policyFor("a.test")).policy?.mode, "enforce");
});

test("records that break their grammar, or are several, are no record (§3.1)", async (context) => {
  const host = await goodHost(context);
  const records: readonly (readonly [string[], string | undefined])[] = [
    [["v=STSv1; id=1;", "v=STSv1; id=2;"], "sts-policy-invalid"],
    [["v=STSv1;"], "sts-policy-invalid"],
    [["v=STSv1; id=no-hyphens;"], "sts-policy-invalid"],
    [["v=spf1 -all"], undefined],
    [["v=STSv2; id=1;"], undefined],
  ];
  for (const [record, type] of records) {
    const { open } = await domain(context, host, record);
    const { policy, failure } = await (await open()).policyFor("a.test");
    assert.deepEqual([policy, failure?.type], [undefined, type], record.join(" | "));
  }
  const { open } = await domain(context, host, ["v=spf1 -all", "v=STSv1; id=20260101T000000; ext=x"]);
  assert.equal((await (await open()).policyFor("a.test")).policy?.id, "20260101T000000");
  assert.deepEqual(await (await open()).policyFor("[127.0.0.1]"), { policy: undefined, failure: undefined });
});

test("a file that is no policy is passed over at the start", async (context) => {
  const host = await goodHost(context);
  const { directory, open } = await domain(context, host);
  await writeFile(join(directory, "a.test.json"), "{");
  await writeFile(join(directory, "b.test.json"), JSON.stringify({ domain: "a.test" }));
  assert.equal((await (await open()).policyFor("a.test")).policy?.mode, "enforce");
});

test("a pattern with a wildcard stands for exactly one label (§4.1)", () => {
  const policy = readPolicy("1", policyText("enforce", ["mx.a.test", "*.b.test"]));
  const hosts = ["mx.a.test", "MX.A.TEST", "x.b.test", "b.test", "y.x.b.test", "xb.test", "a.test"];
  assert.deepEqual(
    hosts.map((host) => namesHost(policy, host)),
    [true, true, true, false, false, false, false],
  );
});

test("any octets are a policy or an StsError", () => {
  const line = fc.oneof(
    fc.constantFrom(
      "version: STSv1",
      "mode: enforce",
      "mode: none",
      "mx: *.a.test",
      "max_age: 60",
      "x: y",
      ":",
      "",
    ),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom("\n", "\r\n", "\r"), (lines, end) => {
      try {
        readPolicy("1", lines.join(end));
      } catch (error) {
        assert.ok(error instanceof StsError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
