/** Servers and load balancers of others in front of ours: Postfix and Exim as senders over TLS, PROXY headers as swaks and curl write them. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startExim } from "../../test/support/exim.ts";
import { skipWithoutPostfix, startPostfix } from "../../test/support/postfix.ts";
import { needs, run } from "../../test/support/tools.ts";
import type { QueueSubmission } from "../queue/queue.ts";
import { type FixtureOptions, smtpServer } from "./testing.ts";

test("Postfix sends over TLS, pipelined, with 8-bit and UTF-8, and asks for success reports", {
  skip: skipWithoutPostfix,
}, async (t) => {
  const told: QueueSubmission[] = [];
  const server = await smtpServer(t, { reenter: async (report) => told.push(report) });
  const postfix = await startPostfix(t, {
    parameters: {
      relayhost: `[127.0.0.1]:${server.port}`,
      smtp_tls_security_level: "encrypt",
      smtputf8_enable: "yes",
    },
  });
  const body = `.\n..\nümlaut\n${"long ".repeat(180)}\n${".x\n".repeat(500)}`;
  postfix.send("x@y.test", ["ann@example.org", "nobody@example.org"], `Subject: from Postfix\n\n${body}`, [
    ...["-N", "success,failure", "-V", "envelope7"],
  ]);
  await postfix.logged(/to=<ann@example\.org>.*dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as/);
  await postfix.logged(/to=<nobody@example\.org>.*dsn=5\.1\.1, status=bounced/);
  postfix.send("x@y.test", ["jörg@example.org"], "Subject: Grüße\n\nhello\n", ["-O", "SMTPUTF8=yes"]);
  await postfix.logged(/to=<j.*rg@example\.org>.*status=sent/);
  const [first, second] = server.stored;
  assert.match(first!.prefix, /with ESMTPS\r\n\t\(TLSv1\.3 /);
  assert.equal(
    first!.content.slice(first!.content.indexOf("\r\n\r\n") + 4),
    Buffer.from(body.replaceAll("\n", "\r\n")).toString("latin1"),
  );
  assert.equal(second?.account, "bob@example.org");
  assert.match(
    told[0]!.content.buffer!.toString(),
    /Original-Envelope-Id: envelope7\r\n[\s\S]*Action: delivered/,
  );
});

test("Exim sends over TLS and by BDAT, and hears each recipient's answer", async (t) => {
  const server = await smtpServer(t);
  const exim = await startExim(t, { smarthost: server.port });
  if (exim === undefined) return;
  const body = `.\n..\nümlaut\n${".x\n".repeat(20_000)}`;
  const { code, stderr } = await exim.send(
    "x@y.test",
    ["ann@example.org", "away@example.org", "nobody@example.org"],
    `Subject: from Exim\n\n${body}`,
  );
  assert.equal(code, 0, stderr);
  assert.match(stderr, /SMTP.> BDAT \d+ LAST/);
  assert.match(stderr, /550 5\.1\.1/);
  const { prefix, content } = server.stored[0]!;
  assert.match(prefix, /with ESMTPS\r\n\t\(TLSv1\.3 /);
  assert.ok(content.endsWith(Buffer.from(body.replaceAll("\n", "\r\n")).toString("latin1")));
  assert.equal(server.queued[0]?.content, content);
});

const letter = "From: ann@example.org\r\nSubject: x\r\n\r\nbody\r\n";
const rows: readonly [name: string, tls: FixtureOptions["implicitTls"], swaks: readonly string[]][] = [
  ["plain", false, []],
  ["STARTTLS", false, ["--tls"]],
  ["implicit TLS", true, ["--tls-on-connect"]],
];
async function behindProxy(t: TestContext, implicitTls: boolean | undefined, trusted = "127.0.0.1") {
  return smtpServer(t, {
    implicitTls,
    listening: {
      listener: {
        protocol: implicitTls ? "submissions" : "smtp",
        address: "127.0.0.1",
        port: 0,
        proxyProtocol: [trusted],
      },
    },
  });
}
for (const [name, implicitTls, tls] of rows)
  for (const version of ["1", "2"])
    test(`swaks as a proxy, version ${version}, ${name}: the client is whom the header names`, async (t) => {
      if (!needs(t, "swaks")) return;
      const server = await behindProxy(t, implicitTls);
      const family = version === "1" ? "TCP4" : "AF_INET";
      const { code, stdout, stderr } = await run("swaks", [
        ...["--server", "127.0.0.1", "--port", String(server.port), "--ehlo", "client.test", ...tls],
        ...["--proxy-version", version, "--proxy-family", family],
        ...["--proxy-source", "192.0.2.55", "--proxy-source-port", "4711"],
        ...["--proxy-dest", "198.51.100.7", "--proxy-dest-port", "25"],
        ...["--from", "x@y.test", "--to", "ann@example.org"],
      ]);
      assert.equal(code, 0, stdout + stderr);
      assert.match(server.stored[0]!.prefix, /Received: from client\.test \(\[192\.0\.2\.55\]\)/);
      assert.ok(server.logged.some(({ event, client }) => event === "accepted" && client === "192.0.2.55"));
    });

for (const implicitTls of [false, true])
  test(`curl --haproxy-protocol, ${implicitTls ? "implicit TLS" : "STARTTLS"}: taken from a declared proxy only`, async (t) => {
    if (!needs(t, "curl")) return;
    const send = async (server: Awaited<ReturnType<typeof behindProxy>>, extra: readonly string[]) => {
      const file = join(server.spool, "letter");
      await writeFile(file, letter);
      return run("curl", [
        ...["--silent", "--show-error", "--insecure", "--ssl-reqd", "--max-time", "20", ...extra],
        ...["--url", `${implicitTls ? "smtps" : "smtp"}://127.0.0.1:${server.port}/client.test`],
        ...["--mail-from", "x@y.test", "--mail-rcpt", "ann@example.org", "--upload-file", file],
      ]);
    };
    const server = await behindProxy(t, implicitTls);
    const sent = await send(server, ["--haproxy-protocol"]);
    assert.equal(sent.code, 0, sent.stderr);
    assert.match(server.stored[0]!.prefix, /with ESMTPS\r/);
    assert.notEqual((await send(server, [])).code, 0, "a proxy that sends no header is not served");
    const stranger = await behindProxy(t, implicitTls, "192.0.2.1");
    assert.notEqual((await send(stranger, ["--haproxy-protocol"])).code, 0);
    assert.ok(stranger.logged.some(({ event }) => event === "proxy-refused"));
    assert.equal(server.stored.length + stranger.stored.length, 1);
  });
