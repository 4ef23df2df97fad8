/** Dialogues over real sockets, as tables: what a client says and what it must hear. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Dialogue, type FixtureOptions, greeted, smtpServer } from "./testing.ts";

type Table = readonly (readonly [say: string, hear: RegExp])[];

/** Says each line after EHLO and compares the replies. */
async function talk(t: TestContext, table: Table, options: FixtureOptions = {}) {
  const server = await smtpServer(t, options);
  const dialogue = await greeted(t, server.port);
  for (const [say, hear] of table) assert.match(await dialogue.say(say), hear, say);
  return { server, dialogue };
}
const begin: Table = [
  ["MAIL FROM:<x@y.test>", /^250 2\.1\.0 /],
  ["RCPT TO:<ann@example.org>", /^250 2\.1\.5 /],
];

test("EHLO names the host and every extension, and STARTTLS and AUTH only where they may be used (RFC 5321 §4.1.1.1)", async (t) => {
  for (const mode of ["mx", "submission"] as const) {
    const server = await smtpServer(t, { mode });
    const dialogue = await Dialogue.open(t, server.port);
    assert.match(await dialogue.hear(), /^220 mail\.example\.org ESMTP/);
    const words = (await dialogue.say("EHLO client.test")).split("\n").map((line) => line.slice(4));
    assert.deepEqual(words, [
      "mail.example.org",
      "PIPELINING",
      "SIZE 10240000",
      "8BITMIME",
      "SMTPUTF8",
      "CHUNKING",
      "DSN",
      "ENHANCEDSTATUSCODES",
      "LIMITS MAILMAX=10000 RCPTMAX=1000",
      "STARTTLS",
    ]);
  }
});

test("commands out of order are refused and leave the session usable (RFC 5321 §4.1.4)", async (t) => {
  const server = await smtpServer(t);
  const dialogue = await Dialogue.open(t, server.port);
  await dialogue.hear();
  assert.match(await dialogue.say("MAIL FROM:<x@y.test>"), /^503 5\.5\.1/);
  assert.match(await dialogue.say("EHLO"), /^501/);
  assert.match(await dialogue.say("EHLO <bad>"), /^501/);
  assert.match(await dialogue.say("HELO client.test"), /^250 mail\.example\.org$/);
  assert.match(await dialogue.say("MAIL FROM:<x@y.test> SIZE=1"), /^555/);
  const table: Table = [
    ["EHLO [192.0.2.1]", /^250-/],
    ["RCPT TO:<ann@example.org>", /^503 5\.5\.1/],
    ["DATA", /^503 5\.5\.1/],
    ["MAIL FROM:<x@y.test>", /^250/],
    ["MAIL FROM:<x@y.test>", /^503 5\.5\.1/],
    ["DATA", /^503 5\.5\.1/],
    ["RCPT TO:<ann@example.org>", /^250/],
    ["RSET", /^250 2\.0\.0/],
    ["DATA", /^503/],
    ["NOOP anything", /^250/],
    ["VRFY ann", /^252 2\.1\.5/],
    ["EXPN list", /^500 5\.5\.2/],
    ["HELP", /^214/],
    ["QUIT now", /^501/],
    ["QUIT", /^221 2\.0\.0/],
  ];
  for (const [say, hear] of table) assert.match(await dialogue.say(say), hear, say);
  assert.equal(await dialogue.hear(), "closed");
});

test("MAIL takes its paths and parameters as the RFCs write them (RFC 5321 §4.1.2, 1870, 6152, 6531, 3461)", async (t) => {
  const table: Table = [
    ["<>", /^250/],
    ["<x@y.test>", /^250/],
    [" <x@y.test>", /^250/],
    ["<@relay.test,@other.test:x@y.test>", /^250/],
    ['<"quoted part"@y.test>', /^250/],
    ["<x@[192.0.2.1]>", /^250/],
    ["<x@y.test> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=abc+2Bd", /^250/],
    ["<x@y.test> size=100 body=7bit", /^250/],
    ["<jörg@y.test> SMTPUTF8", /^250/],
    ["<jörg@y.test>", /^553 5\.6\.7/],
    ["<x@y.test> SIZE=99999999999", /^552 5\.3\.4/],
    ["<x@y.test> SIZE=", /^501 5\.5\.4/],
    ["<x@y.test> SIZE=ten", /^501 5\.5\.4/],
    ["<x@y.test> SIZE=1 SIZE=2", /^501 5\.5\.4/],
    ["<x@y.test> BODY=BINARYMIME", /^501 5\.5\.4/],
    ["<x@y.test> RET=SOME", /^501 5\.5\.4/],
    ["<x@y.test> ENVID=a+0Ab", /^501 5\.5\.4/],
    ["<x@y.test> AUTH=<>", /^555 5\.5\.4/],
    ["<x@y.test> UNKNOWN=1", /^555 5\.5\.4/],
    ["<x@y.test> constructor", /^555 5\.5\.4/],
    ["<x@y.test>SIZE=1", /^501 5\.1\.7/],
    ["x@y.test", /^501 5\.1\.7/],
    ["<x@y@z>", /^501 5\.1\.7/],
    ["<x@y..test>", /^501 5\.1\.7/],
    ["<x@y.test", /^501 5\.1\.7/],
    ["<postmaster>", /^501 5\.1\.7/],
    ["<refused@spam.test>", /^554 5\.7\.1/],
  ];
  const server = await smtpServer(t, { limits: { errors: 100, errorDelayMs: 0 } });
  const dialogue = await greeted(t, server.port);
  for (const [path, hear] of table) {
    assert.match(await dialogue.say(`MAIL FROM:${path}`), hear, path);
    await dialogue.say("RSET");
  }
  assert.match(await dialogue.say("MAIL TO:<x@y.test>"), /^501 5\.5\.4/);
});

test("each recipient is decided at RCPT with its own code (RFC 3463, RFC 5321 §4.5.1)", async (t) => {
  const table: Table = [
    ["<ann@example.org>", /^250 2\.1\.5/],
    ["<ANN@EXAMPLE.ORG>", /^250 2\.1\.5/],
    ["<ann+news@example.org>", /^250 2\.1\.5/],
    ["<postmaster>", /^250 2\.1\.5/],
    ["<POSTMASTER>", /^250 2\.1\.5/],
    ["<away@example.org>", /^250 2\.1\.5/],
    ["<ann@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;ann+40example.org", /^250/],
    ["<bob@example.org> NOTIFY=NEVER", /^250/],
    ["<carol@example.net> NOTIFY=NEVER,SUCCESS", /^501 5\.5\.4/],
    ["<carol@example.net> NOTIFY=", /^501 5\.5\.4/],
    ["<carol@example.net> ORCPT=ann", /^501 5\.5\.4/],
    ["<nobody@example.org>", /^550 5\.1\.1/],
    ["<gone@example.org>", /^550 5\.2\.1/],
    ["<someone@elsewhere.test>", /^554 5\.7\.1 Relay access denied/],
    ["<ann%elsewhere.test@example.org>", /^550 5\.1\.1/],
    ["<jörg@example.org>", /^553 5\.6\.7/],
    ["<>", /^501 5\.1\.3/],
    ["<nodomain>", /^501 5\.1\.3/],
    ["ann@example.org", /^501 5\.1\.3/],
  ];
  const { dialogue } = await talk(t, [begin[0]!], { limits: { errors: 100, errorDelayMs: 0 } });
  for (const [path, hear] of table) assert.match(await dialogue.say(`RCPT TO:${path}`), hear, path);
});

test("a full mailbox is told at RCPT, unless another target of the address has room", async (t) => {
  const quotas = { "full@example.org": 1000, "ann@example.org": 1000, "bob@example.org": 1000 };
  const settings = { mailbox: { gracePercent: 0 } };
  const server = await smtpServer(t, { quotas, settings });
  server.usage.set("full@example.org", 1000).set("ann@example.org", 999);
  const dialogue = await greeted(t, server.port);
  const say = async (mail: string, rcpt: string) => {
    await dialogue.say("RSET");
    await dialogue.say(`MAIL FROM:<x@y.test>${mail}`);
    return dialogue.say(`RCPT TO:<${rcpt}@example.org>`);
  };
  assert.match(await say("", "full"), /^552 5\.2\.2/);
  assert.match(await say("", "ann"), /^250/);
  assert.match(await say(" SIZE=2", "ann"), /^552 5\.2\.2/);
  assert.match(await say(" SIZE=2", "sales"), /^250/);
  assert.match(await say(" SIZE=1001", "bob"), /^552 5\.2\.2/);
});

test("below its quota a mailbox takes one message more, up to a tenth beyond it, as Dovecot in DMS does", async (t) => {
  const server = await smtpServer(t, {
    quotas: { "ann@example.org": 1000, "bob@example.org": 1000 },
    settings: { mailbox: { whenFull: "defer" } },
  });
  server.usage.set("ann@example.org", 999).set("bob@example.org", 1000);
  const dialogue = await greeted(t, server.port);
  const say = async (size: number, rcpt: string) => {
    await dialogue.say("RSET");
    await dialogue.say(`MAIL FROM:<x@y.test> SIZE=${size}`);
    return dialogue.say(`RCPT TO:<${rcpt}@example.org>`);
  };
  assert.match(await say(101, "ann"), /^250/);
  assert.match(await say(102, "ann"), /^452 4\.2\.2/);
  assert.match(await say(1, "bob"), /^452 4\.2\.2/);
  assert.match(await say(1101, "bob"), /^552 5\.2\.2 Message is larger/);
});

test("where a domain has a ceiling it is held at RCPT, for accounts without a quota too", async (t) => {
  const server = await smtpServer(t, {
    settings: { mailbox: { domainSizeLimits: { "example.org": 1000 } } },
  });
  server.usage.set("ann@example.org", 400).set("bob@example.org", 500);
  const dialogue = await greeted(t, server.port);
  const say = async (size: number, rcpt: string) => {
    await dialogue.say("RSET");
    await dialogue.say(`MAIL FROM:<x@y.test> SIZE=${size}`);
    return dialogue.say(`RCPT TO:<${rcpt}>`);
  };
  assert.match(await say(100, "ann@example.org"), /^250/);
  assert.match(await say(101, "ann@example.org"), /^552 5\.2\.2 Mailbox is full/);
  assert.match(await say(1001, "ann@example.org"), /^552 5\.2\.2 Message is larger/);
  assert.match(await say(5000, "carol@example.net"), /^250/);
});

test("a message is stored with Return-Path, Authentication-Results and Received before its own bytes (RFC 5321 §4.4)", async (t) => {
  const { server, dialogue } = await talk(t, [...begin, ["DATA", /^354/]]);
  const message = "Subject: x\r\n\r\n..dot\r\n8bit \xfc\r\n";
  dialogue.send(Buffer.from(`Subject: x\r\n\r\n...dot\r\n8bit \xfc\r\n.\r\n`, "latin1"));
  const answer = await dialogue.hear();
  const id = /^250 2\.0\.0 Ok: queued as (\S+)$/.exec(answer)?.[1];
  assert.ok(id !== undefined, answer);
  const [copy, ...others] = server.stored;
  assert.deepEqual(others, []);
  assert.equal(copy?.content, message);
  assert.equal(copy?.mailbox, "INBOX");
  const expected = new RegExp(
    `^Return-Path: <x@y\\.test>\r\nReceived: from client\\.test \\(\\[127\\.0\\.0\\.1\\]\\)\r\n\tby mail\\.example\\.org with ESMTP\r\n\tid ${id}\r\n\tfor <ann@example\\.org>;\r\n\t\\w{3}, \\d+ \\w{3} \\d{4} [\\d:]+ \\+0000\r\n$`,
  );
  assert.match(copy!.prefix, expected);
  assert.ok(
    server.logged.some((line) => line.event === "accepted" && line.id === id && line.client === "127.0.0.1"),
  );
});

test("one message for many goes to each account once, and names none of them in Received (RFC 5321 §7.2)", async (t) => {
  const { server, dialogue } = await talk(t, [
    begin[0]!,
    ["RCPT TO:<sales@example.org>", /^250/],
    ["RCPT TO:<ann@example.org>", /^250/],
    ["RCPT TO:<both@example.org>", /^250/],
    ["DATA", /^354/],
  ]);
  dialogue.send("hello: x\r\n\r\nbody\r\n.\r\n");
  assert.match(await dialogue.hear(), /^250/);
  assert.deepEqual(
    server.stored.map(({ account }) => account),
    ["ann@example.org", "bob@example.org"],
  );
  assert.doesNotMatch(server.stored[0]!.prefix, /for </);
  assert.deepEqual(
    server.queued.map(({ envelope }) => envelope.recipients.map(({ address }) => address)),
    [["both@elsewhere.test"]],
  );
  assert.doesNotMatch(server.queued[0]!.prefix, /Return-Path/);
});

test("pipelined groups are answered in order, and DATA may end one (RFC 2920)", async (t) => {
  const server = await smtpServer(t);
  const dialogue = await greeted(t, server.port);
  dialogue.send("MAIL FROM:<x@y.test>\r\nRCPT TO:<ann@example.org>\r\nRCPT TO:<no@example.org>\r\nDATA\r\n");
  const codes = [];
  for (let count = 0; count < 4; count++) codes.push((await dialogue.hear()).slice(0, 3));
  assert.deepEqual(codes, ["250", "250", "550", "354"]);
  // The next transaction may come with the end of this one.
  dialogue.send("a: b\r\n\r\nc\r\n.\r\nMAIL FROM:<x@y.test>\r\nRCPT TO:<bob@example.org>\r\nQUIT\r\n");
  assert.deepEqual(
    [await dialogue.hear(), await dialogue.hear(), await dialogue.hear(), await dialogue.hear()].map((line) =>
      line.slice(0, 3),
    ),
    ["250", "250", "250", "221"],
  );
});

test("pipelining without the right ends the session before a byte is misread (RFC 2920 §3.1)", async (t) => {
  const server = await smtpServer(t);
  const attempts: [string, string[]][] = [
    ["EHLO x.test\r\nMAIL FROM:<x@y.test>\r\n", []],
    ["HELO x.test\r\n", ["NOOP\r\nNOOP\r\n"]],
    ["EHLO x.test\r\n", ["STARTTLS\r\nMAIL FROM:<x@y.test>\r\n"]],
    [
      "EHLO x.test\r\n",
      ["MAIL FROM:<x@y.test>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"],
    ],
  ];
  for (const [first, rest] of attempts) {
    const dialogue = await Dialogue.open(t, server.port);
    await dialogue.hear();
    dialogue.send(first);
    let answer = await dialogue.hear();
    for (const bytes of rest) {
      dialogue.send(bytes);
      answer = await dialogue.hear();
      while (/^2\d\d/.test(answer)) answer = await dialogue.hear();
    }
    assert.match(answer, /^503 5\.5\.0/, first);
    assert.equal(await dialogue.hear(), "closed");
  }
  assert.deepEqual(server.stored, []);
  assert.equal(server.logged.filter((line) => line.offence === "pipelining").length, attempts.length);
});

test("BDAT carries a message in counted chunks, dots and all (RFC 3030)", async (t) => {
  const { server, dialogue } = await talk(t, begin);
  dialogue.send("BDAT 14\r\nSubject: x\r\n\r\nBDAT 5\r\n.\r\n\r\nBDAT 0 LAST\r\n");
  assert.match(await dialogue.hear(), /^250 2\.0\.0 14 octets/);
  assert.match(await dialogue.hear(), /^250 2\.0\.0 5 octets/);
  assert.match(await dialogue.hear(), /^250 2\.0\.0 Ok: queued/);
  assert.equal(server.stored[0]?.content, "Subject: x\r\n\r\n.\r\n\r\n");
});

test("a refused BDAT still takes its bytes, and commands between chunks are refused (RFC 3030 §2)", async (t) => {
  const { server, dialogue } = await talk(t, [begin[0]!]);
  dialogue.send("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
  assert.match(await dialogue.hear(), /^503/);
  assert.match(await dialogue.hear(), /^250/);
  assert.match(await dialogue.say("RCPT TO:<ann@example.org>"), /^250/);
  dialogue.send("BDAT 3\r\nabc");
  assert.match(await dialogue.hear(), /^250/);
  assert.match(await dialogue.say("RCPT TO:<bob@example.org>"), /^503/);
  assert.match(await dialogue.say("DATA"), /^503/);
  assert.match(await dialogue.say("RSET"), /^250/);
  assert.match(await dialogue.say("BDAT x"), /^501/);
  assert.equal(await dialogue.hear(), "closed");
  assert.deepEqual(server.stored, []);
});

test("a message over the size limit is read to its end and refused with 552 5.3.4 (RFC 1870 §6)", async (t) => {
  const settings = { message: { sizeLimit: 100_000 } };
  const { server, dialogue } = await talk(t, [...begin, ["DATA", /^354/]], { settings });
  const line = `${"x".repeat(98)}\r\n`;
  dialogue.send(line.repeat(4000));
  dialogue.send(".\r\n");
  assert.match(await dialogue.hear(), /^552 5\.3\.4/);
  for (const [say, hear] of begin) assert.match(await dialogue.say(say), hear);
  await dialogue.say("DATA");
  dialogue.send(`${line.repeat(1000)}.\r\n`);
  assert.match(await dialogue.hear(), /^250/);
  assert.equal(server.stored.length, 1);
});

test("a large message goes through the spool and arrives byte for byte, and the spool is empty afterwards", async (t) => {
  const { readdir } = await import("node:fs/promises");
  const { server, dialogue } = await talk(t, [...begin, ["DATA", /^354/]]);
  const body = `a: b\r\n\r\n${Array.from({ length: 20_000 }, (_, line) => `line ${line} ${"y".repeat(50)}\r\n`).join("")}`;
  dialogue.send(`${body}.\r\n`);
  assert.match(await dialogue.hear(), /^250/);
  assert.equal(server.stored[0]?.content, body);
  assert.deepEqual(await readdir(server.spool), []);
});

test("bare CR and LF in a message are refused, the session goes on where its end was clear (SMTP smuggling)", async (t) => {
  const cases: [string, RegExp, boolean][] = [
    ["a: b\r\n\r\nx\ny\r\n.\r\n", /^554 5\.6\.0 .*<LF>/, true],
    ["a: b\r\n\r\nx\ry\r\n.\r\n", /^554 5\.6\.0 .*<CR>/, true],
    ["a: b\r\n\r\nx\n.\n", /^554 5\.6\.0/, false],
    ["a: b\r\n\r\nx\n.\r\n", /^554 5\.6\.0/, false],
    ["a: b\r\n\r\nx\r\n.\n", /^554 5\.6\.0/, false],
    ["a: b\r\n\r\nx\r.\r\n\r\n.\r\n", /^554 5\.6\.0/, true],
  ];
  const server = await smtpServer(t);
  for (const [bytes, hear, goesOn] of cases) {
    const dialogue = await greeted(t, server.port);
    for (const [say, expected] of begin) assert.match(await dialogue.say(say), expected);
    await dialogue.say("DATA");
    dialogue.send(bytes);
    assert.match(await dialogue.hear(), hear, JSON.stringify(bytes));
    if (goesOn) assert.match(await dialogue.say("NOOP"), /^250/, JSON.stringify(bytes));
    else assert.equal(await dialogue.hear(), "closed", JSON.stringify(bytes));
  }
  assert.deepEqual(server.stored, []);
});

test("a line that ends in LF alone, a line without end and another protocol's words end the session", async (t) => {
  const server = await smtpServer(t);
  for (const [bytes, hear] of [
    ["NOOP\n", /^521 5\.5\.2/],
    ["x".repeat(5000), /^500 5\.5\.2/],
    ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", /^50[03]/],
    ["POST / HTTP/1.1\r\n", /^50[03]/],
    ["Host: x\r\n", /^500/],
  ] as const) {
    const dialogue = await greeted(t, server.port);
    dialogue.send(bytes);
    assert.match(await dialogue.hear(), hear, bytes.slice(0, 20));
    assert.equal(await dialogue.hear(), "closed", bytes.slice(0, 20));
  }
});

test("who makes errors only is slowed down and sent away (421 4.7.0)", async (t) => {
  const server = await smtpServer(t, { limits: { errors: 4, errorDelayMs: 5, idleCommands: 3 } });
  const dialogue = await greeted(t, server.port);
  assert.deepEqual(
    (await dialogue.all("X", "X", "X", "X")).map((answer) => answer.slice(0, 9)),
    ["500 5.5.2", "500 5.5.2", "500 5.5.2", "421 4.7.0"],
  );
  assert.equal(await dialogue.hear(), "closed");
  const idler = await greeted(t, server.port);
  const answers = await idler.all(...Array<string>(6).fill("NOOP"));
  assert.equal(answers.at(-1)?.slice(0, 3), "421");
  assert.ok(server.logged.some((line) => line.offence === "too-many-errors"));
});

test("limits of recipients and messages answer 452 4.5.3 and 421 (RFC 5321 §4.5.3.1.10, RFC 9422)", async (t) => {
  const { dialogue } = await talk(
    t,
    [
      ...begin,
      ["RCPT TO:<bob@example.org>", /^250/],
      ["RCPT TO:<carol@example.net>", /^452 4\.5\.3/],
      ["DATA", /^354/],
      ["a: b\r\n\r\n.", /^250/],
      ["MAIL FROM:<x@y.test>", /^421 4\.7\.0/],
    ],
    { settings: { message: { recipientLimit: 2 } }, limits: { messages: 1 } },
  );
  assert.equal(await dialogue.hear(), "closed");
});

test("a client that talks before the banner is refused when the banner waits for it", async (t) => {
  const server = await smtpServer(t, { settings: { greeting: { delayMs: 60 } } });
  const early = await Dialogue.open(t, server.port);
  early.send("EHLO x.test\r\n");
  assert.match(await early.hear(), /^554 5\.5\.1/);
  const patient = await Dialogue.open(t, server.port);
  assert.match(await patient.hear(), /^220 /);
});

test("slow clients hear 421 4.4.2: between commands, in a message, and at a byte now and then (RFC 5321 §4.5.3.2)", async (t) => {
  const limits = { commandMs: 60, dataMs: 60, messageMs: 100, slowestBytesPerSecond: 1_000_000 };
  const server = await smtpServer(t, { limits });
  const silent = await greeted(t, server.port);
  assert.match(await silent.hear(), /^421 4\.4\.2/);
  for (const drip of [false, true]) {
    const slow = await greeted(t, server.port);
    await slow.all("MAIL FROM:<x@y.test>", "RCPT TO:<ann@example.org>", "DATA");
    const timer = drip ? setInterval(() => slow.send("x"), 20) : undefined;
    assert.match(await slow.hear(), /^421 4\.4\.2/, drip ? "a byte now and then" : "nothing");
    clearInterval(timer);
  }
  const drops = await greeted(t, server.port);
  const timer = setInterval(() => drops.send("N"), 20);
  assert.match(await drops.hear(), /^421 4\.4\.2/);
  clearInterval(timer);
});

test("a stopping server says 421 4.3.2", async (t) => {
  const server = await smtpServer(t);
  const dialogue = await greeted(t, server.port);
  const closed = server.server.close(1000);
  assert.match(await dialogue.hear(), /^421 4\.3\.2/);
  await closed;
});

test("LMTP greets with LHLO and answers a message once for each recipient (RFC 2033 §4.2)", async (t) => {
  const server = await smtpServer(t, { mode: "lmtp" });
  const dialogue = await Dialogue.open(t, server.port);
  assert.match(await dialogue.hear(), /^220 mail\.example\.org LMTP/);
  assert.match(await dialogue.say("EHLO x"), /^500/);
  assert.match(await dialogue.say("LHLO x"), /^250-/);
  await dialogue.all("MAIL FROM:<>", "RCPT TO:<ann@example.org>", "RCPT TO:<bob@example.org>", "DATA");
  assert.deepEqual(
    [(await dialogue.say("a: b\r\n\r\n.")).slice(0, 3), (await dialogue.hear()).slice(0, 3)],
    ["250", "250"],
  );
  assert.match(server.stored[0]!.prefix, /with LMTP/);
});
