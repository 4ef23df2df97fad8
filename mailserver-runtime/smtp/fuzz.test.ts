/**
 * Hostile bytes against whole sessions, without sockets so that there is time for many: mutated dialogues and
 * would-be smuggling. `fuzz-for-tests.ts` says how many cases there are.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fuzzRun } from "./fuzz-for-tests.ts";
import { runScript } from "./scripted-session-for-tests.ts";
import type { SmtpMode } from "./session.ts";

const text = (value: string) => Buffer.from(value, "latin1");
const message = "From: ann@example.org\r\nSubject: x\r\n\r\n..body\r\nmore\r\n.\r\n";
const login = `AUTH PLAIN ${Buffer.from("\0ann@example.org\0secret").toString("base64")}\r\n`;
const corpus: { readonly mode: SmtpMode; readonly packets: readonly Buffer[] }[] = [
  {
    mode: "mx",
    packets: [
      "EHLO client.test\r\n",
      "MAIL FROM:<x@y.test> SIZE=100 BODY=8BITMIME RET=FULL\r\nRCPT TO:<sales@example.org> NOTIFY=SUCCESS ORCPT=rfc822;a+40b\r\nDATA\r\n",
      `${message}MAIL FROM:<>\r\nRCPT TO:<both@example.org>\r\nBDAT 10\r\nSubject: y\r\nBDAT 4 LAST\r\n\r\n\r\n`,
      "RSET\r\nNOOP\r\nQUIT\r\n",
    ].map(text),
  },
  {
    mode: "mx",
    packets: ["HELO x\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<postmaster>\r\n", "DATA\r\n", message].map(text),
  },
  {
    mode: "submission",
    packets: [
      "EHLO x\r\n",
      login,
      "MAIL FROM:<ann@example.org>\r\nRCPT TO:<x@y.test>\r\nDATA\r\n",
      message,
    ].map(text),
  },
  {
    mode: "submission",
    packets: [
      "EHLO x\r\n",
      "AUTH LOGIN\r\n",
      "YW5uQGV4YW1wbGUub3Jn\r\n",
      "c2VjcmV0\r\n",
      "MAIL FROM:<ann@example.org>\r\n",
      "QUIT\r\n",
    ].map(text),
  },
  {
    mode: "lmtp",
    packets: [
      "LHLO x\r\n",
      "MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n",
      message,
    ].map(text),
  },
];
const special = [
  "\r",
  "\n",
  "\0",
  ".",
  "\r\n",
  "\r\n.\r\n",
  "<",
  ">",
  "@",
  "=",
  "+",
  " ",
  "\xff",
  "9".repeat(30),
  "A".repeat(5000),
  "BDAT 5\r\n",
  "DATA\r\n",
  "RSET\r\n",
];
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.nat(6),
  insert: fc.oneof(fc.constantFrom(...special), fc.string({ maxLength: 4 })),
});

test("no bytes make a session throw, answer in broken replies, or store what is no message", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...corpus),
      fc.nat(4),
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      async (dialogue, which, mutations) => {
        const packets = [...dialogue.packets];
        for (const { at, remove, insert } of mutations) {
          const index = which % packets.length;
          const packet = packets[index]!;
          const from = Math.floor(at * packet.length);
          packets[index] = Buffer.concat([
            packet.subarray(0, from),
            text(insert),
            packet.subarray(from + remove),
          ]);
        }
        const { sent, messages } = await runScript(packets, dialogue.mode);
        assert.match(sent, /^(?:\d{3}[ -][ -~\u0080-\uffff]*\r\n)+$/);
        for (const { content } of messages) {
          assert.doesNotMatch(content, /\r(?!\n)|(?<!\r)\n/);
          assert.ok(content.length <= 2000);
        }
      },
    ),
    fuzzRun(t, 0.2),
  );
});

test("whatever stands between two messages, only CR LF dot CR LF lets the second be one (SMTP smuggling)", async (t) => {
  const glue = fc.array(
    fc.constantFrom("\r", "\n", "\r\n", ".", "\0", " ", "x", "\r\n.", "\r\n.\r", "\n.\n"),
    { maxLength: 6 },
  );
  const evil = "MAIL FROM:<evil@y.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";
  await fc.assert(
    fc.asyncProperty(glue, fc.boolean(), async (parts, split) => {
      const between = parts.join("");
      const head = `Subject: x\r\n\r\nfirst${between}`;
      const packets = ["EHLO x\r\n", "MAIL FROM:<x@y.test>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n"];
      if (split) packets.push(head, evil, "Subject: evil\r\n\r\nx\r\n.\r\n");
      else packets.push(`${head}${evil}`, "Subject: evil\r\n\r\nx\r\n.\r\n");
      const { messages } = await runScript(packets.map(text), "mx");
      const trueEnd = head.includes("\r\n.\r\n");
      if (!trueEnd) assert.ok(!messages.some(({ from }) => from === "evil@y.test"), JSON.stringify(between));
      // After a true end the next lines are commands; what stood before it is a message or was refused.
      else if (/\r(?!\n)|(?<!\r)\n/.test(head.slice(0, head.indexOf("\r\n.\r\n"))))
        assert.ok(!messages.some(({ from }) => from === "x@y.test"), JSON.stringify(between));
    }),
    fuzzRun(t, 0.2),
  );
});
