import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { XMLParser } from "fast-xml-parser";
import { needs, run } from "../../test/support/tools.ts";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { createInboundFilter } from "../filter/inbound-filter.ts";
import { memoryContent } from "../message/content.ts";
import { parseStructure } from "../message/mime/structure.ts";
import { silentLog } from "../net/log.ts";
import { signingZone, testPost } from "../reports/post-for-tests.ts";
import { aggregateXml } from "./aggregate-xml.ts";
import { openDmarcCounter, startDmarcReports } from "./dmarc-report.ts";
import type { DmarcRow } from "./dmarc-row.ts";
import { aggregateTargets, targetsOf } from "./report-addresses.ts";

const TODAY = Date.parse("2026-03-01T12:00:00Z");

const zone = {
  ...signingZone,
  "TXT a.test": ["v=spf1 ip4:192.0.2.1 -all"],
  "TXT _dmarc.a.test": ["v=DMARC1; p=reject; adkim=s; rua=mailto:dmarc@a.test"],
  "TXT quiet.test": ["v=spf1 -all"],
  "TXT _dmarc.quiet.test": ["v=DMARC1; p=none"],
};

/** A receiving process and the sending of reports, over one directory. */
async function receiver(context: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-dmarc-"));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const clock = { now: TODAY };
  const common = { directory, enabled: () => true, log: silentLog, clock: () => clock.now };
  const resolver = zoneResolver(zone);
  const counter = openDmarcCounter(common);
  const filter = createInboundFilter({
    hostname: () => "mail.here.test",
    resolver,
    log: silentLog,
    observers: [counter.observe],
  });
  const { post, sent } = testPost();
  const daily = startDmarcReports({ ...common, resolver, post, random: () => 0 });
  context.after(() => daily.close());
  const receive = (domain: string, address: string, from = `ann@${domain}`) =>
    filter.inspect({
      content: memoryContent(
        Buffer.from(
          `From: <ann@${domain}>\r\nTo: <bob@here.test>\r\nDate: Sun, 1 Mar 2026 12:00:00 +0000\r\nMessage-ID: <1@${domain}>\r\nSubject: hello\r\n\r\nhello\r\n`,
        ),
      ),
      client: { address, port: 1, secure: true },
      helo: "mx.a.test",
      from,
      recipients: ["bob@here.test"],
      receivedAt: new Date(TODAY),
    });
  return { directory, clock, counter, daily, sent, receive };
}

test("who sent in a domain's name is told to it the next day, with what was done (RFC 7489 §7.2)", async (context) => {
  const { directory, clock, counter, daily, sent, receive } = await receiver(context);
  for (let count = 0; count < 3; count += 1)
    assert.equal((await receive("a.test", "192.0.2.1")).action.kind, "accept");
  assert.equal((await receive("a.test", "198.51.100.7", "eve@evil.test")).action.kind, "reject");
  await receive("quiet.test", "198.51.100.7");
  await receive("unpublished.test", "198.51.100.7");
  await counter.close();
  clock.now = Date.parse("2026-03-02T01:00:00Z");
  await daily.run();
  await daily.run();
  assert.equal(sent.length, 1);
  const { envelope, content } = sent[0]!;
  assert.deepEqual([envelope.from, envelope.recipients[0]?.address], ["", "dmarc@a.test"]);
  const message = content.buffer!;
  assert.match(
    message.toString(),
    /Subject: Report Domain: a\.test Submitter: here\.test Report-ID: <2026-03-01\.a\.test@here\.test>/,
  );
  assert.match(message.toString(), /filename="here\.test!a\.test!1772323200!1772409599\.xml\.gz"/);
  const part = parseStructure(message).children[1]!;
  const xml = gunzipSync(
    Buffer.from(message.toString("latin1", part.bodyStart, part.end), "base64"),
  ).toString();
  const { feedback } = new XMLParser().parse(xml);
  assert.deepEqual(feedback.policy_published, {
    domain: "a.test",
    adkim: "s",
    aspf: "r",
    p: "reject",
    sp: "reject",
    pct: 100,
  });
  const told = feedback.record.map(({ row, identifiers, auth_results }: never) => [
    row,
    identifiers,
    auth_results,
  ]);
  assert.deepEqual(told, [
    [
      {
        source_ip: "192.0.2.1",
        count: 3,
        policy_evaluated: { disposition: "none", dkim: "fail", spf: "pass" },
      },
      { envelope_from: "a.test", header_from: "a.test" },
      { spf: { domain: "a.test", scope: "mfrom", result: "pass" } },
    ],
    [
      {
        source_ip: "198.51.100.7",
        count: 1,
        policy_evaluated: { disposition: "reject", dkim: "fail", spf: "fail" },
      },
      { envelope_from: "evil.test", header_from: "a.test" },
      { spf: { domain: "evil.test", scope: "mfrom", result: "none" } },
    ],
  ]);
  assert.deepEqual(await readdir(directory), []);
});

test("a foreign address gets reports only where its domain agrees (RFC 7489 §7.1)", async () => {
  const targets = async (rua: string, more: Record<string, string[] | "tempfail"> = {}) =>
    (
      await aggregateTargets(
        "sub.a.test",
        zoneResolver({ "TXT _dmarc.sub.a.test": [`v=DMARC1; p=none; rua=${rua}`], ...more }),
      )
    )?.map(({ address }) => address);
  assert.deepEqual(await targets("mailto:in@a.test"), ["in@a.test"], "the same organisation");
  assert.deepEqual(await targets("mailto:in@b.test"), []);
  const agreed = { "TXT sub.a.test._report._dmarc.b.test": ["v=DMARC1"] };
  assert.deepEqual(await targets("mailto:in@b.test,mailto:x@c.test", agreed), ["in@b.test"]);
  const unknown = { "TXT sub.a.test._report._dmarc.b.test": "tempfail" as const };
  assert.equal(await targets("mailto:in@b.test", unknown), undefined);
});

test("rua values are read with their limits, and strange ones passed over (RFC 7489 §6.3)", () => {
  assert.deepEqual(
    targetsOf("mailto:a%2Bb@c.test!10m, mailto:d@e.test,https://f.test/,mailto:x,mailto:%zz@c.test"),
    [
      { address: "a+b@c.test", maxBytes: 10 * 1024 ** 2 },
      { address: "d@e.test", maxBytes: Number.POSITIVE_INFINITY },
    ],
  );
  assert.deepEqual(targetsOf(""), []);
});

test("what strangers wrote is text in the report and nothing else; xmllint reads it", async (context) => {
  const row: DmarcRow = {
    domain: "a.test",
    published: { adkim: "r", aspf: "r", p: "none", sp: "none" },
    source: "192.0.2.1",
    headerFrom: 'a.test"><x>&amp;\0\u{1f600}',
    envelopeFrom: "]]>",
    disposition: "none",
    overridden: true,
    dkimAligned: false,
    spfAligned: false,
    dkim: [{ domain: "d<.test", selector: "s", result: "fail" }],
    spf: { domain: "a.test", scope: "mfrom", result: "none" },
  };
  const common = {
    domain: "a.test",
    organization: "here.test",
    contact: "postmaster@here.test",
    reportId: "1",
  };
  const xml = aggregateXml({ ...common, rows: [{ row, count: 1 }], begin: 0, end: 86_400_000 });
  const { feedback } = new XMLParser().parse(xml);
  assert.equal(feedback.record.identifiers.envelope_from, "]]>");
  assert.match(feedback.record.identifiers.header_from, /^a\.test"><x>&amp;/);
  assert.equal(feedback.record.auth_results.dkim.domain, "d<.test");
  if (!needs(context, "xmllint")) return;
  assert.equal((await run("xmllint", ["--noout", "-"], { input: xml })).code, 0);
});
