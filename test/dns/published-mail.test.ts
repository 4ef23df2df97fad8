/**
 * From the declaration to mail that flows by it: a whole stack with a real server, published by each publisher to a real
 * authoritative name server, resolved by a validating resolver, and a letter from one domain to the other.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { connect } from "../../components/host/connection.ts";
import type { DnsArgs, MailStackArgs } from "../../components/mail-stack-args.ts";
import { runProbe } from "../../components/probe/probe.ts";
import { createProvider } from "../../components/provider/provider.ts";
import {
  hasTool,
  publicKeysOf,
  run,
  startKnot,
  startUnbound,
} from "../../mailserver-runtime/dns/test-support.ts";
import { updateZone } from "../../mailserver-runtime/dns/update.ts";
import { CloudflareEmulator } from "../support/cloudflare/emulator.ts";
import { cloudflareDouble } from "../support/cloudflare/plugin-double.ts";
import { type StackUnderTest, stackUnderTest } from "../support/stack-under-test.ts";

const ZONES = ["green.test", "blue.test"];
const TOKEN = "emulated-token-with-all-rights-0123456789";
const key = {
  name: "mailkeep",
  algorithm: "hmac-sha256" as const,
  secret: randomBytes(32).toString("base64"),
};
const tools = [
  ["knotd", "knot"],
  ["kdig", "knot-dnsutils"],
  ["unbound", "unbound"],
  ["dig", "bind9-dnsutils"],
] as const;

/** Knot with two signed zones that take updates, and unbound, which believes their signatures alone. */
async function internet(t: TestContext) {
  const text = (zone: string) =>
    `$TTL 300\n@ SOA ns.${zone}. h.${zone}. 1 7200 900 1209600 60\n@ NS ns.${zone}.\nns A 127.0.0.1\n`;
  const knot = await startKnot(
    t,
    Object.fromEntries(
      ZONES.map((zone) => [
        zone,
        { text: text(zone), lines: ["acl: ours", "dnssec-signing: on", "dnssec-policy: quick"] },
      ]),
    ),
    [
      "key:",
      `  - id: ${key.name}\n    algorithm: ${key.algorithm}\n    secret: ${key.secret}`,
      "acl:\n  - id: ours\n    key: mailkeep\n    action: update",
      "policy:\n  - id: quick\n    algorithm: ecdsap256sha256\n    single-type-signing: on",
    ].join("\n"),
  );
  const anchors = await Promise.all(ZONES.map((zone) => publicKeysOf(knot, zone)));
  const unbound = await startUnbound(
    t,
    anchors.join(""),
    Object.fromEntries(ZONES.map((zone) => [zone, knot])),
  );
  return { knot, unbound };
}

async function freeBase(): Promise<number> {
  const free = (port: number) =>
    new Promise<boolean>((resolve) => {
      const server = net.createServer().once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
  for (;;) {
    const base = 44_000 + Math.floor(Math.random() * 15) * 1_100;
    if ((await Promise.all([25, 53, 143, 465, 587, 993].map((port) => free(base + port)))).every(Boolean))
      return base;
  }
}

/** Brings a stack up with this publisher, and sends a letter from one of its domains to the other. */
async function mailFlows(
  t: TestContext,
  unbound: number,
  dns: DnsArgs,
  tokens: MailStackArgs["tokens"] = {},
) {
  const portBase = await freeBase();
  let started: StackUnderTest | undefined;
  // Before the stack's directory goes: hooks run in the order they are registered.
  t.after(() => started?.destroy());
  const stack = stackUnderTest(t, {
    mailkeep: () => createProvider(),
    cloudflare: () => cloudflareDouble(),
  });
  started = stack;
  const data = join(stack.directory, "data");
  const program = async () => {
    const { MailStack } = await import("../../components/mail-stack.ts");
    const mail = new MailStack("mail", {
      domains: ZONES.map((name) => ({ name, dmarc: { policy: "reject" } })),
      mailboxes: ["anna@green.test", "ben@blue.test"],
      host: { type: "local", directory: data },
      dns,
      tokens,
      server: { portBase, resolvers: [`127.0.0.1:${unbound}`] },
    });
    return { dns: mail.dns };
  };
  const done = await stack.up(program);
  assert.ok(done.succeeded, stack.said());

  const { passwords } = JSON.parse(readFileSync(join(data, "secrets.json"), "utf8")) as {
    passwords: Record<string, string>;
  };
  const host = connect({ type: "local", directory: data });
  t.after(() => host.close());
  const at = (port: number) => ({ host: "127.0.0.1", port: portBase + port, servername: "mail.green.test" });
  const report = await runProbe({
    from: { address: "anna@green.test", password: passwords["anna@green.test"]! },
    to: { address: "ben@blue.test", password: passwords["ben@blue.test"]! },
    submission: at(465),
    imap: at(993),
    ca: readFileSync(join(data, "config/ca.pem"), "utf8"),
    throughMx: true,
    timeoutMs: 60_000,
    trace: async (messageId) =>
      (await host.perform("trace", { about: messageId }, { deadline: Date.now() + 60_000 })).events,
  });
  const shown = report.steps.map(({ name, ok, detail }) => `${ok ? "✓" : "✗"} ${name} ${detail}`).join("\n");
  assert.ok(report.ok, shown);
  for (const verdict of [/spf=pass/, /dkim=pass/, /dmarc=pass/]) assert.match(shown, verdict);

  const { dns: published } = (await stack.outputs()) as { dns: { records: string[] } };
  assert.ok(published.records.length > 20, published.records.join("\n"));
  // Asked of the resolver, with the signature checked.
  for (const line of published.records) {
    const [name = "", , , type = ""] = line.split(" ");
    const answer = await run(
      "dig",
      "@127.0.0.1",
      "-p",
      String(unbound),
      name,
      type,
      "+noall",
      "+answer",
      "+comments",
      "+adflag",
    );
    assert.match(answer, /flags:[^;]* ad\b/, `${line}\n${answer}`);
    const normal = (text: string) => text.toLowerCase().replace(/[\s"]+/g, "");
    const data = line.split(" ").slice(4).join(" ");
    assert.ok(normal(answer).includes(normal(data)), `${line}\n${answer}`);
  }
  const check = await host.perform(
    "dns.check",
    { recordSets: setsOf(published.records), nameServers: [], hostname: "mail.green.test" },
    { deadline: Date.now() + 60_000 },
  );
  return { stack, program, host, check, records: published.records };
}

function setsOf(lines: readonly string[]): Record<string, string[]> {
  const sets: Record<string, string[]> = {};
  for (const line of lines) {
    const [name = "", ttl = "", , type = "", ...data] = line.split(" ");
    const set = `${name.replace(/\.$/, "")} ${type}`;
    sets[set] ??= [];
    sets[set].push(`${ttl} ${data.join(" ")}`);
  }
  return sets;
}

test("what is published at Cloudflare is resolved, and mail flows by it", async (t) => {
  for (const [program, debianPackage] of tools) if (!hasTool(t, program, debianPackage)) return;
  const { knot, unbound } = await internet(t);
  const emulator = await CloudflareEmulator.start({
    zones: ZONES.map((name) => ({ name, dnssec: "active" as const })),
    tokens: { [TOKEN]: ["zone:read", "dns:read", "dns:edit"] },
    async publish(zone, change) {
      const result = await updateZone({ server: { address: "127.0.0.1", port: knot }, zone, key, ...change });
      if (!result.ok) throw new Error(result.message);
    },
  });
  t.after(() => emulator.close());
  const { stack, program, check } = await mailFlows(
    t,
    unbound,
    { type: "cloudflare", baseUrl: emulator.baseUrl },
    { cloudflare: pulumi.secret(TOKEN) },
  );
  assert.ok(
    check.zones.every(({ dnssec }) => dnssec === "signed"),
    JSON.stringify(check.zones),
  );
  assert.ok((await stack.preview(program)).succeeded);
  assert.deepEqual(stack.steps(), []);
  assert.ok((await stack.destroy()).succeeded, stack.said());
  assert.deepEqual(
    ZONES.flatMap((zone) => emulator.records(zone)),
    [],
  );
});

test("what is published by dynamic updates is resolved, and mail flows by it (RFC 2136)", async (t) => {
  for (const [program, debianPackage] of tools) if (!hasTool(t, program, debianPackage)) return;
  const { knot, unbound } = await internet(t);
  const { stack, program, host, records } = await mailFlows(
    t,
    unbound,
    { type: "rfc2136", server: "127.0.0.1", port: knot, key: { name: key.name } },
    { [key.name]: pulumi.secret(key.secret) },
  );
  assert.ok((await stack.refresh()).succeeded, stack.said());
  assert.ok((await stack.preview(program)).succeeded);
  assert.deepEqual(stack.steps(), []);
  assert.ok(!readFileSync(stack.checkpoint, "utf8").includes(key.secret));

  const at = { recordSets: setsOf(records), nameServers: [`127.0.0.1:${knot}`] };
  const limit = { deadline: Date.now() + 60_000 };
  const whole = await host.perform("dns.check", at, limit);
  assert.ok(whole.ok, whole.lines.join("\n"));
  const mx = {
    type: "MX" as const,
    name: "green.test",
    ttl: 3600,
    preference: 10,
    exchange: "mail.green.test",
  };
  await updateZone({
    server: { address: "127.0.0.1", port: knot },
    zone: "green.test",
    key,
    create: [{ ...mx, preference: 7 }],
    remove: [mx],
  });
  const edited = await host.perform("dns.check", at, limit);
  assert.equal(edited.ok, false);
  assert.match(
    edited.lines.join("\n"),
    /✗ green\.test MX says something else\n {4}wanted {2}10 mail\.green\.test\./,
  );
  assert.ok((await stack.refresh()).succeeded, stack.said());
  assert.ok((await stack.up(program)).succeeded, stack.said());
  assert.deepEqual(stack.steps(), ["update DynamicZone mail-green.test"]);
  assert.ok((await host.perform("dns.check", at, limit)).ok);

  assert.ok((await stack.destroy()).succeeded, stack.said());
  const left = await run("dig", "@127.0.0.1", "-p", String(knot), "green.test", "MX", "+short");
  assert.equal(left, "");
});
