import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { quick } from "../queue-for-tests.ts";
import { type Script, scriptedServer } from "../scripted-server.ts";
import { DotStuffer, hasStrayLineEnd } from "./dot-stuffing.ts";
import { extensionsOf } from "./extensions.ts";
import { MAX_REPLY_LINES, ReplyReader, replyText } from "./reply.ts";
import { type SessionOptions, SmtpSession } from "./session.ts";
import { type OutgoingMessage, transact } from "./transaction.ts";
import { ClientError } from "./wire.ts";

const message: OutgoingMessage = {
  from: "ann@here.test",
  size: 20,
  eightBit: false,
  smtpUtf8: false,
  chunks: () => [Buffer.from("Subject: x\r\n\r\nbody\r\n")],
};
const bob = { address: "bob@sink.test" };
const eve = { address: "eve@sink.test" };
const everything = ["PIPELINING", "8BITMIME", "DSN"];

async function server(context: TestContext, script: Script) {
  const made = await scriptedServer(script);
  context.after(() => made.close());
  return made;
}
async function open(
  context: TestContext,
  port: number,
  options: Partial<SessionOptions> = {},
): Promise<SmtpSession> {
  const session = await SmtpSession.open({
    host: "mx.test",
    address: "127.0.0.1",
    port,
    hostname: "mail.here.test",
    policy: { level: "opportunistic" },
    timeouts: quick,
    ...options,
  });
  context.after(() => session.wire.destroy());
  return session;
}
const problem = (name: string) => (error: unknown) => error instanceof ClientError && error.problem === name;

const greetings: readonly (readonly [greeting: string, expected: string])[] = [
  ["554 5.3.2 no service", "refused"],
  ["421 too busy", "refused"],
  ["drop", "closed"],
  ["silence", "timeout"],
  ["SSH-2.0-OpenSSH_9.6", "garbage"],
  ["220", "ok"],
  ["220-first\r\n220 second", "ok"],
  ["220-first\r\n250 second", "garbage"],
  [`220-${"x".repeat(10_000)}`, "garbage"],
  ["220-more\r\n".repeat(MAX_REPLY_LINES + 5), "garbage"],
  ["\0\xff\r\n", "garbage"],
  ["999 what", "garbage"],
];
for (const [greeting, expected] of greetings)
  test(`a server that greets with ${JSON.stringify(greeting.slice(0, 30))} is ${expected}`, async (context) => {
    const { port } = await server(context, {
      answer: (line) => (line === "(connected)" ? greeting : undefined),
    });
    if (expected === "ok") await open(context, port);
    else await assert.rejects(open(context, port), problem(expected));
  });

/** What the server says to one command, what becomes of bob (refused or taken alone) and whether the session goes on. */
const troubles: readonly (readonly [at: string, answer: string, expected: string, reusable: boolean])[] = [
  ["MAIL", "451 4.3.0 later", "temporary 4.3.0", true],
  ["MAIL", "550 5.7.1 not from you", "permanent 5.7.1", true],
  ["MAIL", "552 5.3.4 too large", "permanent 5.3.4", true],
  ["MAIL", "421 4.3.2 closing", "temporary 4.3.2", false],
  ["MAIL", "drop", "temporary 4.4.2", false],
  ["MAIL", "silence", "temporary 4.4.2", false],
  ["MAIL", "250 4.1.1 odd", "delivered 2.0.0", true],
  ["RCPT", "450 4.2.1 busy", "temporary 4.2.1", true],
  ["RCPT", "550 No enhanced code", "permanent 5.0.0", true],
  ["RCPT", "550 4.1.1 contradiction", "permanent 5.0.0", true],
  ["RCPT", "251 2.1.5 will forward", "delivered 2.0.0", true],
  ["RCPT", "drop", "temporary 4.4.2", false],
  ["DATA", "451 4.3.0 later", "temporary 4.3.0", true],
  ["DATA", "554 5.5.1 no", "permanent 5.5.1", true],
  ["DATA", "drop", "temporary 4.4.2", false],
  [".", "554 5.7.1 spam", "permanent 5.7.1", true],
  [".", "451 4.7.1 greylisted", "temporary 4.7.1", true],
  [".", "250 taken", "delivered 2.0.0", true],
  [".", "garbage", "temporary 4.5.0", false],
  [".", "drop", "temporary 4.4.2", false],
  [".", "silence", "temporary 4.4.2", false],
];
for (const [at, answer, expected, reusable] of troubles)
  for (const extensions of [everything, []])
    test(`${answer} to ${at} means ${expected}, ${extensions.length > 0 ? "with" : "without"} pipelining`, async (context) => {
      const { port } = await server(context, {
        extensions,
        answer: (line) => (line.startsWith(at) ? answer : undefined),
      });
      const session = await open(context, port);
      const { results, ...end } = await transact(session, message, [bob]);
      const [result] = results;
      const status = result?.outcome === "delivered" ? "2.0.0" : result?.status;
      assert.equal(`${result?.outcome} ${status}`, expected);
      assert.equal(end.reusable, reusable);
      assert.equal(
        end.uncertain,
        at === "." && !reusable,
        "lost after the final dot: it may have arrived (RFC 1047)",
      );
      if (!reusable) return;
      const again = await transact(session, { ...message, from: "" }, [{ address: "x@sink.test" }]);
      assert.equal(again.results.length, 1, "the session serves another transaction");
      assert.equal(again.reusable, true);
    });

test("each recipient has a result of its own (RFC 5321 §3.3)", async (context) => {
  const { port, messages } = await server(context, {
    extensions: everything,
    answer: (line) => (line.startsWith("RCPT TO:<bob") ? "550 5.1.1 no" : undefined),
  });
  const done = await transact(await open(context, port), message, [bob, eve]);
  assert.deepEqual(
    done.results.map(({ outcome }) => outcome),
    ["permanent", "delivered"],
  );
  assert.deepEqual(messages[0]?.recipients, ["RCPT TO:<eve@sink.test>"]);
});

test("452 and 552 to a later RCPT mean too many, to be tried again at once (RFC 5321 §4.5.3.1.10)", async (context) => {
  for (const code of ["452 4.5.3", "552"]) {
    const { port } = await server(context, {
      extensions: everything,
      answer: (line) => (line.startsWith("RCPT TO:<eve") ? `${code} too many` : undefined),
    });
    const done = await transact(await open(context, port), message, [bob, eve]);
    assert.deepEqual(
      done.results.map(({ outcome, tooMany }) => [outcome, tooMany ?? false]),
      [
        ["delivered", false],
        ["temporary", true],
      ],
    );
  }
});

test("354 after no recipient was taken is answered with an empty message (RFC 2920 §3.1)", async (context) => {
  const { port, messages } = await server(context, {
    extensions: everything,
    answer: (line) => (line.startsWith("RCPT") ? "550 5.1.1 no" : undefined),
  });
  const done = await transact(await open(context, port), message, [bob]);
  assert.equal(done.results[0]?.outcome, "permanent");
  assert.equal(done.reusable, true);
  assert.equal(messages[0]?.data.length, 0);
});

test("a message that turns out to have a bare LF never gets its final dot", async (context) => {
  const { port, messages } = await server(context, { extensions: everything });
  const smuggled = {
    ...message,
    chunks: () => [Buffer.from("a\r\n"), Buffer.from(".\nMAIL FROM:<x@y>\r\n")],
  };
  const done = await transact(await open(context, port), smuggled, [bob]);
  assert.deepEqual([done.results[0]?.outcome, done.results[0]?.status], ["permanent", "5.6.0"]);
  assert.equal(done.uncertain, false);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(messages.length, 0);
});

function certificate(context: TestContext, name: string): { readonly key: Buffer; readonly cert: Buffer } {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-tls-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const [key, cert] = [join(directory, "key"), join(directory, "cert")];
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...kind, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

test("STARTTLS is taken where it is offered, whatever the certificate (RFC 7435)", async (context) => {
  const tls = certificate(context, "somebody.else");
  const { port, messages, commands } = await server(context, {
    extensions: [...everything, "STARTTLS"],
    tls,
  });
  const session = await open(context, port);
  assert.match(session.tls.protocol ?? "", /^TLSv1\.[23]$/);
  assert.equal((await transact(session, message, [bob])).results[0]?.outcome, "delivered");
  assert.equal(messages.length, 1);
  assert.deepEqual(
    commands.slice(0, 3).map((line) => line.split(" ")[0]),
    ["EHLO", "STARTTLS", "EHLO"],
  );
});

test("a broken handshake falls back to plain text where nothing is required, and is noted", async (context) => {
  const { port, connections } = await server(context, { extensions: ["STARTTLS"], tls: "broken" });
  const session = await open(context, port);
  assert.equal(session.tls.protocol, undefined);
  assert.match(session.tls.failure?.text ?? "", /handshake/);
  assert.equal(connections(), 2, "over a connection of its own");
});

test("where TLS is required there is no plain text (RFC 8461 §5, RFC 7672 §2.2)", async (context) => {
  const policies = [{ level: "encrypt" }, { level: "verify", names: ["mx.test"] }] as const;
  for (const script of [{}, { extensions: ["STARTTLS"], tls: "broken" as const }])
    for (const policy of policies) {
      const { port, commands } = await server(context, script);
      await assert.rejects(open(context, port, { policy }), problem("tls"));
      assert.ok(!commands.some((line) => line.startsWith("MAIL")));
    }
  const refusing = await server(context, {
    extensions: ["STARTTLS"],
    answer: (line) => (line === "STARTTLS" ? "454 4.7.0 not now" : undefined),
  });
  await assert.rejects(open(context, refusing.port, { policy: { level: "encrypt" } }), problem("tls"));
  assert.match((await open(context, refusing.port)).tls.failure?.text ?? "", /454/);
});

test("a certificate is checked where the policy wants it: authority, then name", async (context) => {
  const tls = certificate(context, "mx.test");
  const { port } = await server(context, { extensions: ["STARTTLS"], tls });
  const verify = (names: string[], ca?: Buffer) =>
    open(context, port, { policy: { level: "verify", names }, ca });
  await verify(["mx.test"], tls.cert);
  await verify(["*.test"], tls.cert);
  await assert.rejects(verify(["mx.test"]), problem("tls"));
  await assert.rejects(verify(["other.test"], tls.cert), problem("tls"));
  await assert.rejects(verify(["*.mx.test"], tls.cert), problem("tls"));
  const judged = (text: string | undefined) => {
    const failure = text === undefined ? undefined : ({ type: "validation-failure", text } as const);
    return open(context, port, { policy: { level: "judge", problem: () => failure } });
  };
  await judged(undefined);
  await assert.rejects(judged("not the key of the TLSA record"), problem("tls"));
  const observed = await open(context, port, { observed: { level: "verify", names: ["mx.test"] } } as const);
  assert.equal(observed.tls.failure?.type, "certificate-not-trusted", "noted, and the session goes on");
});

test("replies in the clear behind the STARTTLS reply end the connection (CVE-2011-0411)", async (context) => {
  const tls = certificate(context, "mx.test");
  const { port } = await server(context, {
    extensions: ["STARTTLS"],
    tls,
    answer: (line) => (line === "STARTTLS" ? "220 go on\r\n250 injected" : undefined),
  });
  await assert.rejects(open(context, port, { policy: { level: "encrypt" } }), problem("tls"));
});

test("a login is sent over TLS only, and its refusal does not repeat the password", async (context) => {
  const tls = certificate(context, "mx.test");
  const credentials = { username: "ann", password: "sesame-open" };
  const policy = { level: "verify", names: ["mx.test"] } as const;
  const answer = (line: string): string | undefined =>
    line === `AUTH PLAIN ${Buffer.from("\0ann\0sesame-open").toString("base64")}`
      ? "235 2.7.0 welcome"
      : line.startsWith("AUTH")
        ? "535 5.7.8 wrong"
        : undefined;
  const good = await server(context, { extensions: ["STARTTLS", "AUTH PLAIN LOGIN"], tls, answer });
  await open(context, good.port, { credentials, policy, ca: tls.cert });
  const wrong = { username: "ann", password: "guess" };
  await assert.rejects(
    open(context, good.port, { credentials: wrong, policy, ca: tls.cert }),
    (error: ClientError) => {
      assert.equal(error.problem, "refused");
      assert.match(error.message, /535 5\.7\.8/);
      assert.doesNotMatch(error.message, /guess/);
      return true;
    },
  );
  const plain = await server(context, { extensions: ["AUTH PLAIN"], answer });
  await assert.rejects(open(context, plain.port, { credentials }), problem("tls"));
  assert.ok(!plain.commands.some((line) => line.startsWith("AUTH")));
});

test("EHLO keywords are read in any case, with parameters, and strange ones passed over", () => {
  const lines = [
    "hi",
    "pipelining",
    "SIZE 1000",
    "size-odd",
    "AUTH=LOGIN",
    "AUTH PLAIN",
    "LIMITS RCPTMAX=7 MAILMAX=3 RCPTDOMAINMAX=2",
    "%%",
  ];
  const offered = extensionsOf({ code: 250, enhanced: undefined, lines });
  assert.equal(offered.pipelining, true);
  assert.equal(offered.size, 1000);
  assert.deepEqual([...offered.auth].sort(), ["LOGIN", "PLAIN"]);
  assert.deepEqual(
    [offered.recipientLimit, offered.transactionLimit, offered.recipientDomainLimit],
    [7, 3, 2],
  );
  assert.equal(offered.startTls, false);
});

test("replies are read however their bytes are cut", () => {
  const bytes = Buffer.from("250-a\r\n250 b\r\n550 5.1.1 no\n354\r\n421-x\r\n421 4.3.2 y\r\n");
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
      const reader = new ReplyReader();
      const points = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      for (const [index, from] of points.entries()) reader.push(bytes.subarray(from, points[index + 1]));
      const texts: string[] = [];
      for (let reply = reader.next(); reply !== undefined; reply = reader.next())
        texts.push(replyText(reply));
      assert.deepEqual(texts, ["250 a b", "550 5.1.1 no", "354", "421 x 4.3.2 y"]);
      assert.equal(reader.pending, false);
    }),
  );
});

test("dots are doubled and undone to the same bytes, however the message is cut (RFC 5321 §4.5.2)", () => {
  const line = fc.constantFrom("", ".", "..", ".a", "a.", "text", "a.b", "ü", ".\t");
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(200)), fc.boolean(), (lines, cuts, open) => {
      const bytes = Buffer.from(lines.map((each) => `${each}\r\n`).join("") + (open ? "open" : ""));
      const points = [
        0,
        ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
        bytes.length,
      ];
      const stuffer = new DotStuffer();
      const sent: Buffer[] = [];
      for (const [index, from] of points.entries())
        sent.push(...stuffer.push(bytes.subarray(from, points[index + 1])));
      sent.push(stuffer.finish());
      const wire = Buffer.concat(sent).toString();
      assert.ok(wire.endsWith(".\r\n"));
      const body = wire.slice(0, -3);
      assert.doesNotMatch(`\r\n${body}`, /\r\n\.(?!\.)/, "no line is a lone dot");
      assert.equal(body.replace(/^\./gm, ""), open ? `${bytes}\r\n` : bytes.toString());
    }),
    { numRuns: 1000 },
  );
});

test("every CR or LF outside CRLF is found, however the message is cut", () => {
  const piece = fc.constantFrom("\r", "\n", "\r\n", "a", ".");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.nat(12), (pieces, cut) => {
      const text = pieces.join("");
      const stray = /(^|[^\r])\n|\r(?!\n)/.test(text);
      const stuffer = new DotStuffer();
      const send = (): void => {
        stuffer.push(Buffer.from(text.slice(0, cut)));
        stuffer.push(Buffer.from(text.slice(cut)));
        stuffer.finish();
      };
      if (stray) assert.throws(send, { name: "StrayLineEnd" });
      else send();
      assert.equal(hasStrayLineEnd(Buffer.from(`${text}a`)), stray);
    }),
    { numRuns: 5000 },
  );
});
