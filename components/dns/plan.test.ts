import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseMasterFile, recordKey, recordText } from "../../mailserver-runtime/dns/records.ts";
import { buildZone } from "../../mailserver-runtime/dns/zone.ts";
import { type PlanArgs, PlanError, type PlanErrorCode, planRecords, type RecordPlan } from "./plan.ts";
import { zoneFiles } from "./publishers/zone-file.ts";
import { countLookups } from "./rules/spf.ts";
import { defaultZones, placeRecords } from "./zones.ts";

const ED25519 = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const served: PlanArgs["served"] = {
  smtp: true,
  smtpTls: true,
  services: { submissions: 465, imaps: 993 },
  https: [],
};
const bare: PlanArgs = {
  host: { name: "mail.example.com", ipv4: ["192.0.2.1"] },
  domains: [
    {
      name: "example.com",
      dkim: [{ selector: "a", algorithm: "ed25519", publicKey: ED25519, role: "current" }],
    },
  ],
  served,
};
/** The plan's records as zone lines, without ttl and class. */
const lines = (plan: RecordPlan) =>
  plan.records.map(({ record }) => recordText(record).replace(/ [0-9]+ IN /, " "));
const linesOf = (args: PlanArgs, name: string) =>
  lines(planRecords(args)).filter((line) => line.startsWith(`${name}. `));
const withDomain = (domain: Partial<PlanArgs["domains"][number]>): PlanArgs => ({
  ...bare,
  domains: [{ ...bare.domains[0]!, ...domain }],
});

describe("a plan", () => {
  test("of one domain is this zone", () => {
    assert.deepEqual(lines(planRecords(bare)), [
      "example.com. MX 10 mail.example.com.",
      'example.com. TXT "v=spf1 ip4:192.0.2.1 -all"',
      '_dmarc.example.com. TXT "v=DMARC1; p=none"',
      `a._domainkey.example.com. TXT "v=DKIM1; k=ed25519; p=${ED25519}"`,
      "_imap._tcp.example.com. SRV 0 0 0 .",
      "_imaps._tcp.example.com. SRV 0 1 993 mail.example.com.",
      "_pop3._tcp.example.com. SRV 0 0 0 .",
      "_pop3s._tcp.example.com. SRV 0 0 0 .",
      "_submission._tcp.example.com. SRV 0 0 0 .",
      "_submissions._tcp.example.com. SRV 0 1 465 mail.example.com.",
      "mail.example.com. A 192.0.2.1",
      'mail.example.com. TXT "v=spf1 ip4:192.0.2.1 -all"',
    ]);
  });

  test("of everything, served, is this zone", () => {
    const plan = planRecords({
      host: { name: "MAIL.Example.com.", ipv4: ["192.0.2.1"], ipv6: ["2001:DB8:0::1"] },
      domains: [
        {
          name: "example.com",
          dkim: [
            { selector: "now", algorithm: "ed25519", publicKey: ED25519, role: "current" },
            { selector: "soon", algorithm: "ed25519", publicKey: ED25519, role: "next" },
          ],
          dmarc: {
            policy: "reject",
            subdomainPolicy: "quarantine",
            dkimAlignment: "strict",
            rua: ["dmarc@example.com"],
          },
          mtaSts: { mode: "enforce", maxAge: 86_400 },
          tlsRpt: { rua: ["tls@example.com", "https://reports.example.net/v1"] },
          backupMx: [{ preference: 20, exchange: "backup.example.net" }],
        },
      ],
      served: {
        smtp: true,
        smtpTls: true,
        services: {
          submission: 587,
          submissions: 465,
          imap: 143,
          imaps: 993,
          pop3: 110,
          pop3s: 995,
          sieve: 4190,
        },
        https: ["mta-sts.example.com", "autoconfig.example.com", "autodiscover.example.com"],
      },
      tlsKeys: { current: "AA".repeat(32), next: "bb".repeat(32) },
      certificateAuthority: {
        issuers: ["letsencrypt.org"],
        accountUri: "https://acme.example/acct/1",
        validationMethods: ["http-01"],
        iodef: "security@example.com",
      },
    });
    assert.deepEqual(plan.leftOut, []);
    assert.deepEqual(plan.warnings, []);
    assert.deepEqual(lines(plan), [
      "example.com. MX 10 mail.example.com.",
      "example.com. MX 20 backup.example.net.",
      'example.com. TXT "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"',
      '_dmarc.example.com. TXT "v=DMARC1; p=reject; sp=quarantine; adkim=s; rua=mailto:dmarc@example.com"',
      `now._domainkey.example.com. TXT "v=DKIM1; k=ed25519; p=${ED25519}"`,
      `soon._domainkey.example.com. TXT "v=DKIM1; k=ed25519; p=${ED25519}"`,
      '_mta-sts.example.com. TXT "v=STSv1; id=9ce656bb5c258f181f05;"',
      "_imap._tcp.example.com. SRV 10 1 143 mail.example.com.",
      "_imaps._tcp.example.com. SRV 0 1 993 mail.example.com.",
      "_pop3._tcp.example.com. SRV 30 1 110 mail.example.com.",
      "_pop3s._tcp.example.com. SRV 20 1 995 mail.example.com.",
      "_sieve._tcp.example.com. SRV 0 1 4190 mail.example.com.",
      "_submission._tcp.example.com. SRV 10 1 587 mail.example.com.",
      "_submissions._tcp.example.com. SRV 0 1 465 mail.example.com.",
      '_smtp._tls.example.com. TXT "v=TLSRPTv1; rua=mailto:tls@example.com,https://reports.example.net/v1"',
      "autoconfig.example.com. CNAME mail.example.com.",
      "autodiscover.example.com. CNAME mail.example.com.",
      "mail.example.com. A 192.0.2.1",
      "mail.example.com. AAAA 2001:db8::1",
      'mail.example.com. TXT "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"',
      'mail.example.com. CAA 0 iodef "mailto:security@example.com"',
      'mail.example.com. CAA 0 issue "letsencrypt.org; accounturi=https://acme.example/acct/1; validationmethods=http-01"',
      `_25._tcp.mail.example.com. TLSA 3 1 1 ${"aa".repeat(32)}`,
      `_25._tcp.mail.example.com. TLSA 3 1 1 ${"bb".repeat(32)}`,
      "mta-sts.example.com. CNAME mail.example.com.",
    ]);
    assert.deepEqual(
      plan.reverse.map(({ record }) => recordText(record)),
      [
        "1.2.0.192.in-addr.arpa. 3600 IN PTR mail.example.com.",
        `1.${"0.".repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa. 3600 IN PTR mail.example.com.`,
      ],
    );
  });

  test("of many domains on one host repeats nothing and can be served as zones", () => {
    const names = Array.from({ length: 50 }, (_, index) => `d${index}.example`);
    const plan = planRecords({
      ...bare,
      domains: names.map((name) => ({ name, dmarc: { policy: "none", rua: ["reports@d0.example"] } })),
      tlsKeys: { current: "aa".repeat(32) },
      certificateAuthority: { issuers: ["letsencrypt.org"] },
    });
    const keys = plan.records.map(({ record }) => recordKey(record));
    assert.equal(new Set(keys).size, keys.length);
    for (const [line, count] of [
      ["mail.example.com. A ", 1],
      ["_25._tcp.mail.example.com. TLSA ", 1],
      ["mail.example.com. CAA ", 1],
    ] as const)
      assert.equal(lines(plan).filter((each) => each.startsWith(line)).length, count, line);
    const zones = defaultZones("mail.example.com", names);
    const { files, unplaced } = zoneFiles(plan, {
      zones,
      nameServers: ["mail.example.com"],
      reverseZones: "of-host-addresses",
    });
    assert.deepEqual(unplaced, []);
    assert.equal(files.length, 52);
    for (const { origin, text } of files) {
      const { entries, problems } = parseMasterFile(text, { origin });
      assert.deepEqual(problems, []);
      assert.ok(buildZone(origin, entries).ok, origin);
    }
  });

  test("is the same for the same arguments, and every record says why it is there", () => {
    assert.deepEqual(planRecords(bare), planRecords(structuredClone(bare)));
    for (const { reason } of planRecords(bare).records) assert.match(reason, /^\S.*\.$/);
  });
});

describe("no record before its answer is served", () => {
  const everything: PlanArgs = {
    ...withDomain({ mtaSts: { mode: "testing" } }),
    tlsKeys: { current: "aa".repeat(32) },
  };
  const cases: readonly [what: string, change: Partial<PlanArgs["served"]>, absent: RegExp, told: RegExp][] =
    [
      ["port 25", { smtp: false }, / MX | TLSA |^_mta-sts/, /port 25 of mail\.example\.com yet/],
      ["STARTTLS on port 25", { smtpTls: false }, / TLSA |^_mta-sts/, /does not offer STARTTLS/],
      [
        "the MTA-STS policy",
        { https: [] },
        /^_mta-sts|^mta-sts/,
        /HTTPS does not answer for mta-sts\.example\.com/,
      ],
      ["autoconfig", { https: [] }, /^autoconfig/, /does not answer for autoconfig\.example\.com/],
      ["any client service", { services: {} }, / SRV /, /serves imaps/],
    ];
  for (const [what, change, absent, told] of cases)
    test(`without ${what} nothing of it is published, and the plan says so`, () => {
      const plan = planRecords({
        ...everything,
        served: { ...served, https: ["mta-sts.example.com"], ...change },
      });
      assert.deepEqual(
        lines(plan).filter((line) => absent.test(line)),
        [],
      );
      assert.ok(
        plan.leftOut.some(({ reason }) => told.test(reason)),
        JSON.stringify(plan.leftOut),
      );
    });

  test("a name that waits for its certificate is published, what promises an answer there is not", () => {
    const plan = planRecords({ ...everything, served: { ...served, httpsPending: ["mta-sts.example.com"] } });
    assert.ok(lines(plan).includes("mta-sts.example.com. CNAME mail.example.com."));
    assert.ok(!lines(plan).some((line) => line.startsWith("_mta-sts.")));
  });

  test("a host that is itself the name of a web page needs no alias of itself", () => {
    const args: PlanArgs = {
      ...bare,
      host: { name: "autoconfig.example.com", ipv4: ["192.0.2.1"] },
      served: { ...served, https: ["autoconfig.example.com"] },
    };
    assert.ok(linesOf(args, "autoconfig.example.com").includes("autoconfig.example.com. A 192.0.2.1"));
    assert.ok(!lines(planRecords(args)).some((line) => line.includes("CNAME")));
  });

  test("an unknown host address leaves the address out, not the rest", () => {
    const plan = planRecords({ ...bare, host: { name: "mail.example.com" } });
    assert.ok(plan.leftOut.some(({ what }) => what === "mail.example.com A"));
    assert.ok(lines(plan).includes('example.com. TXT "v=spf1 a:mail.example.com -all"'));
  });

  test("a domain that only sends has a null MX and no promise about receiving (RFC 7505)", () => {
    const args = withDomain({
      receives: false,
      mtaSts: { mode: "enforce" },
      tlsRpt: { rua: ["a@example.com"] },
    });
    assert.deepEqual(linesOf(args, "example.com"), [
      "example.com. MX 0 .",
      'example.com. TXT "v=spf1 ip4:192.0.2.1 -all"',
    ]);
    assert.ok(!lines(planRecords(args)).some((line) => /^_(mta-sts|smtp\._tls)/.test(line)));
  });
});

describe("SPF (RFC 7208)", () => {
  const cases: readonly [what: string, args: PlanArgs, record: string][] = [
    [
      "egress addresses stand in for the host's",
      { ...bare, egress: { addresses: ["198.51.100.0/24", "2001:DB8::/32"] } },
      "v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/32 -all",
    ],
    [
      "relays are included",
      { ...bare, egress: { includes: [{ domain: "SPF.relay.example" }] } },
      "v=spf1 ip4:192.0.2.1 include:spf.relay.example -all",
    ],
    [
      "an old record is merged, and nothing stands twice",
      withDomain({
        spf: { existing: "v=spf1 ip4:192.0.2.1 +mx include:_spf.news.example exp=why.example ~all" },
      }),
      "v=spf1 ip4:192.0.2.1 mx include:_spf.news.example exp=why.example ~all",
    ],
    [
      "what is declared wins over the old qualifier",
      withDomain({ spf: { existing: "v=spf1 ?all", all: "~all" } }),
      "v=spf1 ip4:192.0.2.1 ~all",
    ],
    [
      "an old +all is not carried on",
      withDomain({ spf: { existing: "v=spf1 +all" } }),
      "v=spf1 ip4:192.0.2.1 -all",
    ],
    [
      "an old redirect becomes an include (§6.1)",
      withDomain({ spf: { existing: "v=spf1 redirect=_spf.old.example" } }),
      "v=spf1 ip4:192.0.2.1 include:_spf.old.example -all",
    ],
  ];
  for (const [what, args, record] of cases)
    test(what, () =>
      assert.ok(
        linesOf(args, "example.com").includes(`example.com. TXT "${record}"`),
        linesOf(args, "example.com").join("\n"),
      ),
    );

  test("there is one record for each name, also where the host's name is a declared domain (§3.2)", () => {
    const args: PlanArgs = {
      ...withDomain({ spf: { all: "~all" } }),
      host: { name: "example.com", ipv4: ["192.0.2.1"] },
    };
    assert.equal(linesOf(args, "example.com").filter((line) => line.includes("v=spf1")).length, 1);
  });

  test("ten look-ups are planned, eleven are not (§4.6.4)", () => {
    const includes = (count: number, last: number) =>
      Array.from({ length: count }, (_, index) => ({
        domain: `s${index}.example`,
        lookups: index === count - 1 ? last : 0,
      }));
    const ten = planRecords(withDomain({ spf: { includes: includes(8, 2) } }));
    assert.ok(ten.records.some(({ reason }) => reason.includes("10 of 10 look-ups")));
    assert.throws(
      () => planRecords(withDomain({ spf: { includes: includes(8, 3) } })),
      (error: unknown) =>
        error instanceof PlanError &&
        error.code === "spf-lookups" &&
        /11 DNS look-ups.*s7\.example/.test(error.message),
    );
  });

  test("a, mx, ptr, exists, include and redirect cost a look-up; ip4, ip6 and all cost none", () => {
    assert.equal(
      countLookups([
        "a",
        "a:x.example",
        "mx/24",
        "?ptr",
        "exists:%{i}.x.example",
        "include:y.example",
        "redirect=z.example",
      ]),
      7,
    );
    assert.equal(countLookups(["ip4:192.0.2.1", "ip6:::1", "-all", "exp=a.example", "v=spf1"]), 0);
  });

  test("a long policy is cut into strings of 255 octets and warned about (§3.3, §3.4)", () => {
    const addresses = Array.from({ length: 40 }, (_, index) => `198.51.100.${index}`);
    const plan = planRecords({ ...bare, egress: { addresses } });
    const record = plan.records.find(
      ({ record }) => record.type === "TXT" && record.name === "example.com",
    )?.record;
    assert.ok(
      record?.type === "TXT" &&
        record.strings.length > 1 &&
        record.strings.every((part) => part.length <= 255),
    );
    assert.ok(plan.warnings.some((text) => /octets/.test(text)));
  });
});

describe("DKIM keys", () => {
  const rsa = (bits: number) =>
    generateKeyPairSync("rsa", { modulusLength: bits })
      .publicKey.export({ type: "spki", format: "der" })
      .toString("base64");
  const dkim = (publicKey: string, algorithm: "rsa" | "ed25519" = "rsa") =>
    withDomain({ dkim: [{ selector: "s", algorithm, publicKey, role: "current" }] });

  test("an RSA key is published whole, in strings that fit (RFC 6376 §3.6.1)", () => {
    const key = rsa(2048);
    const record = planRecords(
      dkim(`-----BEGIN PUBLIC KEY-----\n${key}\n-----END PUBLIC KEY-----\n`),
    ).records.find(({ record }) => record.name.startsWith("s._domainkey"))?.record;
    assert.ok(record?.type === "TXT");
    assert.equal(record.strings.join(""), `v=DKIM1; k=rsa; p=${key}`);
    assert.equal(record.strings.length, 2);
  });

  test("an Ed25519 key given as SubjectPublicKeyInfo is reduced to its 32 octets (RFC 8463 §4)", () => {
    const spki = `MCowBQYDK2VwAyEA${ED25519}`;
    assert.ok(linesOf(dkim(spki, "ed25519"), "s._domainkey.example.com")[0]?.includes(`p=${ED25519}"`));
  });

  test("a short RSA key is warned about, a shorter one refused (RFC 8301)", () => {
    assert.ok(planRecords(dkim(rsa(1024))).warnings.some((text) => /1024 bits/.test(text)));
    assert.throws(() => planRecords(dkim(rsa(512))), /dkim\[0\]: the RSA key has 512 bits/);
  });
});

describe("DMARC reports to another domain (RFC 7489 §7.1)", () => {
  test("a declared domain agrees in its own zone", () => {
    const plan = planRecords({
      ...bare,
      domains: [
        { name: "example.com", dmarc: { policy: "none", rua: ["mailto:r!1%x@in.example.org"] } },
        { name: "example.org" },
      ],
    });
    assert.ok(lines(plan).includes('example.com._report._dmarc.in.example.org. TXT "v=DMARC1"'));
    assert.ok(
      lines(plan).includes('_dmarc.example.com. TXT "v=DMARC1; p=none; rua=mailto:r%211%25x@in.example.org"'),
    );
  });

  test("a foreign domain's owner is asked for, an own subdomain is not", () => {
    const plan = planRecords(
      withDomain({ dmarc: { policy: "none", rua: ["a@reports.example.net"], ruf: ["b@sub.example.com"] } }),
    );
    assert.deepEqual(plan.warnings, [
      'DMARC reports about example.com go to reports.example.net only when its owner publishes example.com._report._dmarc.reports.example.net TXT "v=DMARC1" (RFC 7489 §7.1).',
    ]);
  });
});

describe("MTA-STS (RFC 8461)", () => {
  const policyOf = (args: PlanArgs) => planRecords(args).mtaSts[0];
  const args = withDomain({ mtaSts: { mode: "testing" } });

  test("the policy's text is what HTTPS must serve, and its id changes with it alone", () => {
    const policy = policyOf(args);
    assert.equal(
      policy?.text,
      "version: STSv1\r\nmode: testing\r\nmx: mail.example.com\r\nmax_age: 604800\r\n",
    );
    assert.match(policy?.id ?? "", /^[A-Za-z0-9]{1,32}$/);
    assert.equal(policyOf({ ...args, ttl: 60 })?.id, policy?.id);
    assert.notEqual(policyOf(withDomain({ mtaSts: { mode: "enforce" } }))?.id, policy?.id);
  });

  test("a backup MX is named in the policy: an enforcing sender would not use it otherwise", () => {
    const policy = policyOf(
      withDomain({ mtaSts: { mode: "enforce" }, backupMx: [{ preference: 20, exchange: "b.example.net" }] }),
    );
    assert.match(policy?.text ?? "", /mx: mail\.example\.com\r\nmx: b\.example\.net\r\n/);
  });
});

describe("CAA never binds more than was asked (RFC 8659)", () => {
  const certificateAuthority = { issuers: ["letsencrypt.org"] };
  const caaNames = (args: PlanArgs) =>
    planRecords(args).records.flatMap(({ record }) => (record.type === "CAA" ? [record.name] : []));

  test("by default it stands at the host's name alone", () =>
    assert.deepEqual(caaNames({ ...bare, certificateAuthority }), ["mail.example.com"]));
  test("it is left out where the host's name is a domain with other servers below it", () => {
    const args: PlanArgs = {
      ...bare,
      host: { name: "example.com", ipv4: ["192.0.2.1"] },
      certificateAuthority,
    };
    assert.deepEqual(caaNames(args), []);
    assert.ok(planRecords(args).leftOut.some(({ what }) => what === "example.com CAA"));
  });
  test("it stands at the domains when that is asked for", () =>
    assert.deepEqual(
      caaNames({ ...bare, certificateAuthority: { ...certificateAuthority, scope: "domains" } }),
      ["example.com", "mail.example.com"],
    ));
});

describe("bad arguments are refused with their field and the way out", () => {
  const cases: readonly [what: string, args: PlanArgs, code: PlanErrorCode, message: RegExp][] = [
    ["an invalid domain", withDomain({ name: "exa mple.com" }), "invalid-name", /^domains\[0\]\.name: /],
    ["a domain with an underscore", withDomain({ name: "_x.example" }), "invalid-name", /host name/],
    [
      "a domain declared twice, in another spelling",
      { ...bare, domains: [{ name: "bücher.example" }, { name: "XN--BCHER-KVA.example." }] },
      "duplicate-domain",
      /^domains\[1\]: .*domains\[0\]/,
    ],
    [
      "an IPv6 address among IPv4",
      { ...bare, host: { name: "m.example", ipv4: ["::1"] } },
      "invalid-address",
      /^host\.ipv4\[0\]/,
    ],
    [
      "a prefix that is the whole world",
      { ...bare, egress: { addresses: ["0.0.0.0/0"] } },
      "spf-syntax",
      /every machine/,
    ],
    [
      "a prefix out of range",
      { ...bare, egress: { addresses: ["192.0.2.0/33"] } },
      "invalid-address",
      /^egress\.addresses\[0\]/,
    ],
    [
      "a relay that is no name",
      { ...bare, egress: { includes: [{ domain: "spf relay" }] } },
      "spf-syntax",
      /_spf\.relay\.example/,
    ],
    [
      "an old record that is not SPF",
      withDomain({ spf: { existing: "spf2.0/pra ~all" } }),
      "spf-syntax",
      /v=spf1/,
    ],
    [
      "an old record with a term SPF does not have",
      withDomain({ spf: { existing: "v=spf1 ipv4:192.0.2.1" } }),
      "spf-syntax",
      /"ipv4:192\.0\.2\.1"/,
    ],
    [
      "a selector used twice",
      withDomain({ dkim: [...bare.domains[0]!.dkim!, ...bare.domains[0]!.dkim!] }),
      "dkim-key",
      /^domains\[0\]\.dkim\[1\]/,
    ],
    [
      "an RSA key that is none",
      withDomain({ dkim: [{ selector: "s", algorithm: "rsa", publicKey: ED25519, role: "current" }] }),
      "dkim-key",
      /SubjectPublicKeyInfo/,
    ],
    [
      "a key with a record smuggled in",
      withDomain({ dkim: [{ selector: "s", algorithm: "rsa", publicKey: 'x" "; p=', role: "current" }] }),
      "dkim-key",
      /not an rsa key/,
    ],
    [
      "a report address that is none",
      withDomain({ dmarc: { policy: "none", rua: ["reports"] } }),
      "report-address",
      /^domains\[0\]\.dmarc\.rua\[0\]/,
    ],
    [
      "a report address that adds a tag",
      withDomain({ tlsRpt: { rua: ["a@example.com; v=x"] } }),
      "report-address",
      /tlsRpt/,
    ],
    [
      "an MTA-STS age beyond a year",
      withDomain({ mtaSts: { mode: "none", maxAge: 31_557_601 } }),
      "policy",
      /maxAge/,
    ],
    ["a TLS key that is no SHA-256", { ...bare, tlsKeys: { current: "abc" } }, "policy", /^tlsKeys\.current/],
    [
      "a port out of range",
      { ...bare, served: { ...served, services: { imaps: 70_000 } } },
      "policy",
      /served\.services\.imaps/,
    ],
    ["a ttl of nothing", { ...bare, ttl: 0 }, "policy", /^ttl/],
    [
      "a domain that needs the host's name as an alias",
      {
        ...bare,
        domains: [{ name: "autoconfig.example.com" }, { name: "example.com" }],
        served: { ...served, https: ["autoconfig.example.com"] },
      },
      "conflict",
      /^autoconfig\.example\.com/,
    ],
  ];
  for (const [what, args, code, message] of cases)
    test(what, () =>
      assert.throws(
        () => planRecords(args),
        (error: unknown) => error instanceof PlanError && error.code === code && message.test(error.message),
      ),
    );
});

describe("zones", () => {
  test("each record goes to the closest zone above it, and what has none is told", () => {
    const plan = planRecords({
      ...bare,
      domains: [{ name: "example.com" }, { name: "sub.example.com" }, { name: "other.test" }],
    });
    const { zones, unplaced } = placeRecords(plan.records, ["example.com", "Sub.Example.com."]);
    assert.ok(
      zones[1]?.records.length &&
        zones[1].records.every(({ record }) => record.name.endsWith("sub.example.com")),
    );
    assert.ok(unplaced.length > 0 && unplaced.every(({ record }) => record.name.endsWith("other.test")));
  });

  test("a stack that names none has its topmost domains, and the host's own where it is below none", () => {
    assert.deepEqual(defaultZones("mx.a.example", ["a.example", "b.a.example", "c.example"]), [
      "a.example",
      "c.example",
    ]);
    assert.deepEqual(defaultZones("mx.hoster.co.uk", ["a.example"]), ["a.example", "hoster.co.uk"]);
  });

  test("whatever is planned can be read back by any name server (RFC 1035 §5)", () => {
    const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/);
    const domains = fc.uniqueArray(label, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        domains,
        fc.boolean(),
        fc.boolean(),
        fc.nat({ max: 86_400 }),
        (labels, smtp, smtpTls, ttl) => {
          const names = labels.map((name) => `${name}.test`);
          const plan = planRecords({
            ...bare,
            ttl: ttl + 1,
            domains: names.map((name) => ({
              name,
              mtaSts: { mode: "testing" },
              dmarc: { policy: "none", rua: [`x@${names[0]}`] },
            })),
            served: { ...served, smtp, smtpTls, https: names.map((name) => `mta-sts.${name}`) },
          });
          const options = {
            zones: [...names, "example.com"],
            nameServers: ["mail.example.com"],
            reverseZones: "none",
          } as const;
          for (const { origin, text, records } of zoneFiles(plan, options).files) {
            const { entries, problems } = parseMasterFile(text, { origin });
            assert.deepEqual(problems, []);
            assert.deepEqual(
              entries.map(({ record }) => record),
              records,
            );
            assert.ok(buildZone(origin, entries).ok);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
