import assert from "node:assert/strict";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import type { Signer } from "../filter/pipeline.ts";
import { letter, plain, submission, submit } from "./submission-for-tests.ts";
import { Dialogue, greeted, smtpServer } from "./testing.ts";

const signer: Signer = {
  sign: async (domain, prefix, content) =>
    Buffer.from(`DKIM-Signature: d=${domain}; over=${prefix.length + content.size}\r\n`),
};

test("AUTH is offered and taken only inside TLS, and never on port 25 (RFC 4954, RFC 8314)", async (t) => {
  const { hello } = await submission(t);
  assert.match(hello, /\n250 AUTH PLAIN LOGIN$/);
  assert.doesNotMatch(hello, /STARTTLS/);
  const clear = await greeted(t, (await smtpServer(t, { mode: "submission" })).port);
  assert.match(await clear.say(plain("ann@example.org")), /^538 5\.7\.11/);
  assert.match(await clear.say("MAIL FROM:<ann@example.org>"), /^530 5\.7\.0 Must issue a STARTTLS/);
  const mx = await greeted(t, (await smtpServer(t)).port);
  assert.match(await mx.say(plain("ann@example.org")), /^500 5\.5\.2/);
});

test("PLAIN and LOGIN log in with and without initial response, wrong ones are told apart by code (RFC 4954 §4, §6)", async (t) => {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const conversations: [string, string[], RegExp][] = [
    [plain("ann@example.org"), [], /^235 2\.7\.0/],
    ["AUTH PLAIN", [base64("\0ann@example.org\0secret")], /^235/],
    ["auth login", [base64("ann@example.org"), base64("secret")], /^235/],
    [`AUTH LOGIN ${base64("ann@example.org")}`, [base64("secret")], /^235/],
    [plain("ann@example.org", "wrong"), [], /^535 5\.7\.8/],
    [plain("gone@example.org"), [], /^535 5\.7\.13/],
    [plain("busy@example.org"), [], /^454 4\.7\.0/],
    [`AUTH PLAIN ${base64("bob@example.org\0ann@example.org\0secret")}`, [], /^535 5\.7\.8/],
    [`AUTH PLAIN ${base64("ann@example.org\0ann@example.org\0secret")}`, [], /^235/],
    ["AUTH PLAIN not-base64!", [], /^501 5\.5\.2/],
    ["AUTH PLAIN =", [], /^535/],
    ["AUTH LOGIN", ["*"], /^501 5\.7\.0/],
    ["AUTH CRAM-MD5", [], /^504 5\.5\.4/],
    ["AUTH", [], /^504/],
  ];
  for (const [command, responses, hear] of conversations) {
    const { dialogue } = await submission(t);
    let answer = await dialogue.say(command);
    for (const response of responses) {
      assert.match(answer, /^334/, command);
      answer = await dialogue.say(response);
    }
    assert.match(answer, hear, command);
  }
});

test("a session logs in once, outside a transaction, and three failures end it (RFC 4954 §4)", async (t) => {
  const { dialogue } = await submission(t);
  assert.match(await dialogue.say("MAIL FROM:<ann@example.org>"), /^530 5\.7\.0 Authentication required/);
  await dialogue.say(plain("ann@example.org"));
  assert.match(await dialogue.say(plain("ann@example.org")), /^503/);
  const guesser = (await submission(t)).dialogue;
  for (let count = 0; count < 3; count++)
    assert.match(await guesser.say(plain("ann@example.org", "no")), /^535/);
  assert.equal(await guesser.hear(), "closed");
});

test("a sender may use only addresses that reach them (SPOOF_PROTECTION), in the envelope and in From", async (t) => {
  const { server, dialogue } = await submission(t, { user: "ann@example.org" });
  for (const own of ["ann@example.org", "ANN@example.org", "ann+list@example.org", "sales@example.org", ""]) {
    assert.match(await dialogue.say(`MAIL FROM:<${own}>`), /^250/, own);
    await dialogue.say("RSET");
  }
  for (const foreign of ["bob@example.org", "away@example.org", "ann@elsewhere.test", "nobody@example.org"])
    assert.equal(
      await dialogue.say(`MAIL FROM:<${foreign}>`),
      `553 5.7.1 <${foreign}>: Sender address rejected: not owned by user ann@example.org`,
    );
  const spoofed = await submit(dialogue, ["x@y.test"], letter.replace("ann@example.org", "bob@example.org"));
  assert.match(spoofed, /^550 5\.7\.1 <bob@example\.org>: From address rejected/);
  for (const [name, message] of [
    ["none", letter.replace(/From.*\r\n/, "")],
    ["two", `From: ann@example.org\r\n${letter}`],
    ["no address", letter.replace("<ann@example.org>", "")],
  ] as const)
    assert.match(await submit(dialogue, ["x@y.test"], message), /^554 5\.6\.0/, name);
  assert.deepEqual([server.stored, server.queued], [[], []]);
});

test("without spoof protection a user may write any From, as DMS lets them by default", async (t) => {
  const settings = { submission: { spoofProtection: false } };
  const { dialogue, server } = await submission(t, { user: "ann@example.org", settings });
  assert.match(
    await submit(dialogue, ["x@y.test"], letter.replace("ann@", "bob@"), "bob@example.org"),
    /^250/,
  );
  assert.equal(server.queued.length, 1);
});

test("a submitted message is completed, freed of what tells about the user's device, signed and queued (RFC 6409 §8)", async (t) => {
  const { server, dialogue } = await submission(t, { user: "ann@example.org", signer });
  const telling =
    "Received: from [192.168.1.7] by laptop\r\n\tfor nobody\r\nUser-Agent: Program/1.0\r\nX-Mailer: P\r\nX-Originating-IP: [10.0.0.1]\r\nReturn-Path: <a@b>\r\n";
  const answer = await submit(dialogue, ["x@y.test", "z@y.test"], telling + letter);
  assert.match(answer, /^250 2\.0\.0 Ok: queued as Q1/);
  const [sent] = server.queued;
  assert.equal(sent?.content, letter);
  assert.match(
    sent!.prefix,
    /^DKIM-Signature: d=example\.org; over=\d+\r\nReceived: from \[127\.0\.0\.1\] \(localhost \[127\.0\.0\.1\]\)\r\n\tby mail\.example\.org with ESMTPSA\r\n\t\(TLSv1\.3 \S+\)\r\n\tid \S+;\r\n\t.+\r\nDate: .+ \+0000\r\nMessage-ID: <\S+@mail\.example\.org>\r\n$/,
  );
  assert.doesNotMatch(sent!.prefix, /laptop\.local/);
  assert.equal(sent?.envelope.from, "ann@example.org");
  const line = server.logged.find(({ event }) => event === "submitted");
  assert.deepEqual([line?.account, line?.queueId, line?.signed], ["ann@example.org", "Q1", true]);
});

test("Date and Message-ID of the client are kept", async (t) => {
  const { server, dialogue } = await submission(t, { user: "ann@example.org" });
  await submit(
    dialogue,
    ["x@y.test"],
    `Date: Mon, 1 Jan 2026 00:00:00 +0000\r\nMessage-Id: <1@x>\r\n${letter}`,
  );
  assert.doesNotMatch(server.queued[0]!.prefix, /Date:|Message-ID:/);
});

test("local recipients of submitted mail are stored at once, or queued where the server is told so", async (t) => {
  const at = await submission(t, { user: "ann@example.org", signer });
  assert.match(await submit(at.dialogue, ["sales@example.org", "x@y.test"], letter), /^250/);
  assert.deepEqual(
    at.server.stored.map(({ account }) => account),
    ["ann@example.org", "bob@example.org"],
  );
  assert.match(at.server.stored[0]!.prefix, /^Return-Path: <ann@example\.org>\r\nDKIM-Signature/);
  assert.deepEqual(
    at.server.queued[0]?.envelope.recipients.map(({ address }) => address),
    ["x@y.test"],
  );
  const asked: string[] = [];
  const around = await submission(t, {
    user: "ann@example.org",
    deliversDirectly: (senderDomain, route) => {
      asked.push(`${senderDomain} ${route.account}`);
      return route.account.endsWith(`@${senderDomain}`);
    },
  });
  assert.match(await submit(around.dialogue, ["bob@example.org", "carol@example.net"], letter), /^250/);
  assert.deepEqual(asked, ["example.org bob@example.org", "example.org carol@example.net"]);
  assert.deepEqual(
    around.server.stored.map(({ account }) => account),
    ["bob@example.org"],
  );
  assert.deepEqual(around.server.queued[0]?.envelope.recipients, [{ address: "carol@example.net" }]);
});

test("an alias of a recipient that goes through the MX is opened there, and not here as well", async (t) => {
  const { server, dialogue } = await submission(t, {
    user: "ann@example.org",
    deliversDirectly: () => false,
  });
  assert.match(await submit(dialogue, ["both@example.org", "sales@example.org"], letter), /^250/);
  assert.deepEqual(server.stored, []);
  assert.deepEqual(
    server.queued.flatMap(({ envelope }) => envelope.recipients.map(({ address }) => address)),
    ["both@example.org", "sales@example.org"],
  );
});

test("where signatures are required, a hosted domain without a key sends nothing", async (t) => {
  const settings = { submission: { requireSignature: true } };
  const unsigned: Signer = { sign: async () => Buffer.alloc(0) };
  const { server, dialogue } = await submission(t, { user: "ann@example.org", settings, signer: unsigned });
  assert.match(await submit(dialogue, ["x@y.test"], letter), /^554 5\.7\.20/);
  assert.deepEqual(server.queued, []);
});

test("STARTTLS makes the session forget what was said in the clear (RFC 3207 §4.2)", async (t) => {
  const server = await smtpServer(t, { mode: "submission" });
  const clear = await greeted(t, server.port);
  assert.match(await clear.say("STARTTLS now"), /^501/);
  assert.match(await clear.say("STARTTLS"), /^220 2\.0\.0/);
  clear.socket.removeAllListeners();
  const socket = tlsConnect({ socket: clear.socket, rejectUnauthorized: false });
  t.after(() => socket.destroy());
  const dialogue = new Dialogue(socket);
  assert.match(await dialogue.say(plain("ann@example.org")), /^503/);
  assert.match(await dialogue.say("EHLO laptop.local"), /AUTH PLAIN LOGIN/);
  assert.match(await dialogue.say("STARTTLS"), /^503/);
  assert.match(await dialogue.say(plain("ann@example.org")), /^235/);
  assert.match(await submit(dialogue, ["x@y.test"], letter), /^250/);
});

test("AUTH= in MAIL is taken where AUTH is offered (RFC 4954 §5)", async (t) => {
  const { dialogue } = await submission(t, { user: "ann@example.org" });
  assert.match(await dialogue.say("MAIL FROM:<ann@example.org> AUTH=<>"), /^250/);
});
