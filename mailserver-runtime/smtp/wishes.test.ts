/** What a sender may ask for a message's way: FUTURERELEASE (RFC 4865), REQUIRETLS and TLS-Required (RFC 8689). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { needs, run } from "../../test/support/tools.ts";
import { letter, submission, submit } from "./submission-for-tests.ts";
import { Dialogue, greeted, smtpServer } from "./testing.ts";

const now = Date.parse("2026-05-01T12:00:00Z");

test("FUTURERELEASE is offered to users inside TLS with its longest time and date (RFC 4865 §3)", async (t) => {
  const { hello } = await submission(t, { now: () => now });
  assert.match(hello, /\n250-FUTURERELEASE 2592000 2026-05-31T12:00:00Z\n/);
  const off = await submission(t, { settings: { submission: { futureReleaseSeconds: 0 } } });
  assert.doesNotMatch(off.hello, /FUTURERELEASE/);
  assert.match(await off.dialogue.say("MAIL FROM:<ann@example.org> HOLDFOR=10"), /^5/);
  const mx = await greeted(t, (await smtpServer(t)).port);
  assert.match(await mx.say("MAIL FROM:<x@y.test> HOLDFOR=10"), /^555 5\.5\.4/);
});

test("one hold within the limit is taken, anything else is refused (RFC 4865 §4)", async (t) => {
  const { dialogue } = await submission(t, {
    user: "ann@example.org",
    now: () => now,
    limits: { errors: 100, errorDelayMs: 0 },
  });
  for (const [parameters, hear] of [
    ["HOLDFOR=1", /^250/],
    ["HOLDFOR=2592000", /^250/],
    ["holduntil=2026-05-01t12:00:01z", /^250/],
    ["HOLDUNTIL=2026-05-02T01:00:00.5+02:00", /^250/],
    ["HOLDUNTIL=2026-05-01T11:59:58Z", /^250/],
    ["HOLDFOR=2592001", /^501 5\.5\.4/],
    ["HOLDFOR=0", /^501/],
    ["HOLDFOR=-1", /^501/],
    ["HOLDFOR=1.5", /^501/],
    ["HOLDFOR=9999999999", /^501/],
    ["HOLDFOR", /^501/],
    ["HOLDUNTIL=2026-06-30T12:00:00Z", /^501/],
    ["HOLDUNTIL=2020-01-01T00:00:00Z", /^501/],
    ["HOLDUNTIL=2026-05-02T00:00:00", /^501/],
    ["HOLDUNTIL=2026-13-41T00:00:00Z", /^501/],
    ["HOLDUNTIL=tomorrow", /^501/],
    ["HOLDFOR=10 HOLDUNTIL=2026-05-02T00:00:00Z", /^501/],
  ] as const) {
    assert.match(await dialogue.say(`MAIL FROM:<ann@example.org> ${parameters}`), hear, parameters);
    await dialogue.say("RSET");
  }
});

test("a message that is to leave later waits in the queue for all its recipients, local ones too", async (t) => {
  const { server, dialogue } = await submission(t, { user: "ann@example.org", now: () => now });
  const to = ["sales@example.org", "x@y.test"];
  assert.match(await submit(dialogue, to, letter, "ann@example.org", " HOLDFOR=3600"), /^250/);
  assert.deepEqual(server.stored, []);
  const { holdUntil, heldBecause, envelope } = server.queued[0]!.submission;
  assert.equal(holdUntil, now + 3_600_000);
  assert.equal(envelope.releaseRequest, "for;3600", "as reports repeat it (RFC 4865 §6)");
  assert.match(heldBecause ?? "", /its sender wants it sent at 2026-05-01T13:00:00/);
  assert.deepEqual(
    envelope.recipients.map(({ address }) => address),
    ["ann@example.org", "bob@example.org", "x@y.test"],
  );
});

test("REQUIRETLS is offered and taken inside TLS only, by users and between servers, and goes along (RFC 8689 §4)", async (t) => {
  const clear = await greeted(t, (await smtpServer(t)).port);
  assert.doesNotMatch(await clear.say("EHLO again.test"), /REQUIRETLS/);
  assert.match(await clear.say("MAIL FROM:<x@y.test> REQUIRETLS"), /^530 5\.7\.10/);
  const lmtp = await Dialogue.open(t, (await smtpServer(t, { mode: "lmtp" })).port);
  await lmtp.hear();
  assert.doesNotMatch(await lmtp.say("LHLO front.test"), /REQUIRETLS/);

  const server = await smtpServer(t, { implicitTls: true });
  const socket = tlsConnect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
  t.after(() => socket.destroy());
  const mx = new Dialogue(socket);
  await mx.hear();
  assert.match(await mx.say("EHLO client.test"), /\n250.REQUIRETLS/);
  assert.match(await mx.say("MAIL FROM:<x@y.test> REQUIRETLS=yes"), /^501/);
  await mx.all("MAIL FROM:<x@y.test> requiretls", "RCPT TO:<both@example.org>", "DATA");
  assert.match(await mx.say("TLS-Required: No\r\nSubject: x\r\n\r\ny\r\n."), /^250/);
  assert.equal(server.stored.length, 1, "what ends here has kept its promise");
  assert.deepEqual(
    [server.queued[0]?.envelope.requireTls, server.queued[0]?.envelope.tlsOptional],
    [true, undefined],
    "REQUIRETLS overrules the header field",
  );

  const user = await submission(t, { user: "ann@example.org" });
  assert.match(await submit(user.dialogue, ["x@y.test"], letter, "ann@example.org", " REQUIRETLS"), /^250/);
  assert.equal(user.server.queued[0]?.envelope.requireTls, true);
});

test("TLS-Required: No tells the queue to prefer arrival, and stays in the message (RFC 8689 §3)", async (t) => {
  const { server, dialogue } = await submission(t, { user: "ann@example.org" });
  for (const [field, expected] of [
    ["TLS-Required: No", true],
    ["tls-required:\r\n no", true],
    ["TLS-Required: Yes", undefined],
    ["X-TLS-Required: No", undefined],
  ] as const) {
    assert.match(await submit(dialogue, ["x@y.test"], `${field}\r\n${letter}`), /^250/);
    const sent = server.queued.at(-1)!;
    assert.deepEqual([sent.envelope.tlsOptional, sent.envelope.requireTls], [expected, undefined], field);
    assert.ok(sent.content.startsWith(field));
  }
});

/** smtplib says MAIL parameters as they are given; swaks and curl have no option for these. */
const client = `
import smtplib, ssl, sys
tls = ssl._create_unverified_context()
with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), local_hostname="laptop.local") as s:
    s.starttls(context=tls)
    s.login("ann@example.org", "secret")
    assert s.has_extn("FUTURERELEASE") and s.has_extn("REQUIRETLS"), s.esmtp_features
    s.sendmail("ann@example.org", ["bob@example.org"], sys.stdin.buffer.read(), ["HOLDFOR=60", "REQUIRETLS"])
`;
test("Python's smtplib asks for a later release and for TLS on the whole way", async (t) => {
  if (!needs(t, "python3")) return;
  const server = await smtpServer(t, { mode: "submission" });
  const { code, stderr } = await run("python3", ["-c", client, String(server.port)], { input: letter });
  assert.equal(code, 0, stderr);
  assert.equal(server.queued[0]?.envelope.requireTls, true);
  assert.ok((server.queued[0]?.submission.holdUntil ?? 0) > Date.now());
});
