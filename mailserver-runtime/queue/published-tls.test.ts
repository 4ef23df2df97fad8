/** What destinations publish about TLS, kept by the queue: MTA-STS with knot, an HTTPS server and Postfix; REQUIRETLS. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { skipWithoutPostfix, startPostfix } from "../../test/support/postfix.ts";
import { needs } from "../../test/support/tools.ts";
import { createResolver } from "../dns/resolver.ts";
import { startKnot } from "../dns/test-support.ts";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { openMtaSts } from "../mta-sts/mta-sts.ts";
import { policyHost, policyText } from "../mta-sts/policy-host-for-tests.ts";
import { silentLog } from "../net/log.ts";
import { testAuthority } from "../tls/authority-for-tests.ts";
import { opportunisticDemand, type TlsDemand } from "./client/tls-policy.ts";
import type { TlsAttempt } from "./delivery.ts";
import { explainTls } from "./explain-tls.ts";
import type { Envelope } from "./queue.ts";
import { envelope, submission, testQueue, until } from "./queue-for-tests.ts";
import { type Script, scriptedServer } from "./scripted-server.ts";
import { createTlsDemand } from "./tls-demand.ts";

const authority = await testAuthority();

test("an MTA-STS policy is kept: enforced, or only reported in mode testing (RFC 8461 §5)", {
  skip: skipWithoutPostfix,
}, async (t) => {
  if (!needs(t, "knotd", "kdig")) return;
  /** Domain, its one host, and its policy; the receiver has a certificate for mx.good.sts.test alone. */
  const domains = [
    ["enforce.sts.test", "mx.good.sts.test", policyText("enforce", ["mx.good.sts.test"])],
    ["wildcard.sts.test", "mx.good.sts.test", policyText("enforce", ["*.good.sts.test"])],
    ["unlisted.sts.test", "mx.good.sts.test", policyText("enforce", ["mx.other.sts.test"])],
    ["misnamed.sts.test", "mx.bad.sts.test", policyText("enforce", ["mx.bad.sts.test"])],
    ["testing.sts.test", "mx.bad.sts.test", policyText("testing", ["mx.bad.sts.test"])],
    ["testing-unlisted.sts.test", "mx.good.sts.test", policyText("testing", ["mx.other.sts.test"])],
    ["none.sts.test", "mx.bad.sts.test", policyText("none", [])],
    ["broken.sts.test", "mx.bad.sts.test", "nonsense"],
  ] as const;
  const names = domains.map(([domain]) => domain);
  const zone = [
    "$TTL 60\n@ SOA ns hostmaster 1 7200 900 1209600 60\n@ NS ns\nns A 127.0.0.1\nmx.good A 127.0.0.1\nmx.bad A 127.0.0.1\n",
    ...domains.map(
      ([domain, host]) =>
        `${domain}. MX 10 ${host}.\n_mta-sts.${domain}. TXT "v=STSv1; id=1;"\nmta-sts.${domain}. A 127.0.0.1\n`,
    ),
  ].join("");
  const certificate = await authority.issue(["mx.good.sts.test"]);
  const [knot, { port }, web, directory] = await Promise.all([
    startKnot(t, { "sts.test": { text: zone, lines: [] } }),
    startPostfix(t, { certificate, domains: names }),
    policyHost(t, await authority.issue(names.map((name) => `mta-sts.${name}`)), ""),
    mkdtemp(join(tmpdir(), "mailkeep-sts-")),
  ]);
  t.after(() => rm(directory, { recursive: true, force: true }));
  for (const [domain, , body] of domains) web.bodies.set(`mta-sts.${domain}`, body);
  const resolver = createResolver({ servers: [`127.0.0.1:${knot}`] });
  const mtaSts = await openMtaSts({ directory, resolver, log: silentLog, ca: authority.pem, port: web.port });
  t.after(() => {
    mtaSts.close();
    resolver.close();
  });
  const attempts = new Map<string, TlsAttempt>();
  const tlsDemand = createTlsDemand({ resolver, dane: () => true, mtaSts: () => mtaSts });
  const { queue } = await testQueue(t, port, {
    resolver,
    timeouts: undefined,
    ca: authority.pem,
    tlsDemand,
    onTls: (attempt) => attempts.set(attempt.domain, attempt),
  });
  const ids = new Map<string, string>();
  for (const domain of names) ids.set(domain, (await queue.enqueue(submission(`bob@${domain}`))).id);

  type Expected = readonly [
    domain: (typeof names)[number],
    level: string,
    basis: string,
    failure: string | undefined,
  ];
  const arrives: readonly Expected[] = [
    ["enforce.sts.test", "verify", "sts", undefined],
    ["wildcard.sts.test", "verify", "sts", undefined],
    ["testing.sts.test", "opportunistic", "sts", "certificate-host-mismatch"],
    ["testing-unlisted.sts.test", "opportunistic", "sts", "validation-failure"],
    ["none.sts.test", "opportunistic", "no-policy-found", undefined],
    ["broken.sts.test", "opportunistic", "no-policy-found", undefined],
  ];
  for (const [domain, level, basis, failure] of arrives)
    await t.test(`mail for ${domain} arrives, and is reported as ${failure ?? "good"}`, async () => {
      await until(
        async () => (await queue.operator.show(ids.get(domain)!)) === undefined,
        `${domain} to be delivered`,
      );
      const { outcome, demand, failure: found } = attempts.get(domain)!;
      assert.deepEqual(
        [outcome?.policy, demand.basis.type, found?.type],
        [level, basis, failure],
        found?.text,
      );
    });
  const told = await Promise.all(
    ["enforce.sts.test", "unlisted.sts.test", "testing.sts.test", "sts.test"].map(async (domain) =>
      (await explainTls(domain, { resolver, port, tlsDemand })).join("\n"),
    ),
  );
  assert.match(told[0]!, /^TLS to mx\.good\.sts\.test: MTA-STS, enforced: .* for mx\.good\.sts\.test/);
  assert.match(told[1]!, /^TLS to mx\.good\.sts\.test: mail waits: .* not among the hosts/);
  assert.match(told[2]!, /^TLS to mx\.bad\.sts\.test: opportunistic; its MTA-STS policy is in mode testing/);
  assert.match(told[3]!, /^TLS to sts\.test: not known, since it has no address now/);
  assert.deepEqual(
    attempts.get("broken.sts.test")?.demand.basis.failures.map(({ type }) => type),
    ["sts-policy-invalid"],
  );
  const waits = [
    [
      "unlisted.sts.test",
      /mx\.good\.sts\.test is not among the hosts of the MTA-STS policy \(mx\.other\.sts\.test\)/,
    ],
    [
      "misnamed.sts.test",
      /the certificate of mx\.bad\.sts\.test does not do: it is not for mx\.bad\.sts\.test/,
    ],
  ] as const;
  for (const [domain, text] of waits)
    await t.test(`mail for ${domain} waits, and says why`, async () => {
      const transcript = async () =>
        (await queue.operator.show(ids.get(domain)!))?.transcript.join("\n") ?? "";
      await until(async () => /temporary/.test(await transcript()), `${domain} to be tried`);
      assert.match(await transcript(), text);
    });
});

interface Outcome {
  /** The MAIL commands that the host got. */
  readonly mails: readonly string[];
  readonly report: string | undefined;
  readonly reportEnvelope: Envelope | undefined;
  readonly waits: boolean;
}

/** Sends one message with REQUIRETLS to a host that is this server; without a script nobody listens there. */
async function withRequireTls(
  context: TestContext,
  script: Script | undefined,
  demand: Partial<TlsDemand> = { hostAuthenticated: true },
  changes: Partial<Envelope> = {},
): Promise<Outcome> {
  const server = await scriptedServer(script);
  if (script === undefined) await server.close();
  else context.after(() => server.close());
  const { queue, reports } = await testQueue(context, server.port, {
    resolver: zoneResolver({ "MX x.test": ["10 mx.test"], "A mx.test": ["127.0.0.1"] }),
    ca: authority.pem,
    tlsDemand: async () => ({ ...opportunisticDemand, ...demand }),
  });
  const { id } = await queue.enqueue(
    submission([], { envelope: envelope("bob@x.test", { requireTls: true, ret: "FULL", ...changes }) }),
  );
  await until(async () => {
    const shown = await queue.operator.show(id);
    return shown === undefined || shown.attempts > 0;
  }, "an attempt");
  const waits = (await queue.operator.list()).entries.some((entry) => entry.id === id && entry.attempts > 0);
  return {
    mails: server.commands.filter((line) => line.startsWith("MAIL")),
    report: reports[0]?.content.buffer?.toString(),
    reportEnvelope: reports[0]?.envelope,
    waits,
  };
}
const tls = await authority.issue(["mx.test"]);
const keeping: Script = { extensions: ["STARTTLS", "REQUIRETLS", "DSN"], tls };

test("a message with REQUIRETLS goes on with it to a host that keeps it (RFC 8689 §4.2.1)", async (context) => {
  const { mails, report } = await withRequireTls(context, keeping);
  assert.deepEqual([mails, report], [["MAIL FROM:<ann@here.test> REQUIRETLS RET=FULL"], undefined]);
});

/** What is missing, and the status that the sender is told. */
const lacking: readonly (readonly [
  what: string,
  script: Script,
  demand: Partial<TlsDemand>,
  status: string,
])[] = [
  ["does not offer it", { extensions: ["STARTTLS"], tls }, { hostAuthenticated: true }, "5.7.30"],
  ["offers it in plain text only", { extensions: ["REQUIRETLS"] }, { hostAuthenticated: true }, "5.7.10"],
  [
    "has no certificate for its name",
    { ...keeping, tls: await authority.issue(["other.test"]) },
    { hostAuthenticated: true },
    "5.7.10",
  ],
  ["is named by neither DNSSEC nor MTA-STS", keeping, {}, "5.7.10"],
];
for (const [what, script, demand, status] of lacking)
  test(`where the host ${what}, the message fails with ${status}, and its content stays here (RFC 8689 §5)`, async (context) => {
    const { mails, report, reportEnvelope } = await withRequireTls(context, script, demand);
    assert.deepEqual(mails, []);
    assert.match(report ?? "", new RegExp(`Action: failed\r\nStatus: ${status.replaceAll(".", "\\.")}\r\n`));
    assert.match(report ?? "", /Content-Type: text\/rfc822-headers[\s\S]*Subject: hello/);
    assert.doesNotMatch(report ?? "", /second begins with a dot/);
    assert.deepEqual([reportEnvelope?.from, reportEnvelope?.requireTls], ["", true]);
  });

test("a host that cannot be reached may keep REQUIRETLS later: the message waits", async (context) => {
  const { report, waits } = await withRequireTls(context, undefined);
  assert.deepEqual([report, waits], [undefined, true]);
});

test("a report with REQUIRETLS is not lost where the next hop does not know it (RFC 8689 §5)", async (context) => {
  for (const [script, parameter] of [
    [{ extensions: ["STARTTLS"], tls }, ""],
    [keeping, " REQUIRETLS"],
    [{ extensions: ["REQUIRETLS"] }, ""],
  ] as const) {
    const { mails } = await withRequireTls(context, script, {}, { from: "", ret: undefined });
    assert.deepEqual(mails, [`MAIL FROM:<>${parameter}`]);
  }
});
