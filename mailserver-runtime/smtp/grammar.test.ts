import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { authservId } from "../filter/forged-results.ts";
import { decodeXtext, isHelloName, parseCommandLine, parsePathArgument } from "./grammar.ts";
import { mailParameters, recipientParameters } from "./parameters.ts";
import { reply } from "./reply.ts";
import { receivedField, transmissionType } from "./trace.ts";

test("a command line is a verb in any case and its argument (RFC 5321 §2.4)", () => {
  const table: [string, string, string][] = [
    ["QUIT", "QUIT", ""],
    ["mail FROM:<a@b> ", "MAIL", "FROM:<a@b>"],
    ["rCpT  TO:<a@b>", "RCPT", " TO:<a@b>"],
    ["", "", ""],
    [" EHLO x", "", "EHLO x"],
  ];
  for (const [line, verb, argument] of table)
    assert.deepEqual(parseCommandLine(line), { verb, argument }, line);
});

test("xtext stands for its bytes, and nothing else is xtext (RFC 3461 §4)", () => {
  assert.equal(decodeXtext("a+2Bb+3Dc"), "a+b=c");
  for (const wrong of ["a+b", "a+2b", "a=b", "a b", "a+", "ä"])
    assert.equal(decodeXtext(wrong), undefined, wrong);
  fc.assert(
    fc.property(fc.string(), (text) => {
      const bytes = [...Buffer.from(text)];
      const hex = (byte: number) => `+${byte.toString(16).toUpperCase().padStart(2, "0")}`;
      const encoded = bytes
        .map((byte) =>
          byte > 32 && byte < 127 && byte !== 43 && byte !== 61 ? String.fromCharCode(byte) : hex(byte),
        )
        .join("");
      assert.equal(decodeXtext(encoded), Buffer.from(bytes).toString("latin1"));
    }),
  );
});

test("a hello name is a domain or a literal, and never what could break out of a Received field", () => {
  for (const fine of [
    "client.test",
    "localhost",
    "MY_PC",
    "[192.0.2.1]",
    "[IPv6:fe80::1%en0]",
    "bücher.example",
    "-x",
  ])
    assert.ok(isHelloName(fine), fine);
  for (const wrong of ["", "a b", "a(b)", "a;b", "[a", "a\rb", "<a>", "a@b", "x".repeat(256)])
    assert.ok(!isHelloName(wrong), wrong);
});

test("no argument makes the grammar throw, and what it reads is inside what was written", () => {
  const piece = fc.constantFrom(
    "FROM:",
    "TO:",
    "<",
    ">",
    "<a@b.test>",
    "<>",
    " ",
    "SIZE=1",
    "=",
    "@",
    '"',
    "\\",
    "BODY=7BIT",
    "NOTIFY=NEVER",
    "ORCPT=rfc822;",
    "ü",
    "__proto__",
    "toString=1",
  );
  const context = { mode: "submission", secure: true, now: 0, longestHoldSeconds: 100 } as const;
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 10 }), (pieces) => {
      const argument = pieces.join("");
      for (const prefix of ["FROM:", "TO:"] as const) {
        const path = parsePathArgument(argument, prefix);
        if (path === undefined || path === "path") continue;
        assert.ok(argument.includes(`<${path.text}>`));
        mailParameters(path.parameters, context);
        recipientParameters(path.parameters, context);
      }
    }),
    { numRuns: 5000 },
  );
});

test("a reply is one line a part, whatever a client put into its text (RFC 5321 §4.2)", () => {
  assert.equal(reply(250, undefined, "a", "b").wire, "250-a\r\n250 b\r\n");
  assert.equal(reply(550, "5.1.1", "<x\r\n250 ok>").wire, "550 5.1.1 <x??250 ok>\r\n");
  assert.ok(reply(550, "5.1.1", "x".repeat(5000)).wire.length <= 512);
});

test("the authserv-id is found behind comments and quotes (RFC 8601 §2.2)", () => {
  const table: [string, string | undefined][] = [
    [" mail.example.org; spf=pass", "mail.example.org"],
    ["(c (n) \\) c) MAIL.example.org 1; x", "mail.example.org"],
    ['"quoted\\"id"; none', 'quoted"id'],
    ["", undefined],
    ["(never closed", undefined],
    [";", undefined],
  ];
  for (const [value, id] of table) assert.equal(authservId(value), id, value);
});

test("transmission types are the registered names (RFC 3848, RFC 6531 §4.3)", () => {
  const facts = { lmtp: false, extended: true, utf8: false, tls: false, authenticated: false };
  assert.equal(transmissionType({ ...facts, extended: false }), "SMTP");
  assert.equal(transmissionType(facts), "ESMTP");
  assert.equal(transmissionType({ ...facts, tls: true, authenticated: true }), "ESMTPSA");
  assert.equal(transmissionType({ ...facts, authenticated: true }), "ESMTPA");
  assert.equal(transmissionType({ ...facts, lmtp: true, tls: true }), "LMTPS");
  assert.equal(transmissionType({ ...facts, utf8: true, tls: true, authenticated: true }), "UTF8SMTPSA");
  assert.equal(transmissionType({ ...facts, utf8: true, lmtp: true }), "UTF8LMTP");
});

test("Received writes an IPv6 client as an address literal (RFC 5321 §4.1.3)", () => {
  const field = receivedField({
    client: { helo: "client.test", address: "2001:db8::1" },
    hostname: "mail.example.org",
    protocol: "ESMTP",
    tls: undefined,
    id: "1",
    recipient: undefined,
    receivedAt: 0,
  });
  assert.equal(
    field,
    "Received: from client.test ([IPv6:2001:db8::1])\r\n\tby mail.example.org with ESMTP\r\n\tid 1;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n",
  );
});
