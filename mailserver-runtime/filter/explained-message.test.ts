import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryContent } from "../message/content.ts";
import { explainMessage } from "./explained-message.ts";
import type { InboundFilter, InboundMessage } from "./pipeline.ts";

const stored = [
  "Return-Path: <x@y.test>",
  "X-Spam-Status: No, score=1.0",
  "Received: from m.y.test ([IPv6:2001:db8::9])",
  "\tby mail.example.org with ESMTPS",
  "\tid abc",
  "\tfor <ann@example.org>;",
  "\tThu, 26 Nov 2026 10:00:00 +0000",
  "Subject: hi",
  "",
  "body",
  "",
].join("\r\n");

function explained(said: Parameters<typeof explainMessage>[1] = {}) {
  const seen: InboundMessage[] = [];
  const filter: InboundFilter = {
    async inspect(message) {
      seen.push(message);
      return {
        findings: [
          { check: "a", symbol: "SMALL", score: 0.1, reason: "a little\u001b[31m" },
          { check: "b", symbol: "LARGE_ONE", score: 6.5, reason: "a lot" },
        ],
        score: 6.6,
        authenticationResults: ["spf=pass\r\n\tsmtp.mailfrom=y.test"],
        action: { kind: "junk", reason: "score 6.6 reaches 6" },
        times: { b: 12 },
      };
    },
  };
  const content = memoryContent(Buffer.from(stored));
  return explainMessage(content, said, filter, new Date()).then((lines) => ({ lines, message: seen[0]! }));
}

test("a stored message is judged for the client, sender and recipient that its own trace names", async () => {
  const { message } = await explained();
  assert.deepEqual(
    [message.client.address, message.helo, message.from, message.recipients],
    ["2001:db8::9", "m.y.test", "x@y.test", ["ann@example.org"]],
  );
  const other = await explained({ client: "192.0.2.1", from: "", recipient: "bob@example.org" });
  assert.deepEqual(
    [other.message.client.address, other.message.helo, other.message.from, other.message.recipients],
    ["192.0.2.1", "m.y.test", "", ["bob@example.org"]],
  );
});

test("every symbol is told with weight and reason, the heaviest first, and nothing commands the terminal", async () => {
  const { lines } = await explained();
  assert.deepEqual(lines, [
    "from <x@y.test> by m.y.test (2001:db8::9) to ann@example.org",
    "    6.50  LARGE_ONE  a lot",
    "    0.10  SMALL      a little?[31m",
    "    6.60  is its score: it goes to Junk (score 6.6 reaches 6)",
    "          spf=pass smtp.mailfrom=y.test",
    "          took b 12 ms",
  ]);
});
