import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { needs } from "../../test/support/tools.ts";
import { runningServer, zone } from "../server-for-tests.ts";
import { type Health, judge, watchHealth } from "./health.ts";
import type { ProbeStep } from "./loopback-probe.ts";

const ok: ProbeStep = { name: "imap 143", result: "ok", detail: "* OK" };
const failed: ProbeStep = { name: "submission", result: "failed", detail: "no answer in time" };

test("what is wrong outside makes a server degraded, and only its own failure unhealthy", () => {
  const at = "2026-01-01T00:00:00.000Z";
  assert.equal(judge(at, [ok], []).state, "healthy");
  assert.equal(judge(at, [ok], ["mail.green.test: the certificate does not renew"]).state, "degraded");
  assert.equal(judge(at, [{ ...ok, result: "not-possible" }], []).state, "degraded");
  assert.equal(judge(at, [ok, failed], ["a file"]).state, "unhealthy");
  assert.equal(judge(undefined, [], []).state, "not-probed");
});

test("who asks before the first probe has ended waits for it, and a later probe replaces it", async () => {
  let steps: readonly ProbeStep[] = [failed];
  const log = { info() {}, error() {} } as never;
  const watch = watchHealth({ probe: async () => steps, problems: () => [], log, everyMs: 20 });
  assert.equal((await watch.health()).state, "unhealthy");
  steps = [ok];
  while ((await watch.health()).state !== "healthy") await new Promise((done) => setTimeout(done, 20));
  watch.close();
});

test("the running server proves by its own ports that mail is taken, stored and read", async (t) => {
  if (!needs(t, "knotd", "swaks")) return;
  const server = await runningServer(t, {
    zones: { "green.test": zone("") },
    files: { "postfix-accounts.cf": "anna@green.test|{PLAIN}secret\n" },
    protocols: ["smtp", "submission", "submissions", "imap", "imaps"],
    // A domain without a key, a journal for everything: neither meets the probe.
    settings: { submission: { requireSignature: true }, copies: [{ to: "anna@green.test" }] },
    probes: true,
  });
  const health = (await server.ask("health", {})) as Health;
  assert.equal(health.state, "healthy", JSON.stringify(health));
  assert.deepEqual(
    health.steps.map(({ name, result }) => `${name.replace(/ \d+$/, "")} ${result}`),
    [
      "smtp ok",
      "submission ok",
      "submissions ok",
      "imap ok",
      "imaps ok",
      "submission ok",
      "store and IMAP ok",
    ],
  );
  assert.deepEqual(await server.mail("mailkeep.invalid/probe"), [], "the probe leaves nothing behind");
  assert.deepEqual(await server.mail("green.test/anna"), [], "nobody gets a copy");

  const stranger = await server.swaks("--to", "probe@mailkeep.invalid", "--from", "mallory@example.org");
  assert.match(stranger.text, /<\*\* 55[04] 5\.7\.1 /, stranger.text);
  const status = (await server.ask("status", {})) as { accounts: number };
  assert.equal(status.accounts, 1, "the probe's account is in no list");
});

test("a mailbox that cannot be written makes the server unhealthy and names the step", async (t) => {
  if (!needs(t, "knotd", "swaks")) return;
  const broken = async (mail: string) => {
    await mkdir(`${mail}/mailkeep.invalid`, { recursive: true });
    await writeFile(`${mail}/mailkeep.invalid/probe`, "a file where a Maildir should be");
  };
  const server = await runningServer(t, {
    zones: { "green.test": zone("") },
    protocols: ["submissions", "imaps"],
    prepare: ({ mail }) => broken(mail),
    probes: true,
  });
  const health = (await server.ask("health", {})) as Health;
  assert.equal(health.state, "unhealthy");
  assert.match(health.reasons.join("\n"), /^submission: /m);
});
