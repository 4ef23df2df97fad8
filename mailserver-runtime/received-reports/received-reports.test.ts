import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { needs, run } from "../../test/support/tools.ts";
import { perform } from "../admin/operations.ts";
import type { Facts } from "../filter/check.ts";
import type { Verdict } from "../filter/pipeline.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { reportMessage } from "../reports/report-message.ts";
import { directoriesBelow } from "../settings/directories.ts";
import { readDmarcXml } from "./dmarc-xml.ts";
import { keptReports, makeRoom } from "./kept-reports.ts";
import { UnreadableReport } from "./received-report.ts";
import { openReceivedReports, readInThread } from "./received-reports.ts";
import { reportsInMessage } from "./reports-in-message.ts";
import { readTlsJson } from "./tls-json.ts";

const record = (source: string, count: number, disposition: string, dkim: string) =>
  `<record><row><source_ip>${source}</source_ip><count>${count}</count><policy_evaluated><disposition>${disposition}</disposition><dkim>${dkim}</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>a.test</header_from></identifiers><auth_results><spf><domain>x.test</domain><result>fail</result></spf></auth_results></record>`;
const aggregate = (records: string, root = "feedback") =>
  `<?xml version="1.0" encoding="UTF-8" ?>\n<${root}><report_metadata><org_name>google.com</org_name><email>noreply@google.com</email><report_id>42</report_id><date_range><begin>1772323200</begin><end>1772409599</end></date_range></report_metadata><policy_published><domain>A.test</domain><adkim>r</adkim><p>reject</p></policy_published>${records}</${root.split(" ")[0]}>`;
const XML = aggregate(record("192.0.2.1", 12, "none", "pass") + record("198.51.100.7", 2, "reject", "fail"));
const JSON_REPORT = {
  "organization-name": "Company-X",
  "date-range": { "start-datetime": "2026-03-01T00:00:00Z", "end-datetime": "2026-03-01T23:59:59Z" },
  "contact-info": "sts-reporting@company-x.test",
  "report-id": "5065427c",
  policies: [
    {
      policy: {
        "policy-type": "sts",
        "policy-string": ["version: STSv1"],
        "policy-domain": "a.test",
        "mx-host": ["*.a.test"],
      },
      summary: { "total-successful-session-count": 5326, "total-failure-session-count": 303 },
      "failure-details": [
        {
          "result-type": "certificate-expired",
          "receiving-mx-hostname": "mx1.a.test",
          "failed-session-count": 100,
        },
        {
          "result-type": "starttls-not-supported",
          "receiving-mx-hostname": "mx2.a.test",
          "failed-session-count": 203,
        },
      ],
    },
    {
      policy: { "policy-type": "tlsa", "policy-domain": "not-ours.test" },
      summary: { "total-successful-session-count": 1, "total-failure-session-count": 0 },
    },
  ],
};

const mail = (bytes: Buffer, type = "application/gzip"): Buffer =>
  reportMessage({
    hostname: "mail.there.test",
    from: "noreply@there.test",
    to: "reports@a.test",
    subject: "Report Domain: a.test",
    fields: [],
    contentType: "multipart/mixed",
    text: ["A report."],
    attachment: { type, fileName: "report", bytes },
    now: 0,
  });

/** The archive that a tool makes of one file. */
async function archived(context: TestContext, text: string, script: string): Promise<Buffer> {
  const { stdout } = await run(
    "python3",
    ["-c", `import sys,base64,io,gzip,zipfile\ntext=sys.stdin.buffer.read()\n${script}`],
    {
      input: text,
    },
  );
  assert.notEqual(stdout, "", context.name);
  return Buffer.from(stdout, "base64");
}
const ZIP =
  "b=io.BytesIO()\nwith zipfile.ZipFile(b,'w',zipfile.ZIP_DEFLATED) as z: z.writestr('r.xml',text)\nprint(base64.b64encode(b.getvalue()).decode())";
const GZIP = "print(base64.b64encode(gzip.compress(text)).decode())";

test("DMARC reports are read from gzip, zip and plain XML, whatever their type says (RFC 7489 §7.2.1.1)", async (context) => {
  if (!needs(context, "python3")) return;
  const files = [
    [await archived(context, XML, GZIP), "application/octet-stream"],
    [await archived(context, XML, ZIP), "application/x-zip-compressed"],
    [Buffer.from(XML), "text/xml"],
    [Buffer.from(`\ufeff${XML}`), "application/xml"],
  ] as const;
  for (const [bytes, type] of files) {
    const { reports, problems } = await reportsInMessage(mail(bytes, type));
    assert.deepEqual(problems, []);
    assert.deepEqual(reports, [readDmarcXml(XML)], type);
  }
  const report = readDmarcXml(XML);
  assert.deepEqual([report.domain, report.organization, report.policy], ["a.test", "google.com", "reject"]);
  assert.deepEqual(report.sources[1], {
    address: "198.51.100.7",
    headerFrom: "a.test",
    count: 2,
    disposition: "reject",
    dkim: false,
    spf: false,
  });
});

test("the namespaces of RFC 9990 change nothing, and one record is as good as several", () => {
  const one = record("192.0.2.1", 1, "pass", "pass");
  const root = 'feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"';
  assert.equal(readDmarcXml(aggregate(one, root)).sources.length, 1);
  assert.equal(readDmarcXml(aggregate(one, "d:feedback xmlns:d='x'")).sources[0]?.count, 1);
  assert.equal(readDmarcXml(aggregate("")).sources.length, 0);
});

test("TLS reports are read, compressed or not (RFC 8460 §4.4)", async () => {
  const json = JSON.stringify(JSON_REPORT);
  for (const [bytes, type] of [
    [gzipSync(json), "application/tlsrpt+gzip"],
    [Buffer.from(json), "application/tlsrpt+json"],
  ] as const) {
    const { reports } = await reportsInMessage(mail(bytes, type));
    assert.deepEqual(reports, [readTlsJson(json)]);
  }
  assert.equal(readTlsJson(json).policies[0]?.failures[1]?.count, 203);
});

/** What somebody may send instead of a report, and what is said of it. */
const hostile: readonly (readonly [what: string, bytes: () => Buffer, problem: RegExp])[] = [
  ["a gzip bomb", () => gzipSync(Buffer.alloc(40 * 1024 * 1024)), /cannot be unpacked/],
  ["a cut gzip", () => gzipSync(XML).subarray(0, 40), /cannot be unpacked/],
  ["a zip that is none", () => Buffer.from("PK\x03\x04 and no more", "latin1"), /cannot be unpacked/],
  [
    "entities that grow",
    () =>
      Buffer.from(
        `<?xml version="1.0"?><!DOCTYPE f [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><feedback>&b;</feedback>`,
      ),
    /DTD/,
  ],
  [
    "a file of ours by entity",
    () =>
      Buffer.from(`<?xml version="1.0"?><!doctype f [<!entity x SYSTEM "file:///etc/passwd">]><feedback/>`),
    /DTD/,
  ],
  [
    "elements in elements without end",
    () => Buffer.from(`<?xml version="1.0"?>${"<a>".repeat(200_000)}`),
    /no (?:XML|DMARC report)/,
  ],
  ["another document", () => Buffer.from("<?xml version='1.0'?><svg/>"), /no DMARC report/],
  ["counts below zero", () => Buffer.from(XML.replace("<count>12", "<count>-1")), /no DMARC report.*count/],
  ["a prototype", () => Buffer.from('{"__proto__":{"policies":[]}}'), /no TLS report/],
  ["JSON of another form", () => Buffer.from('{"policies":[{"policy":1}]}'), /no TLS report/],
  ["half a JSON", () => Buffer.from('{"policies":['), /no JSON/],
];
for (const [what, bytes, problem] of hostile)
  test(`${what} is no report, and is said to be none`, async () => {
    const { reports, problems } = await reportsInMessage(mail(bytes()));
    assert.deepEqual(reports, []);
    assert.match(problems.join(), problem);
  });

test("a zip that says less than it holds is refused", async (context) => {
  if (!needs(context, "python3")) return;
  const lying = await archived(
    context,
    "x".repeat(100_000),
    ZIP.replace(
      "print",
      "d=bytearray(b.getvalue())\ni=d.find(b'PK\\x01\\x02')\nd[i+24:i+28]=(10).to_bytes(4,'little')\nb=io.BytesIO(bytes(d))\nprint",
    ),
  );
  const { reports, problems } = await reportsInMessage(mail(lying));
  assert.deepEqual(reports, []);
  assert.match(problems.join(), /cannot be unpacked/);
});

test("reports are read outside the loop, and not for ever", async () => {
  const many = aggregate(record("192.0.2.1", 1, "none", "pass").repeat(1000));
  assert.equal((await readInThread(mail(gzipSync(many)))).reports.length, 1);
  await assert.rejects(readInThread(mail(gzipSync(many)), 1), /not read within/);
});

test("any octets are a report or none", async () => {
  const text = fc.constantFrom(XML, JSON.stringify(JSON_REPORT));
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { maxLength: 8 }),
      async (good, changes) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          if (good === XML) readDmarcXml(bytes.toString());
          else readTlsJson(bytes.toString());
        } catch (error) {
          assert.ok(error instanceof UnreadableReport, String(error));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("what others send never fills the disk: the oldest reports go", async (context) => {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-reports-"));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const names = ["2026-01-01", "2026-01-02", "2026-01-03"].map((day) => `${day}.tls.${"0".repeat(32)}.json`);
  for (const name of [...names, "mine.txt"]) await writeFile(join(directory, name), "x".repeat(100));
  await makeRoom(directory, 2, 1000);
  assert.deepEqual((await readdir(directory)).sort(), [...names.slice(1), "mine.txt"]);
  await makeRoom(directory, 2, 150);
  assert.deepEqual((await readdir(directory)).sort(), [names[2], "mine.txt"]);
});

test("what comes to the declared address is kept, once, and summed up by `reports`", async (context) => {
  const root = await mkdtemp(join(tmpdir(), "mailkeep-reports-"));
  context.after(() => rm(root, { recursive: true, force: true }));
  const directories = directoriesBelow(root);
  const directory = `${directories.state}/received-reports`;
  const intake = openReceivedReports({
    directory,
    addresses: () => ["Reports@A.test"],
    isOurs: (domain) => domain === "a.test",
    log: silentLog,
  });
  const accept = { action: { kind: "accept" } } as Verdict;
  const signed = (result: string) => ({ dkim: async () => [{ result }] }) as unknown as Facts;
  const bring = (bytes: Buffer, to: string, facts = signed("pass"), verdict = accept) =>
    intake.observe(
      {
        content: memoryContent(mail(bytes)),
        client: { address: "192.0.2.9", port: 1, secure: true },
        helo: "x.test",
        from: "noreply@there.test",
        recipients: [to],
        receivedAt: new Date(),
      },
      facts,
      verdict,
    );
  const now = Math.floor(Date.now() / 1000);
  const recent = XML.replace("1772323200", String(now - 90_000)).replace("1772409599", String(now - 3600));
  const day = new Date((now - 90_000) * 1000).toISOString();
  const recentTls = { ...JSON_REPORT, "date-range": { "start-datetime": day, "end-datetime": day } };
  await bring(gzipSync(recent), "reports@a.test");
  await bring(gzipSync(recent), "reports@a.test");
  await bring(gzipSync(JSON.stringify(recentTls)), "reports@a.test", signed("fail"));
  await bring(gzipSync(recent.replace(">42<", ">43<")), "ann@a.test");
  await bring(gzipSync(recent.replace(">42<", ">44<")), "reports@a.test", signed("pass"), {
    action: { kind: "reject" },
  } as Verdict);
  await bring(gzipSync(recent.replace("A.test", "stranger.test")), "reports@a.test");
  await intake.close();
  assert.equal((await readdir(directory)).length, 2);
  assert.deepEqual(
    (await keptReports(directory, "2000-01-01")).map(({ report }) => report.kind),
    ["dmarc", "tls"],
  );

  const answer = await perform("reports", { domain: "A.test" }, { directories, version: "1" });
  assert.deepEqual([answer.reports, answer.unverified], [2, 1]);
  assert.deepEqual(answer.dmarc[0], {
    domain: "a.test",
    source: "192.0.2.1",
    messages: 12,
    passed: 12,
    quarantined: 0,
    rejected: 0,
    reporters: ["google.com"],
  });
  assert.deepEqual(answer.tls, [
    {
      domain: "a.test",
      reporter: "Company-X",
      policy: "sts",
      successful: 5326,
      failed: 303,
      failures: ["starttls-not-supported at mx2.a.test: 203", "certificate-expired at mx1.a.test: 100"],
    },
  ]);
  assert.match(
    answer.lines.join("\n"),
    /^2 reports in 30 days, 1 of them without a good signature\n\na\.test: mail in its name\n/,
  );
  const { reports } = await perform("reports", { domain: "b.test" }, { directories, version: "1" });
  assert.equal(reports, 2);
});
