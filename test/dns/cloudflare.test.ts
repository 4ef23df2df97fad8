/**
 * Publishing at Cloudflare: the whole program against the API's emulator, with a mail host in memory. What is resolved and
 * how mail flows by it is in published-mail.test.ts.
 */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, type TestContext, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import type { MailStackArgs } from "../../components/mail-stack-args.ts";
import { createProvider } from "../../components/provider/provider.ts";
import { MemoryHost } from "../../components/provider/testing/memory-host.ts";
import { CloudflareEmulator, type EmulatedZone, type Right } from "../support/cloudflare/emulator.ts";
import { cloudflareDouble } from "../support/cloudflare/plugin-double.ts";
import { ringOfKeys } from "../support/ring-of-keys.ts";
import { stackUnderTest } from "../support/stack-under-test.ts";

// Programs that were stopped half-way leave the SDK waiting for answers that nobody will give.
after(() => void setTimeout(() => process.exit(), 1_000).unref());

const TOKEN = "emulated-token-with-all-rights-0123456789";
const READER = "emulated-token-that-only-reads-0123456789";
const BLIND = "emulated-token-without-dns-rights-01234567";
const COMMENT = "mailkeep:mailkeep/test";
const ALL: readonly Right[] = ["zone:read", "dns:read", "dns:edit"];
const keys = new Map<string, string>();
const publicKey = (domain: string, selector: string) => {
  const name = `${selector} ${domain}`;
  const made =
    keys.get(name) ??
    generateKeyPairSync("rsa", { modulusLength: 2048 })
      .publicKey.export({ type: "spki", format: "der" })
      .toString("base64");
  keys.set(name, made);
  return made;
};

async function cloudflareStack(t: TestContext, zones: readonly EmulatedZone[] = [{ name: "green.test" }]) {
  const emulator = await CloudflareEmulator.start({
    zones,
    tokens: { [TOKEN]: ALL, [READER]: ["zone:read", "dns:read"], [BLIND]: ["zone:read"] },
    perPage: 5,
  });
  t.after(() => emulator.close());
  const host = new MemoryHost();
  host.ringOf = (domain) => ringOfKeys((selector) => publicKey(domain, selector));
  const stack = stackUnderTest(t, {
    mailkeep: () => createProvider({ connect: () => host }),
    cloudflare: () => cloudflareDouble(),
  });
  const declare =
    (args: Partial<MailStackArgs> = {}, more: object = {}) =>
    async () => {
      const { MailStack } = await import("../../components/mail-stack.ts");
      const mail = new MailStack("mail", {
        domains: ["green.test"],
        host: { type: "local", directory: stack.directory },
        addresses: { ipv4: ["192.0.2.1"], ipv6: ["2001:db8::1"] },
        dns: { type: "cloudflare", baseUrl: emulator.baseUrl, ...more },
        tokens: { cloudflare: pulumi.secret(TOKEN) },
        ...args,
      });
      return { dns: mail.dns, leftOut: mail.recordsLeftOut };
    };
  return { emulator, host, stack, declare };
}

const written = (emulator: CloudflareEmulator) => emulator.log.filter((line) => !line.startsWith("GET"));

test("a preview writes nothing and shows every record; up makes them; then nothing changes", async (t) => {
  const { emulator, stack, declare } = await cloudflareStack(t);
  const previewed = await stack.preview(declare());
  assert.ok(previewed.succeeded, stack.said());
  assert.deepEqual(written(emulator), []);
  const shown = stack.steps().filter((step) => step.includes("DnsRecord"));

  assert.ok((await stack.up(declare())).succeeded, stack.said());
  const records = emulator.records("green.test");
  assert.ok(records.every(({ comment, proxied }) => comment === COMMENT && !proxied));
  assert.deepEqual(
    shown.sort(),
    stack
      .steps()
      .filter((step) => step.includes("DnsRecord"))
      .sort(),
  );
  assert.equal(shown.length, records.length);
  const find = (name: string, type: string) =>
    records.find((record) => record.name === name && record.type === type);
  assert.equal(find("green.test", "MX")?.content, "mail.green.test");
  assert.equal(find("green.test", "TXT")?.content, '"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"');
  assert.equal(find("_dmarc.green.test", "TXT")?.content, '"v=DMARC1; p=none"');
  assert.match(
    find("mk1._domainkey.green.test", "TXT")?.content ?? "",
    /^"v=DKIM1; k=rsa; p=.{100,}" "[^"]+"$/,
  );
  assert.deepEqual(find("_imaps._tcp.green.test", "SRV")?.data, {
    port: 20_993,
    priority: 0,
    target: "mail.green.test",
    weight: 1,
  });
  assert.equal(find("mail.green.test", "AAAA")?.content, "2001:db8::1");
  // Not signed: TLSA count for nobody (RFC 7672 §2.2).
  assert.equal(find("_25._tcp.mail.green.test", "TLSA"), undefined);
  assert.match(stack.said(), /not signed: TLSA records are left out/);

  const before = emulator.log.length;
  const again = await stack.preview(declare());
  assert.ok(again.succeeded);
  assert.deepEqual(stack.steps(), []);
  assert.ok(emulator.log.length > before, "the names were looked at");
  assert.ok((await stack.refresh()).succeeded, stack.said());
  assert.ok((await stack.preview(declare())).succeeded);
  assert.deepEqual(stack.steps(), [], "what the API answers is what was declared");
});

test("a host whose address and keys are not known yet still shows its records, under the names they keep", async (t) => {
  const { emulator, stack, declare } = await cloudflareStack(t, [{ name: "green.test", dnssec: "active" }]);
  const later = (value: string) =>
    pulumi
      .output(new Promise<string>((resolve) => setTimeout(resolve, 20, value)))
      .apply((known) => (pulumi.runtime.isDryRun() ? (pulumi.unknown as string) : known));
  const addresses = () => ({ ipv4: [later("192.0.2.7")] });
  const program = (now: ReturnType<typeof addresses>) => declare({ addresses: now });
  assert.ok((await stack.preview(() => program(addresses())())).succeeded, stack.said());
  const shown = stack.steps().filter((step) => step.includes("DnsRecord"));
  assert.ok(shown.includes("create DnsRecord mail-mail.green.test/A/#1"), shown.join("\n"));
  assert.ok(shown.includes("create DnsRecord mail-mk1._domainkey.green.test/TXT/v=DKIM1"));
  assert.ok((await stack.up(() => program(addresses())())).succeeded, stack.said());
  const made = stack.steps().filter((step) => step.includes("DnsRecord"));
  // TLSA are named by their keys, which only the host knows.
  assert.deepEqual(made.filter((step) => !step.includes("/TLSA/")).sort(), shown.sort());
  assert.equal(made.filter((step) => step.includes("/TLSA/")).length, 2);
  assert.ok(
    emulator.records("green.test").some(({ type, content }) => type === "A" && content === "192.0.2.7"),
  );
  assert.ok(emulator.records("green.test").some(({ content }) => /ip4:192\.0\.2\.7/.test(content)));
});

test("a record of others that contradicts ours stops the preview with the merge, and can be adopted by its id", async (t) => {
  const { emulator, stack, declare } = await cloudflareStack(t);
  const spf = await emulator.enter("green.test", {
    type: "TXT",
    name: "green.test",
    content: '"v=spf1 include:_spf.other.example ~all"',
    ttl: 300,
  });
  const mx = await emulator.enter("green.test", {
    type: "MX",
    name: "green.test",
    content: "old.example",
    priority: 5,
    ttl: 1,
  });
  const proof = await emulator.enter("green.test", {
    type: "TXT",
    name: "green.test",
    content: '"site-proof=1"',
    ttl: 1,
  });
  assert.equal((await stack.preview(declare())).succeeded, false);
  const said = stack.said();
  assert.match(said, /contradict what it would publish. Nothing was changed/);
  assert.match(
    said,
    /Merged it is "v=spf1 ip4:192\.0\.2\.1 ip6:2001:db8::1 include:_spf\.other\.example ~all"/,
  );
  assert.match(said, /spf\.existing .* "v=spf1 include:_spf\.other\.example ~all"/);
  assert.match(said, /green\.test MX "5 old\.example" .*Mail would go to both hosts/);
  assert.ok(
    said.includes(`dns.adopt: ["${spf.id}", "${mx.id}"]`) ||
      said.includes(`dns.adopt: ["${mx.id}", "${spf.id}"]`),
    said,
  );
  assert.ok(!said.includes(proof.id));
  assert.deepEqual(written(emulator), []);
  assert.equal((await stack.up(declare())).succeeded, false);
  assert.deepEqual(written(emulator), [], "up changes nothing at Cloudflare either");

  const args = {
    domains: [{ name: "green.test", spf: { existing: "v=spf1 include:_spf.other.example ~all" } }],
  };
  const adopting = declare(args, { adopt: [spf.id, mx.id] });
  assert.ok((await stack.preview(adopting)).succeeded, stack.said());
  assert.ok(stack.steps().includes("import DnsRecord mail-green.test/TXT/v=spf1"), stack.steps().join("\n"));
  assert.match(stack.said(), /is adopted by its id .* and becomes/);
  assert.deepEqual(written(emulator), []);
  assert.ok((await stack.up(adopting)).succeeded, stack.said());
  const now = new Map(emulator.records("green.test").map((record) => [record.id, record]));
  assert.equal(
    now.get(spf.id)?.content,
    '"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 include:_spf.other.example ~all"',
  );
  assert.equal(now.get(spf.id)?.comment, COMMENT);
  assert.deepEqual([now.get(mx.id)?.content, now.get(mx.id)?.priority], ["mail.green.test", 10]);
  assert.deepEqual([now.get(proof.id)?.content, now.get(proof.id)?.comment], ['"site-proof=1"', null]);
  assert.equal(
    [...now.values()].filter(({ content }) => content.includes("v=spf1")).length,
    2,
    "the domain's and the host's",
  );

  assert.ok((await stack.preview(adopting)).succeeded);
  assert.deepEqual(stack.steps(), []);
  assert.ok((await stack.up(declare(args))).succeeded, stack.said());
  assert.deepEqual(
    stack.steps().filter((step) => step.includes("DnsRecord")),
    [],
    "once it is ours the list may go",
  );
  assert.ok((await stack.destroy()).succeeded, stack.said());
  assert.deepEqual(
    emulator.records("green.test").map(({ id }) => id),
    [proof.id],
  );
});

test("an alias or another address at a name the stack needs is a conflict, too", async (t) => {
  const { emulator, stack, declare } = await cloudflareStack(t);
  await emulator.enter("green.test", {
    type: "CNAME",
    name: "mail.green.test",
    content: "elsewhere.example",
    ttl: 1,
  });
  await emulator.enter("green.test", {
    type: "A",
    name: "green.test",
    content: "192.0.2.99",
    ttl: 1,
    proxied: true,
  });
  assert.equal((await stack.preview(declare())).succeeded, false);
  assert.match(stack.said(), /mail\.green\.test CNAME "elsewhere\.example" .*an alias cannot stand beside/);
  assert.ok(!stack.said().includes("192.0.2.99"), "the web site's address is none of ours");
});

test("a token without a right is told which one, and no token is shown", async (t) => {
  const { emulator, stack, declare } = await cloudflareStack(t);
  const cases: readonly [string, RegExp][] = [
    [READER, /lacks the right "Zone → DNS → Edit"/],
    [BLIND, /lacks the right "Zone → DNS → (Read|Edit)"/],
    ["x".repeat(40), /does not know the API token/],
    ["short-secret-token", /is no API token of Cloudflare: those are 40 to 80/],
  ];
  for (const [token, expected] of cases) {
    assert.equal(
      (await stack.preview(declare({ tokens: { cloudflare: pulumi.secret(token) } }))).succeeded,
      false,
    );
    assert.match(stack.said(), expected);
    assert.ok(!stack.said().includes(token), stack.said());
  }
  assert.deepEqual(written(emulator), []);
});

test("a zone that is not yours is told before anything is made", async (t) => {
  const { emulator, stack, declare } = await cloudflareStack(t);
  const mistake = declare(
    { domains: ["blue.test"], hostname: "mail.green.test" },
    { zones: ["blue.test", "green.test"] },
  );
  assert.equal((await stack.preview(mistake)).succeeded, false);
  assert.match(stack.said(), /sees no zone blue\.test at Cloudflare/);
  const id = emulator.zoneId("green.test");
  assert.equal(
    (await stack.preview(declare({ domains: ["blue.test"] }, { zones: [{ name: "blue.test", id }] })))
      .succeeded,
    false,
  );
  assert.match(
    stack.said(),
    new RegExp(`the id ${id} is the zone green\\.test at Cloudflare, not blue\\.test`),
  );
  assert.deepEqual(written(emulator), []);
});

test("a rate limit is waited for", async (t) => {
  const { emulator, stack, declare } = await cloudflareStack(t);
  emulator.answer(/POST/, 429, 10429, "Rate limit reached", 3, { "retry-after": "1" });
  emulator.answer(/GET .*dns_records/, 429, 10429, "Rate limit reached", 1, { "retry-after": "1" });
  assert.ok((await stack.up(declare())).succeeded, stack.said());
});

test("hand-edited and removed records come back", async (t) => {
  const { emulator, stack, declare } = await cloudflareStack(t);
  assert.ok((await stack.up(declare())).succeeded, stack.said());
  const count = emulator.records("green.test").length;
  await emulator.lose("green.test", ({ type }) => type === "MX");
  for (const record of emulator.records("green.test"))
    if (record.name === "_dmarc.green.test") record.content = '"v=DMARC1; p=reject"';
  assert.ok((await stack.refresh()).succeeded, stack.said());
  assert.ok((await stack.up(declare())).succeeded, stack.said());
  assert.deepEqual(
    stack
      .steps()
      .filter((step) => step.includes("DnsRecord"))
      .sort(),
    [
      "create DnsRecord mail-green.test/MX/mail.green.test",
      "update DnsRecord mail-_dmarc.green.test/TXT/v=DMARC1",
    ],
  );
  const records = emulator.records("green.test");
  assert.equal(records.length, count);
  assert.equal(records.find(({ name }) => name === "_dmarc.green.test")?.content, '"v=DMARC1; p=none"');
});

test("a record that an interrupted run left without noting it does not stand in the way", async (t) => {
  const { emulator, stack, declare } = await cloudflareStack(t);
  assert.ok((await stack.up(declare())).succeeded, stack.said());
  const left = emulator.records("green.test").filter(({ type }) => type === "MX" || type === "SRV");
  await emulator.lose("green.test", ({ type }) => type === "MX" || type === "SRV");
  assert.ok((await stack.refresh()).succeeded);
  // As after a kill between the API's answer and its note in the state.
  for (const { id: _, ...record } of left) await emulator.enter("green.test", { ...record });
  assert.ok((await stack.up(declare())).succeeded, stack.said());
  const again = emulator.records("green.test").filter(({ type }) => type === "MX" || type === "SRV");
  assert.equal(again.length, left.length);
  assert.ok((await stack.preview(declare())).succeeded);
  assert.deepEqual(stack.steps(), []);
});

test("a TLS key that rotates adds its TLSA record and takes the old one away", async (t) => {
  const { emulator, stack, declare } = await cloudflareStack(t, [{ name: "green.test", dnssec: "active" }]);
  assert.ok((await stack.up(declare())).succeeded, stack.said());
  const tlsa = emulator.records("green.test").filter(({ type }) => type === "TLSA");
  assert.deepEqual(tlsa.map(({ content }) => content).sort(), [
    `3 1 1 ${"aa".repeat(32)}`,
    `3 1 1 ${"bb".repeat(32)}`,
  ]);
  assert.ok((await stack.up(declare({}, { dnssec: "unsigned" }))).succeeded, stack.said());
  assert.deepEqual(
    emulator.records("green.test").filter(({ type }) => type === "TLSA"),
    [],
  );
});

test("domains may have publishers of their own", async (t) => {
  const { emulator, stack, declare } = await cloudflareStack(t);
  const program = declare({
    domains: ["green.test", { name: "blue.test", dns: { type: "manual" } }],
    relays: [
      {
        type: "smarthost",
        name: "out",
        host: "smtp.relay.example",
        spf: { domain: "_spf.relay.example" },
        for: { senderDomains: ["green.test"] },
      },
    ],
  });
  assert.ok((await stack.up(program)).succeeded, stack.said());
  const spf = (domain: string, texts: readonly string[]) =>
    texts.find((text) => text.startsWith(`${domain}. `) && text.includes("v=spf1"));
  const { dns } = (await stack.outputs()) as { dns: { records: string[]; toEnter: string } };
  assert.match(spf("green.test", dns.records) ?? "", /include:_spf\.relay\.example/);
  assert.ok(!spf("blue.test", dns.records)?.includes("relay"));
  assert.match(dns.toEnter, /blue\.test\. 3600 MX 10 mail\.green\.test\./);
  assert.ok(!dns.toEnter.includes("  green.test. 3600"), dns.toEnter);
  assert.ok(emulator.records("green.test").every(({ name }) => name.endsWith("green.test")));
});

test("the token stands in the state as a secret and in no message", async (t) => {
  const { stack, declare } = await cloudflareStack(t);
  assert.ok((await stack.up(declare())).succeeded, stack.said());
  assert.ok(!readFileSync(stack.checkpoint, "utf8").includes(TOKEN));
  assert.ok(!stack.said().includes(TOKEN));
});
