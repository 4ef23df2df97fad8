import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { InboundFilter, InboundMessage, Signer, Verdict } from "../filter/pipeline.ts";
import { QueueError } from "../queue/spool.ts";
import { StoreError } from "../store/mail-store.ts";
import { type FixtureOptions, greeted, smtpServer } from "./testing.ts";

/** A filter that answers the same always and remembers what it saw. */
function filter(verdict: Partial<Verdict>, seen: InboundMessage[] = []): InboundFilter {
  return {
    async inspect(message) {
      seen.push(message);
      return {
        findings: [],
        score: 0,
        authenticationResults: [],
        action: { kind: "accept" },
        times: {},
        ...verdict,
      };
    },
  };
}
/** Sends one message and gives the reply to it. */
async function send(
  t: TestContext,
  recipients: readonly string[],
  message: string,
  options: FixtureOptions & {
    readonly prepare?: (server: Awaited<ReturnType<typeof smtpServer>>) => void;
  } = {},
) {
  const { prepare, ...fixture } = options;
  const server = await smtpServer(t, fixture);
  prepare?.(server);
  const dialogue = await greeted(t, server.port);
  await dialogue.say("MAIL FROM:<x@y.test> SMTPUTF8");
  for (const recipient of recipients) assert.match(await dialogue.say(`RCPT TO:<${recipient}>`), /^250/);
  await dialogue.say("DATA");
  dialogue.send(`${message}.\r\n`);
  return { server, answer: await dialogue.hear(), dialogue };
}
const small = "From: x@y.test\r\nSubject: hi\r\n\r\nbody\r\n";

test("the filter sees the message as it came, and its results stand above Received (RFC 8601 §4)", async (t) => {
  const seen: InboundMessage[] = [];
  const authenticationResults = ["spf=pass smtp.mailfrom=y.test", "dkim=none"];
  const findings = [{ check: "spf", symbol: "R_SPF_ALLOW", score: -0.2, reason: "pass" }];
  const { server, answer } = await send(t, ["ann@example.org"], small, {
    filter: filter(
      {
        authenticationResults,
        findings,
        score: -0.2,
        headers: [{ name: "X-Spam-Status", value: "No, score=-0.2" }],
      },
      seen,
    ),
  });
  assert.match(answer, /^250/);
  const [message] = seen;
  assert.equal(message?.content.buffer?.toString(), small);
  assert.deepEqual(
    [message?.helo, message?.from, message?.recipients, message?.client.address, message?.client.secure],
    ["client.test", "x@y.test", ["ann@example.org"], "127.0.0.1", false],
  );
  assert.match(
    server.stored[0]!.prefix,
    /^Return-Path: <x@y\.test>\r\nAuthentication-Results: mail\.example\.org;\r\n\tspf=pass smtp\.mailfrom=y\.test;\r\n\tdkim=none\r\nX-Spam-Status: No, score=-0\.2\r\nReceived: from client\.test /,
  );
});

const junkVerdict: Partial<Verdict> = {
  score: 9,
  findings: [{ check: "rules", symbol: "BAD", score: 9, reason: "bad words" }],
  headers: [{ name: "X-Spam-Flag", value: "YES" }],
  action: { kind: "junk", reason: "high score" },
};

test("junk goes to the Junk mailbox with the filter's fields, and its forward to the quarantine (D8)", async (t) => {
  const junk = filter(junkVerdict);
  const { server, answer } = await send(t, ["both@example.org"], small, { filter: junk });
  assert.match(answer, /^250/);
  assert.deepEqual(
    server.stored.map(({ account, mailbox, flags }) => [account, mailbox, flags]),
    [["ann@example.org", "Junk", []]],
  );
  assert.match(server.stored[0]!.prefix, /\r\nX-Spam-Flag: YES\r\n/);
  assert.deepEqual(server.queued, []);
  const [kept] = await server.quarantine.list();
  assert.deepEqual(
    [kept?.from, kept?.recipients, kept?.subject, kept?.score, kept?.findings[0]?.reason],
    [
      "x@y.test",
      [{ kind: "forward", address: "both@elsewhere.test", original: "both@example.org" }],
      "hi",
      9,
      "bad words",
    ],
  );
  const only = await send(t, ["away@example.org"], small, { filter: junk });
  assert.match(only.answer, /^550 5\.7\.1/);
  assert.deepEqual(await only.server.quarantine.list(), []);
});

test("spam goes to INBOX, as read, with its subject marked, where the settings say so", async (t) => {
  const settings = { filter: { moveToJunk: false, markAsRead: true, subjectPrefix: "***SPAM*** " } };
  const { server } = await send(t, ["ann@example.org", "both@example.org"], small, {
    filter: filter(junkVerdict),
    settings,
  });
  const { mailbox, flags, prefix, content } = server.stored[0]!;
  assert.deepEqual([mailbox, flags], ["INBOX", ["\\Seen"]]);
  assert.equal(`${prefix}${content}`.match(/^Subject: .*$/gm)?.join(), "Subject: ***SPAM*** hi");
  const [kept] = await server.quarantine.list();
  const detained = await server.quarantine.content(kept!);
  assert.match(detained.buffer!.toString(), /^Subject: hi\r$/m);
});

test("who refuses what others accept has it in the quarantine, and the client hears 250 (D8)", async (t) => {
  const no = { kind: "reject", code: 550, status: "5.7.1", text: "Not wanted" } as const;
  const each = [
    { action: { kind: "accept" }, headers: [] },
    { action: no, headers: [] },
  ] as const;
  const mixed = await send(t, ["ann@example.org", "bob@example.org"], small, { filter: filter({ each }) });
  assert.match(mixed.answer, /^250/);
  assert.deepEqual(
    mixed.server.stored.map(({ account }) => account),
    ["ann@example.org"],
  );
  const [kept] = await mixed.server.quarantine.list();
  assert.deepEqual(kept?.recipients, [
    { kind: "account", address: "bob@example.org", original: "bob@example.org" },
  ]);
  const all = await send(t, ["ann@example.org", "bob@example.org"], small, {
    filter: filter({ each: [each[1], each[1]] }),
  });
  assert.match(all.answer, /^550 5\.7\.1 Not wanted/);
  assert.deepEqual(all.server.stored, []);
});

test("a full quarantine puts its mail off, and nothing of the message is delivered", async (t) => {
  const { server, answer } = await send(t, ["both@example.org"], small, {
    filter: filter(junkVerdict),
    settings: { quarantine: { maxBytes: 10 } },
  });
  assert.match(answer, /^452 4\.3\.1/);
  assert.deepEqual(server.stored, []);
});

test("a sender's own X-Spam fields are left out where the filter writes its own", async (t) => {
  const forged = `X-Spam-Status: No, score=-100\r\n${small}`;
  const judged = filter({ headers: [{ name: "X-Spam-Status", value: "No, score=0.0" }] });
  const { server } = await send(t, ["ann@example.org"], forged, { filter: judged });
  const { prefix, content } = server.stored[0]!;
  assert.match(prefix, /X-Spam-Status: No, score=0\.0\r\n/);
  assert.equal(content, small);
});

test("a rejecting and a tempfailing verdict keep their codes, nothing is stored, and the log says why", async (t) => {
  const findings = [{ check: "dmarc", symbol: "DMARC_REJECT", score: 10, reason: "p=reject" }];
  const reject = { kind: "reject", code: 550, status: "5.7.26", text: "DMARC says no" } as const;
  const refused = await send(t, ["ann@example.org"], small, { filter: filter({ findings, action: reject }) });
  assert.equal(refused.answer, "550 5.7.26 DMARC says no");
  assert.deepEqual(refused.server.stored, []);
  const line = refused.server.logged.find(({ event }) => event === "refused");
  assert.deepEqual([line?.stage, line?.status, line?.findings], ["DATA", "5.7.26", ["DMARC_REJECT"]]);
  const tempfail = { kind: "tempfail", code: 451, status: "4.7.1", text: "Come again" } as const;
  const later = await send(t, ["ann@example.org"], small, { filter: filter({ action: tempfail }) });
  assert.equal(later.answer, "451 4.7.1 Come again");
});

test("results forged in our name are left out, those of others stay (RFC 8601 §5)", async (t) => {
  const forged = [
    "Authentication-Results: mail.example.org; spf=pass\r\n",
    "Authentication-Results: (a \\) (nested) comment) MAIL.Example.ORG\r\n 1; dkim=pass\r\n",
    'authentication-results : "mail.example.org"; dkim=pass\r\n',
  ];
  const kept =
    "Authentication-Results: other.test; spf=fail\r\nAuthentication-Results: mail.example.org.evil.test; x=y\r\n";
  const { server } = await send(
    t,
    ["ann@example.org"],
    `${forged[0]}${kept}${forged[1]}Subject: x\r\n${forged[2]}\r\nAuthentication-Results: mail.example.org; body\r\n`,
  );
  assert.equal(
    server.stored[0]?.content,
    `${kept}Subject: x\r\n\r\nAuthentication-Results: mail.example.org; body\r\n`,
  );
});

test("a large message with forged results is stored without them too", async (t) => {
  const body = `${"z".repeat(70)}\r\n`.repeat(8000);
  const { server } = await send(
    t,
    ["ann@example.org", "bob@example.org"],
    `A: b\r\nAuthentication-Results: mail.example.org; spf=pass\r\nC: d\r\n\r\n${body}`,
  );
  assert.deepEqual(
    server.stored.map(({ content }) => content === `A: b\r\nC: d\r\n\r\n${body}`),
    [true, true],
  );
});

test("a message without a header section does not run into ours", async (t) => {
  for (const body of ["no field here\r\n", " Subject: folded\r\n", "\r\nbody\r\n"]) {
    const { server } = await send(t, ["ann@example.org"], body);
    const { prefix, content } = server.stored[0]!;
    assert.equal(content, body);
    assert.match(`${prefix}${content}`, /\+0000\r\n\r\n[^\r]/, JSON.stringify(body));
  }
});

test("a message that has passed a hundred servers is in a loop (RFC 5321 §6.3)", async (t) => {
  const { answer } = await send(t, ["ann@example.org"], `${"Received: by x\r\n".repeat(101)}\r\nx\r\n`);
  assert.match(answer, /^554 5\.4\.6/);
  const fine = await send(t, ["ann@example.org"], `${"Received: by x\r\n".repeat(100)}\r\nx\r\n`);
  assert.match(fine.answer, /^250/);
});

test("a header section without end is refused, not held in memory", async (t) => {
  const { answer, server } = await send(
    t,
    ["ann@example.org"],
    `${`X-Long: ${"h".repeat(900)}\r\n`.repeat(1300)}\r\nx\r\n`,
  );
  assert.match(answer, /^552 5\.3\.4/);
  assert.deepEqual(server.stored, []);
});

const unavailable = new StoreError("unavailable", "the mail volume is not mounted");

test("when no copy can be stored the client keeps the message, and hears why (D8)", async (t) => {
  for (const [error, hear] of [
    [unavailable, /^451 4\.3\.0/],
    [new StoreError("no-space", "the volume is full"), /^452 4\.3\.1/],
    [new StoreError("over-quota", "ann is over quota"), /^552 5\.2\.2/],
  ] as const) {
    const { answer, server } = await send(t, ["ann@example.org"], small, {
      prepare: ({ failures }) => failures.set("ann@example.org", error),
    });
    assert.match(answer, hear);
    assert.deepEqual([server.stored, server.queued], [[], []]);
  }
});

test("a copy that fails beside one that was stored is queued from the same bytes (D8)", async (t) => {
  const { answer, server } = await send(t, ["sales@example.org"], small, {
    prepare: ({ failures }) => failures.set("bob@example.org", unavailable),
  });
  assert.match(answer, /^250/);
  assert.deepEqual(
    server.stored.map(({ account }) => account),
    ["ann@example.org"],
  );
  assert.deepEqual(
    server.queued.map(({ envelope, content }) => [
      envelope.recipients.map(({ address }) => address),
      content,
    ]),
    [[["bob@example.org"], small]],
  );
});

test("a forward leaves under the rewritten reverse-path, a requeued local copy under its own (SRS)", async (t) => {
  const { answer, server } = await send(t, ["sales@example.org", "away@example.org"], small, {
    forwardSender: (_, from) => `srs0=${from.replace("@", "=")}@example.org`,
    prepare: ({ failures }) => failures.set("bob@example.org", unavailable),
  });
  assert.match(answer, /^250/);
  assert.match(server.stored[0]!.prefix, /^Return-Path: <x@y\.test>/);
  assert.deepEqual(
    server.queued.map(({ envelope }) => [envelope.from, envelope.recipients.map(({ address }) => address)]),
    [
      ["srs0=x=y.test@example.org", ["away@elsewhere.test"]],
      ["x@y.test", ["bob@example.org"]],
    ],
  );
});

test("when a failed copy cannot be queued either, the queued part is withdrawn and the client keeps the message (D8)", async (t) => {
  const { answer, server } = await send(t, ["both@example.org"], small, {
    prepare: ({ failures }) => {
      failures.set("ann@example.org", unavailable);
      failures.set("queue ann@example.org", new QueueError("disk full", "full"));
    },
  });
  assert.match(answer, /^452 4\.3\.1/);
  assert.deepEqual(server.withdrawn, ["Q1"]);
  assert.deepEqual(server.stored, []);
});

test("when the queue fails first, nothing has been delivered", async (t) => {
  const { answer, server } = await send(t, ["both@example.org"], small, {
    prepare: ({ failures }) => failures.set("queue", new Error("broken")),
  });
  assert.match(answer, /^451 4\.3\.0/);
  assert.deepEqual(server.stored, []);
});

test("a mistake in another room costs the message a 451, not the session", async (t) => {
  const broken: InboundFilter = { inspect: () => Promise.reject(new TypeError("a mistake")) };
  const { answer, dialogue, server } = await send(t, ["ann@example.org"], small, { filter: broken });
  assert.match(answer, /^451 4\.3\.0/);
  assert.match(await dialogue.say("NOOP"), /^250/);
  assert.ok(server.logged.some(({ event }) => event === "message-failed"));
});

test("an internationalised transaction says so in Received (RFC 6531 §4.3)", async (t) => {
  const { server } = await send(t, ["jörg@example.org"], small);
  assert.match(server.stored[0]!.prefix, /with UTF8SMTP\r\n\t.*\r\n\tfor <jörg@example\.org>/);
});

test("a client that PERMIT_DOCKER names may relay at port 25 without a login, and no other (DESIGN D9)", async (t) => {
  const open = await smtpServer(t, { trusts: (address) => address === "127.0.0.1" });
  const trusted = await greeted(t, open.port);
  assert.match((await trusted.all("MAIL FROM:<ann@example.org>", "RCPT TO:<x@far.test>"))[1] ?? "", /^250/);
  const closed = await smtpServer(t, { trusts: () => false });
  const other = await greeted(t, closed.port);
  assert.match((await other.all("MAIL FROM:<ann@example.org>", "RCPT TO:<x@far.test>"))[1] ?? "", /5\.7\.1/);
});

test("forwards keep what the client asked about delivery status (RFC 3461)", async (t) => {
  const server = await smtpServer(t);
  const dialogue = await greeted(t, server.port);
  await dialogue.all(
    "MAIL FROM:<x@y.test> RET=HDRS ENVID=e1 BODY=8BITMIME",
    "RCPT TO:<away@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;away@example.org",
    "DATA",
  );
  assert.match(await dialogue.say(`${small}.`), /^250/);
  assert.deepEqual(server.queued[0]?.envelope, {
    from: "x@y.test",
    recipients: [
      { address: "away@elsewhere.test", notify: ["SUCCESS", "FAILURE"], orcpt: "rfc822;away@example.org" },
    ],
    ret: "HDRS",
    envid: "e1",
    smtpUtf8: undefined,
    body: "8BITMIME",
  });
});

test("what a trusted network sends (PERMIT_DOCKER) is signed for its author's domain, as docker-mailserver does", async (t) => {
  const asked: string[] = [];
  const signer: Signer = {
    async sign(domain, prefix) {
      asked.push(`${domain} ${prefix.toString().startsWith("Received: from")}`);
      return Buffer.from(`DKIM-Signature: d=${domain}\r\n`);
    },
  };
  for (const trusted of [true, false]) {
    const server = await smtpServer(t, { signer, trusts: () => trusted });
    const dialogue = await greeted(t, server.port);
    await dialogue.all("MAIL FROM:<app@example.org>", "RCPT TO:<both@example.org>", "DATA");
    assert.match(await dialogue.say("From: App <app@example.org>\r\nSubject: x\r\n\r\ny\r\n."), /^250/);
    const expected = trusted ? /DKIM-Signature: d=example\.org\r\nReceived: / : /^(?!DKIM)/;
    assert.match(server.queued[0]!.prefix, expected);
    assert.match(server.stored[0]!.prefix.replace(/^Return-Path: .*\r\n/, ""), expected);
  }
  assert.deepEqual(asked, ["example.org true"]);
});
