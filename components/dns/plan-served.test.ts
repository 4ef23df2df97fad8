/** The plan judged by others: knot loads its zones, and mailauth finds SPF, DKIM and DMARC in them. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { type TestContext, test } from "node:test";
import { recordText } from "../../mailserver-runtime/dns/records.ts";
import { createResolver, iprev, mxHosts, toMailauthResolver } from "../../mailserver-runtime/dns/resolver.ts";
import { startNameServer } from "../../mailserver-runtime/dns/server.ts";
import { directoryWith, hasTool, startKnot } from "../../mailserver-runtime/dns/test-support.ts";
import { silentLog } from "../../mailserver-runtime/net/log.ts";
import { planRecords } from "./plan.ts";
import { zoneFiles } from "./publishers/zone-file.ts";

const keys = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ed25519: generateKeyPairSync("ed25519"),
};
const publicKey = (algorithm: keyof typeof keys) =>
  keys[algorithm].publicKey.export({ type: "spki", format: "der" }).toString("base64");

const plan = planRecords({
  host: { name: "mail.example.test", ipv4: ["127.0.0.1"] },
  domains: [
    {
      name: "example.test",
      dkim: [
        { selector: "r1", algorithm: "rsa", publicKey: publicKey("rsa"), role: "current" },
        { selector: "e1", algorithm: "ed25519", publicKey: publicKey("ed25519"), role: "next" },
      ],
      dmarc: { policy: "reject", dkimAlignment: "strict", rua: ["dmarc@other.example"] },
      mtaSts: { mode: "testing" },
      tlsRpt: { rua: ["tls@example.test"] },
    },
    { name: "other.example" },
  ],
  served: {
    smtp: true,
    smtpTls: true,
    services: { submissions: 465, imaps: 993 },
    https: ["mta-sts.example.test"],
  },
  tlsKeys: { current: "aa".repeat(32), next: "bb".repeat(32) },
  certificateAuthority: { issuers: ["letsencrypt.org"], accountUri: "https://acme.example/1" },
});
const { files } = zoneFiles(plan, {
  zones: ["example.test", "other.example"],
  nameServers: ["mail.example.test"],
  reverseZones: "of-host-addresses",
});

function resolverAt(t: TestContext, port: number) {
  const resolver = createResolver({ servers: [`127.0.0.1:${port}`] });
  t.after(() => resolver.close());
  return resolver;
}

test("knot loads the zones as they are and answers with every planned record", async (t) => {
  if (!hasTool(t, "knotd", "knot") || !hasTool(t, "kdig", "knot-dnsutils")) return;
  const zones = Object.fromEntries(files.map(({ origin, text }) => [origin, { text, lines: [] }]));
  const resolver = resolverAt(t, await startKnot(t, zones));
  for (const { record } of [...plan.records, ...plan.reverse]) {
    const { records } = await resolver.resolve(record.name, record.type);
    assert.ok(
      records.some((found) => recordText(found) === recordText(record)),
      recordText(record),
    );
  }
});

test("mail signed by the planned keys passes SPF, DKIM and DMARC by the planned records, and forged mail does not", async (t) => {
  const zoneDirectory = await directoryWith(
    t,
    Object.fromEntries(files.map(({ origin, text }) => [`${origin}.zone`, text])),
  );
  const server = await startNameServer({ address: "127.0.0.1", port: 0, zoneDirectory, log: silentLog });
  t.after(() => server.close());
  assert.deepEqual(server.problems(), []);
  const resolver = resolverAt(t, server.port);
  const { authenticate, dkimSign } = await import("mailauth" as string);
  const message =
    "From: a@example.test\r\nTo: b@other.example\r\nSubject: x\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\n\r\nHello\r\n";
  const signatureData = (
    [
      ["r1", "rsa"],
      ["e1", "ed25519"],
    ] as const
  ).map(([selector, algorithm]) => ({
    signingDomain: "example.test",
    selector,
    privateKey: keys[algorithm].privateKey.export({ type: "pkcs8", format: "pem" }),
  }));
  const { signatures, errors } = await dkimSign(message, {
    canonicalization: "relaxed/relaxed",
    signatureData,
  });
  assert.deepEqual(errors, []);

  const judge = async (octets: string, ip: string) => {
    const result = await authenticate(octets, {
      ip,
      helo: "mail.example.test",
      sender: "a@example.test",
      mta: "mail.other.example",
      resolver: toMailauthResolver(resolver),
    });
    return {
      spf: result.spf.status.result,
      dkim: result.dkim.results.map(({ status }: { status: { result: string } }) => status.result),
      dmarc: result.dmarc.status.result,
      policy: result.dmarc.policy,
    };
  };
  assert.deepEqual(await judge(signatures + message, "127.0.0.1"), {
    spf: "pass",
    dkim: ["pass", "pass"],
    dmarc: "pass",
    policy: "reject",
  });
  const forged = await judge(signatures + message.replace("Hello", "Hallo"), "192.0.2.66");
  assert.deepEqual(
    { ...forged, dkim: new Set(forged.dkim) },
    { spf: "fail", dkim: new Set(["neutral"]), dmarc: "fail", policy: "reject" },
  );
  assert.equal((await mxHosts(resolver, "other.example")).hosts[0]?.host, "mail.example.test");
  assert.equal((await iprev(resolver, "127.0.0.1")).name, "mail.example.test");
});
