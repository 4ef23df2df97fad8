/** The examples of publishers, brought up as they stand, on a mail host in memory; Cloudflare's API is the emulator. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createProvider } from "../../components/provider/provider.ts";
import { MemoryHost } from "../../components/provider/testing/memory-host.ts";
import { CloudflareEmulator } from "../support/cloudflare/emulator.ts";
import { cloudflareDouble } from "../support/cloudflare/plugin-double.ts";
import { ringOfKeys } from "../support/ring-of-keys.ts";
import { stackUnderTest } from "../support/stack-under-test.ts";

const TOKEN = "emulated-token-with-all-rights-0123456789";
const publicKey = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .publicKey.export({ type: "spki", format: "der" })
  .toString("base64");
const examples = join(import.meta.dirname, "../../examples");

async function example(t: TestContext, name: string, config: Readonly<Record<string, string>>) {
  const host = new MemoryHost();
  host.ringOf = () => ringOfKeys(() => publicKey);
  const stack = stackUnderTest(
    t,
    { mailkeep: () => createProvider({ connect: () => host }), cloudflare: () => cloudflareDouble() },
    config,
  );
  let runs = 0;
  // A program is a module; each run loads it anew.
  const program = () => import(`${join(examples, name, "index.ts")}?run=${++runs}`);
  assert.ok((await stack.preview(program)).succeeded, stack.said());
  assert.ok((await stack.up(program)).succeeded, stack.said());
  const outputs = await stack.outputs();
  assert.equal(outputs.hostname, "mail.example.org");
  assert.ok((await stack.preview(program)).succeeded, stack.said());
  assert.deepEqual(stack.steps(), [], "the second preview finds nothing to do");
  return { host, stack, outputs };
}

test("at Cloudflare", async (t) => {
  const emulator = await CloudflareEmulator.start({
    zones: [{ name: "example.org", dnssec: "active" }],
    tokens: { [TOKEN]: ["zone:read", "dns:read", "dns:edit"] },
  });
  t.after(() => emulator.close());
  process.env.CLOUDFLARE_BASE_URL = emulator.baseUrl;
  t.after(() => {
    delete process.env.CLOUDFLARE_BASE_URL;
  });
  const { stack } = await example(t, "dns-cloudflare", { "mailkeep:cloudflareToken": TOKEN });
  assert.ok(emulator.records("example.org").some(({ type }) => type === "MX"));
  assert.ok((await stack.destroy()).succeeded, stack.said());
  assert.deepEqual(emulator.records("example.org"), []);
});

test("by dynamic updates", async (t) => {
  const { host } = await example(t, "dns-rfc2136", { "mailkeep:tsigSecret": "c2VjcmV0LW9mLXRoZS1rZXk=" });
  const asked = host.asked.find(({ operation }) => operation === "dynamic-zone.put");
  assert.ok(asked);
  const { zone, server, key, recordSets } = asked.request as {
    zone: string;
    server: string;
    key: { name: string; secret: string };
    recordSets: Record<string, string[]>;
  };
  assert.deepEqual(
    [zone, server, key.name, key.secret],
    ["example.org", "192.0.2.53", "mailkeep", "c2VjcmV0LW9mLXRoZS1rZXk="],
  );
  assert.deepEqual(recordSets["example.org MX"], ["3600 10 mail.example.org."]);
});

test("as a zone file", async (t) => {
  const directory = stackUnderTest(t, {}).directory;
  await example(t, "dns-zone-file", { "mailkeep:zoneDirectory": directory });
  assert.match(
    readFileSync(join(directory, "example.org.zone"), "utf8"),
    /^@ 3600 IN NS ns2\.example\.net\.$/m,
  );
});

test("by hand, and another domain's as a file", async (t) => {
  const directory = stackUnderTest(t, {}).directory;
  const { outputs } = await example(t, "dns-by-hand", { "mailkeep:zoneDirectory": directory });
  assert.match(
    String(outputs.toEnter),
    /^Enter these records:\n {2}example\.org\. 3600 MX 10 mail\.example\.org\./,
  );
  const file = readFileSync(join(directory, "example.net.zone"), "utf8");
  assert.match(file, /^example\.net\. 3600 IN MX 10 mail\.example\.org\.$/m);
  assert.ok(!file.includes("SOA"));
});
