import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:https";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { toMailauthResolver } from "../dns/mailauth-resolver.ts";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { parseHeaders } from "../message/headers.ts";
import { parseStructure } from "../message/mime/structure.ts";
import { silentLog } from "../net/log.ts";
import { isPublicAddress } from "../net/public-address.ts";
import { noBasis, opportunisticDemand, type TlsFailure } from "../queue/client/tls-policy.ts";
import type { TlsAttempt } from "../queue/delivery.ts";
import { signingZone, testPost } from "../reports/post-for-tests.ts";
import { testAuthority } from "../tls/authority-for-tests.ts";
import { targetsOf } from "./reporting-addresses.ts";
import { openTlsReports, type TlsReportOptions } from "./tls-report.ts";

/** A verifier that is not ours. */
const { dkimVerify } = createRequire(import.meta.url)(
  "mailauth/lib/dkim/verify",
) as typeof import("mailauth");

const HOUR = 3_600_000;
const TODAY = Date.parse("2026-03-01T12:00:00Z");
async function reports(
  context: TestContext,
  zone: Record<string, string[]>,
  changes: Partial<TlsReportOptions> = {},
) {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-tlsrpt-"));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const clock = { now: TODAY };
  const { post, sent } = testPost();
  const open = () =>
    openTlsReports({
      directory,
      resolver: zoneResolver(zone),
      enabled: () => true,
      log: silentLog,
      clock: () => clock.now,
      random: () => 0.5,
      post,
      ...changes,
    });
  return { directory, clock, sent, open };
}
const target = { host: "mx.a.test", address: "192.0.2.1", port: 25, localAddress: undefined, secure: false };
const attempt = (domain: string, failure?: TlsFailure, changes: Partial<TlsAttempt> = {}): TlsAttempt => ({
  domain,
  target,
  demand: opportunisticDemand,
  outcome: undefined,
  failure,
  ...changes,
});
const sts = {
  ...opportunisticDemand,
  basis: { ...noBasis, type: "sts", strings: ["version: STSv1", "mode: testing"], mxHosts: ["mx.a.test"] },
} as const;
const expired: TlsFailure = { type: "certificate-expired", text: "out of date" };

/** The JSON in the attachment of a report message. */
function reportIn(message: Buffer): Record<string, unknown> {
  const part = parseStructure(message).children[1]!;
  const encoded = message.subarray(part.bodyStart, part.end).toString();
  return JSON.parse(gunzipSync(Buffer.from(encoded, "base64")).toString());
}

test("a day's sessions are reported after its end, signed, by mail (RFC 8460 §4, §5.3)", async (context) => {
  const zone = {
    ...signingZone,
    "TXT _smtp._tls.a.test": ["v=TLSRPTv1; rua=mailto:tls%2Bin@r.test"],
  };
  const { clock, sent, open, directory } = await reports(context, zone);
  const first = open();
  for (let count = 0; count < 3; count += 1) first.record(attempt("A.test", undefined, { demand: sts }));
  await first.close();
  const again = open();
  context.after(() => again.close());
  again.record(attempt("a.test", expired, { demand: sts }));
  again.record(attempt("a.test"));
  again.record(attempt("silent.test"));
  await again.run();
  clock.now = Date.parse("2026-03-02T02:00:00Z");
  await again.run();
  assert.equal(sent.length, 0, "not before its moment of chance (§4.1)");
  clock.now += HOUR;
  await Promise.all([again.run(), again.run()]);
  assert.equal(sent.length, 1, "one report, and none to whom nobody asked for");
  const { envelope, prefix, content } = sent[0]!;
  assert.deepEqual(envelope, {
    from: "",
    recipients: [{ address: "tls+in@r.test", notify: ["NEVER"] }],
    tlsOptional: true,
  });
  const message = Buffer.concat([prefix, content.buffer!]);
  const text = message.toString();
  assert.match(text, /\r\nTLS-Report-Domain: a\.test\r\nTLS-Report-Submitter: here\.test\r\n/);
  assert.match(text, /Content-Type: multipart\/report; report-type="tlsrpt";/);
  assert.match(text, /Content-Type: application\/tlsrpt\+gzip\r\n/);
  assert.match(text, /filename="here\.test!a\.test!1772323200!1772409599\.json\.gz"/);
  const verified = await dkimVerify(message, {
    resolver: toMailauthResolver(zoneResolver(zone)) as never,
  });
  const [signature] = verified.results;
  assert.equal(signature?.status.result, "pass");
  assert.match(signature?.signingHeaders?.keys ?? "", /tls-report-domain.*tls-report-submitter/i);
  assert.ok(parseHeaders(message).complete);
  assert.deepEqual(reportIn(message), {
    "organization-name": "here.test",
    "date-range": { "start-datetime": "2026-03-01T00:00:00Z", "end-datetime": "2026-03-01T23:59:59Z" },
    "contact-info": "postmaster@here.test",
    "report-id": "2026-03-01.a.test@here.test",
    policies: [
      {
        policy: {
          "policy-type": "sts",
          "policy-string": ["version: STSv1", "mode: testing"],
          "policy-domain": "a.test",
          "mx-host": ["mx.a.test"],
        },
        summary: { "total-successful-session-count": 3, "total-failure-session-count": 1 },
        "failure-details": [
          {
            "result-type": "certificate-expired",
            "receiving-mx-hostname": "mx.a.test",
            "receiving-ip": "192.0.2.1",
            "failed-session-count": 1,
            "failure-reason-code": "out of date",
          },
        ],
      },
      {
        policy: { "policy-type": "no-policy-found", "policy-domain": "a.test" },
        summary: { "total-successful-session-count": 1, "total-failure-session-count": 0 },
      },
    ],
  });
  assert.deepEqual(await readdir(directory), [], "a day that is told is forgotten");
});

test("counting writes no file before its minute, and a policy that could not be had is a failure of its own", async (context) => {
  const { directory, open } = await reports(context, {});
  const opened = open();
  const failures = [{ type: "sts-policy-fetch-error", text: "404" }] as const;
  const demand = { ...opportunisticDemand, basis: { ...noBasis, failures } };
  for (let count = 0; count < 10_000; count += 1) opened.record(attempt("a.test", undefined, { demand }));
  assert.deepEqual(await readdir(directory), []);
  await opened.close();
  const [name] = await readdir(directory);
  const lines = (await readFile(join(directory, name!), "utf8")).trim().split("\n");
  assert.deepEqual(
    lines
      .map((line) => JSON.parse(line))
      .map(([count, { policy, failure }]) => [count, policy.type, failure?.type]),
    [
      [10_000, "no-policy-found", undefined],
      [10_000, "sts", "sts-policy-fetch-error"],
    ],
  );
});

test("a report goes by HTTPS where the record says so, tried again while that fails, and never into a private network", async (context) => {
  const authority = await testAuthority();
  const posts: { type: string | undefined; body: Buffer }[] = [];
  let status = 503;
  const server = createServer(await authority.issue(["r.test"]), (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      posts.push({ type: request.headers["content-type"], body: Buffer.concat(chunks) });
      response.writeHead(status).end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const zone = {
    "A r.test": ["127.0.0.1"],
    "TXT _smtp._tls.a.test": [`v=TLSRPTv1;rua=https://r.test:${port}/v1/tls`],
  };
  const { clock, open } = await reports(context, zone, { allowedHttps: () => true });
  const opened = open();
  context.after(() => opened.close());
  opened.record(attempt("a.test", expired));
  clock.now += 24 * HOUR;
  await opened.run();
  status = 201;
  await opened.run();
  await opened.run();
  assert.equal(posts.length, 2, "once in vain, once with success");
  assert.equal(posts[1]?.type, "application/tlsrpt+gzip");
  const { policies } = JSON.parse(gunzipSync(posts[1]!.body).toString());
  assert.equal(policies[0].summary["total-failure-session-count"], 1);

  const guarded = await reports(context, zone);
  const guardedReports = guarded.open();
  context.after(() => guardedReports.close());
  guardedReports.record(attempt("a.test", expired));
  guarded.clock.now += 24 * HOUR;
  await guardedReports.run();
  assert.equal(posts.length, 2);
});

test("records are read by the grammar of RFC 8460 §3, and strange targets passed over", () => {
  const kinds = (record: string) =>
    targetsOf(record).map((each) => (each.kind === "https" ? each.url.href : each.address));
  assert.deepEqual(kinds("v=TLSRPTv1; rua=mailto:a@b.test,https://r.test/x?y=1"), [
    "a@b.test",
    "https://r.test/x?y=1",
  ]);
  assert.deepEqual(kinds("v=TLSRPTv1;rua=http://r.test/,ftp://x/,mailto:,mailto:nobody,x;ext=1"), []);
  assert.deepEqual(kinds("v=TLSRPTv1;"), []);
  assert.deepEqual(kinds("v=TLSRPTv1; rua=mailto:a@b.test?subject=x"), ["a@b.test"]);
  assert.deepEqual(kinds("v=TLSRPTv1; rua=mailto:a%0D%0ABcc:x@b.test"), []);
});

test("addresses of somebody's own network are not public (RFC 6890)", () => {
  const own = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.1.1",
    "169.254.169.254",
    "::1",
    "fe80::1",
    "fd00::1",
    "::ffff:10.0.0.1",
    "x",
  ];
  for (const address of own) assert.equal(isPublicAddress(address), false, address);
  for (const address of ["192.0.2.1", "8.8.8.8", "2001:db8::1"])
    assert.equal(isPublicAddress(address), true, address);
});
