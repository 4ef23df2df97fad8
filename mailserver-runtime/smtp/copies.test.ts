import assert from "node:assert/strict";
import { test } from "node:test";
import { snapshotOf } from "../routing/snapshot-for-tests.ts";
import type { SettingsInput } from "../settings/schema.ts";
import { StoreError } from "../store/mail-store.ts";
import { Dialogue, greeted, smtpServer } from "./testing.ts";

/** The fixture's server with rules for copies. */
async function copying(t: Parameters<typeof smtpServer>[0], copies: SettingsInput["copies"]) {
  const snapshot = snapshotOf({
    domains: ["example.org", "example.net"],
    hostname: "mail.example.org",
    accounts: ["ann@example.org", "bob@example.org"],
    copies,
  });
  return smtpServer(t, { snapshot: () => snapshot });
}
async function send(
  t: Parameters<typeof smtpServer>[0],
  port: number,
  from: string,
  ...to: string[]
): Promise<string> {
  const client = await greeted(t, port);
  await client.all(`MAIL FROM:<${from}>`, ...to.map((one) => `RCPT TO:<${one}>`), "DATA");
  client.send("Subject: x\r\n\r\nhello\r\n.\r\n");
  return client.hear();
}

test("a journal's copy is stored with the envelope above its header, once, beside the recipients'", async (t) => {
  const server = await copying(t, [{ to: "bob@example.org" }]);
  assert.match(await send(t, server.port, "eve@far.test", "ann@example.org"), /^250/);
  const [ann, bob] = server.stored;
  assert.deepEqual([ann?.account, bob?.account], ["ann@example.org", "bob@example.org"]);
  assert.match(
    bob?.prefix ?? "",
    /^Return-Path: <eve@far\.test>\r\nX-Envelope-From: <eve@far\.test>\r\nX-Envelope-To: <ann@example\.org>\r\nReceived/,
  );
  assert.doesNotMatch(ann?.prefix ?? "", /X-Envelope/);
  assert.match(await send(t, server.port, "eve@far.test", "bob@example.org"), /^250/);
  assert.equal(server.stored.length, 3, "who gets the message anyway gets no copy of it");
});

test("a copy for another host leaves as the postmaster's, asks for no report, and is queued before the 250", async (t) => {
  const server = await copying(t, [{ sender: "@far.test", to: "archive@away.test" }]);
  assert.match(await send(t, server.port, "eve@far.test", "ann@example.org"), /^250/);
  assert.deepEqual(server.queued[0]?.envelope.recipients, [
    { address: "archive@away.test", notify: ["NEVER"] },
  ]);
  assert.equal(server.queued[0]?.envelope.from, "postmaster@example.org");
  assert.match(server.queued[0]?.prefix ?? "", /^X-Envelope-From: <eve@far\.test>/);
  assert.match(await send(t, server.port, "", "ann@example.org"), /^250/);
  assert.equal(server.queued.length, 1, "the null sender is no sender of far.test");
});

test("without its copy a message is not acknowledged, and with it a store's failure is not the sender's matter", async (t) => {
  const server = await copying(t, [{ to: "archive@away.test" }, { to: "bob@example.org" }]);
  server.failures.set("queue archive@away.test", new Error("disk"));
  assert.match(await send(t, server.port, "eve@far.test", "ann@example.org"), /^4/);
  assert.equal(server.stored.length, 0);
  server.failures.clear();
  server.failures.set("bob@example.org", new StoreError("unavailable", "broken"));
  assert.match(await send(t, server.port, "eve@far.test", "ann@example.org"), /^250/);
  assert.deepEqual(server.queued.at(-1)?.envelope.recipients, [
    { address: "bob@example.org", notify: ["NEVER"] },
  ]);
  assert.match(
    server.queued.at(-1)?.prefix ?? "",
    /^X-Envelope-From: <eve@far\.test>/,
    "and it stays a copy",
  );
});

test("a copy that leads nowhere is told in the log and keeps no mail from its recipients", async (t) => {
  const server = await copying(t, [{ to: "nobody@example.org" }]);
  assert.match(await send(t, server.port, "eve@far.test", "ann@example.org"), /^250/);
  assert.equal(server.stored.length, 1);
  assert.ok(server.logged.some(({ event }) => event === "copy-refused"));
});

test("LMTP answers nobody with 250 while a copy is not safe (RFC 2033 §4.2)", async (t) => {
  const snapshot = snapshotOf({
    domains: ["example.org"],
    accounts: ["ann@example.org", "bob@example.org"],
    copies: [{ to: "archive@away.test" }, { to: "full@example.org" }],
  });
  const server = await smtpServer(t, { mode: "lmtp", snapshot: () => snapshot });
  const deliver = async () => {
    const client = await Dialogue.open(t, server.port);
    await client.hear();
    await client.all("LHLO client.test", "MAIL FROM:<eve@far.test>");
    await client.all("RCPT TO:<ann@example.org>", "RCPT TO:<bob@example.org>", "DATA");
    client.send("Subject: x\r\n\r\nhello\r\n.\r\n");
    return [await client.hear(), await client.hear()].map((answer) => answer.slice(0, 3));
  };
  server.failures.set("queue archive@away.test", new Error("disk"));
  assert.deepEqual(await deliver(), ["451", "451"]);
  assert.equal(server.stored.length, 0);
  server.failures.clear();
  server.failures.set("full@example.org", new StoreError("unavailable", "broken"));
  assert.deepEqual(await deliver(), ["250", "250"]);
  assert.deepEqual(
    server.queued.map(({ envelope }) => envelope.recipients[0]?.address),
    ["archive@away.test", "full@example.org"],
  );
});
