import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type DnsRecord, parseMasterFile, recordText } from "../../../mailserver-runtime/dns/records.ts";
import { type PlanArgs, planRecords, type RecordPlan } from "../plan.ts";
import { cloudflareRecords, cloudflareTtl, ownershipComment } from "./cloudflare.ts";
import { printPlan } from "./print.ts";
import { dynamicUpdates } from "./rfc2136.ts";
import { zoneFiles } from "./zone-file.ts";

const args: PlanArgs = {
  host: { name: "mail.example.com", ipv4: ["127.0.0.1"] },
  domains: [{ name: "example.com" }],
  served: { smtp: true, smtpTls: true, services: { imaps: 993 }, https: [] },
};
const planOf = (...records: DnsRecord[]): RecordPlan => ({
  records: records.map((record) => ({ record, reason: "Because." })),
  leftOut: [],
  warnings: [],
  mtaSts: [],
  reverse: [],
});
const at = { name: "a.example.com", ttl: 300 };

describe("Cloudflare", () => {
  const options = { zoneIds: { "Example.com.": "z1" }, project: "shop", stack: "prod" };
  const common = {
    zoneId: "z1",
    name: "a.example.com",
    ttl: 300,
    proxied: false,
    comment: "mailkeep:shop/prod",
  };
  const cases: readonly [record: DnsRecord, args: object, key: string][] = [
    [{ ...at, type: "A", address: "192.0.2.1" }, { type: "A", content: "192.0.2.1" }, "A/192.0.2.1"],
    [
      { ...at, type: "AAAA", address: "2001:db8::1" },
      { type: "AAAA", content: "2001:db8::1" },
      "AAAA/2001:db8::1",
    ],
    [{ ...at, type: "CNAME", target: "b.example" }, { type: "CNAME", content: "b.example" }, "CNAME"],
    [
      { ...at, type: "MX", preference: 10, exchange: "b.example" },
      { type: "MX", content: "b.example", priority: 10 },
      "MX/b.example",
    ],
    [
      { ...at, type: "TXT", strings: ['v=x; "q"', "\xff"] },
      { type: "TXT", content: '"v=x; \\"q\\"" "\\255"' },
      "TXT/v=x",
    ],
    [
      { ...at, type: "SRV", priority: 3, weight: 1, port: 993, target: "b.example" },
      { type: "SRV", priority: 3, data: { priority: 3, weight: 1, port: 993, target: "b.example" } },
      "SRV",
    ],
    [
      { ...at, type: "CAA", flags: 0, tag: "issue", value: "ca.example; accounturi=https://x" },
      { type: "CAA", data: { flags: 0, tag: "issue", value: "ca.example; accounturi=https://x" } },
      "CAA/issue/ca.example",
    ],
    [
      { ...at, type: "TLSA", usage: 3, selector: 1, matchingType: 1, certificate: "ab".repeat(32) },
      { type: "TLSA", data: { usage: 3, selector: 1, matchingType: 1, certificate: "ab".repeat(32) } },
      `TLSA/${"ab".repeat(8)}`,
    ],
  ];
  for (const [record, expected, key] of cases)
    test(`a ${record.type} record is what @pulumi/cloudflare's DnsRecord takes`, () => {
      const { records, unplaced } = cloudflareRecords(planOf(record), options);
      assert.deepEqual(unplaced, []);
      assert.deepEqual(records[0]?.args, { ...common, ...expected });
      assert.deepEqual(records[0]?.options, { deleteBeforeReplace: true });
      assert.equal(records[0]?.key, `a.example.com/${key}`);
    });

  test("a corrected value keeps the resource's name, so it is updated in place", () => {
    const keys = (plan: PlanArgs) =>
      cloudflareRecords(planRecords(plan), options).records.map(({ key }) => key);
    const before = keys(args);
    assert.equal(new Set(before).size, before.length);
    const after = keys({
      ...args,
      ttl: 60,
      domains: [{ name: "example.com", spf: { all: "~all" }, dmarc: { policy: "reject" } }],
      served: { ...args.served, services: { imaps: 1993 } },
    });
    assert.deepEqual(after, before);
  });

  test("ttl and comment stay within what the API takes", () => {
    assert.deepEqual([1, 5, 300, 100_000].map(cloudflareTtl), [1, 60, 300, 86_400]);
    const long = ownershipComment("p".repeat(80), "s".repeat(80));
    assert.equal(long.length, 100);
    assert.notEqual(long, ownershipComment("p".repeat(80), `${"s".repeat(79)}t`));
  });

  test("records outside the zones are told, not dropped", () => {
    const { records, unplaced } = cloudflareRecords(
      planRecords({ ...args, domains: [{ name: "other.test" }] }),
      options,
    );
    assert.ok(records.every(({ args: { name } }) => name.endsWith("example.com")));
    assert.ok(unplaced.length > 0 && unplaced.every(({ record }) => record.name.endsWith("other.test")));
  });
});

describe("zone files", () => {
  const options = {
    zones: ["example.com"],
    nameServers: ["mail.example.com"],
    reverseZones: "none",
  } as const;

  test("each record stands below its reason, and the same plan gives the same text", () => {
    const [file] = zoneFiles(planRecords(args), options).files;
    assert.equal(file?.text, zoneFiles(planRecords(args), options).files[0]?.text);
    assert.equal(
      file?.text.split("\n").slice(0, 8).join("\n"),
      [
        "; Zone example.com, written by mailkeep from what the stack declares.",
        "$ORIGIN example.com.",
        "$TTL 3600",
        "@                 IN SOA   mail.example.com. hostmaster.example.com. 1 7200 900 1209600 300",
        "@                 IN NS    mail.example.com.",
        "; Mail for example.com goes to mail.example.com.",
        "@                 IN MX    10 mail.example.com.",
        "; Says who may send mail as example.com: 1 source, 0 of 10 look-ups.",
      ].join("\n"),
    );
  });

  test("a reason cannot end its comment and become a record", () => {
    const plan = {
      ...planOf(),
      records: [
        { record: { ...at, type: "A", address: "192.0.2.1" } as const, reason: "x\nevil A 192.0.2.66" },
      ],
    };
    const [file] = zoneFiles(plan, options).files;
    const { entries } = parseMasterFile(file?.text ?? "", { origin: "example.com" });
    assert.deepEqual(
      entries.map(({ record }) => record.name),
      ["example.com", "example.com", "a.example.com"],
    );
  });

  test("the loopback's PTR gets a zone of its own when asked for", () => {
    const { files } = zoneFiles(planRecords(args), { ...options, reverseZones: "of-host-addresses" });
    assert.deepEqual(
      files.map(({ origin }) => origin),
      ["example.com", "0.0.127.in-addr.arpa"],
    );
    assert.match(files[1]?.text ?? "", /^1 +IN PTR +mail\.example\.com\.$/m);
  });
});

describe("dynamic updates (RFC 2136)", () => {
  const zones = ["example.com", "other.test"];
  const domains = [{ name: "example.com" }, { name: "other.test" }];
  const records = (plan: RecordPlan) => plan.records.map(({ record }) => record);

  test("the first one adds everything, the next one nothing", () => {
    const plan = planRecords({ ...args, domains });
    const { updates, unplaced } = dynamicUpdates(plan, { zones, previous: [] });
    assert.deepEqual(unplaced, []);
    assert.deepEqual(
      updates.map(({ zone, remove }) => [zone, remove.length]),
      [
        ["example.com", 0],
        ["other.test", 0],
      ],
    );
    assert.equal(updates.flatMap(({ create }) => create).length, plan.records.length);
    assert.deepEqual(dynamicUpdates(plan, { zones, previous: records(plan) }).updates, []);
  });

  test("a change names the old record and the new one, in its zone alone", () => {
    const before = planRecords({ ...args, domains });
    const after = planRecords({
      ...args,
      domains: [domains[0]!, { name: "other.test", dmarc: { policy: "reject" } }],
    });
    const { updates } = dynamicUpdates(after, { zones, previous: records(before) });
    assert.equal(updates.length, 1);
    const text = (list: readonly DnsRecord[] | undefined) => list?.map(recordText);
    assert.deepEqual(text(updates[0]?.remove), ['_dmarc.other.test. 3600 IN TXT "v=DMARC1; p=none"']);
    assert.deepEqual(text(updates[0]?.create), ['_dmarc.other.test. 3600 IN TXT "v=DMARC1; p=reject"']);
  });
});

test("the printed plan says what to enter, what to ask for, and what waits", () => {
  const text = printPlan(planRecords(args));
  assert.match(
    text,
    /^Enter these records:\n {2}example\.com\. 3600 MX 10 mail\.example\.com\.\n {4}Mail for example\.com goes to/,
  );
  assert.match(
    text,
    /Ask whoever owns the addresses .*:\n {2}1\.0\.0\.127\.in-addr\.arpa\. 3600 PTR mail\.example\.com\./,
  );
  assert.match(text, /Not yet:\n {2}\*\._domainkey\.example\.com TXT: example\.com has no DKIM key yet/);
});
