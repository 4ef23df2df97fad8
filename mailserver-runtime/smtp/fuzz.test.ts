/**
 * Hostile bytes against whole sessions, without sockets so that there is time for many: mutated dialogues and
 * would-be smuggling. MAILKEEP_FUZZ sets the number of cases.
 */
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import fc from "fast-check";
import type { Snapshot } from "../config/snapshot.ts";
import { type Connection, ConnectionError } from "../net/connection.ts";
import { InputBuffer } from "../net/input-buffer.ts";
import { silentLog } from "../net/log.ts";
import { settingsSchema } from "../settings/schema.ts";
import { serveSmtp } from "./serve.ts";
import type { SmtpMode } from "./session.ts";
import { testRoutes } from "./testing.ts";

const cases = Number(process.env.MAILKEEP_FUZZ ?? 10_000);

/** A connection that brings the next packet when everything before it has been read, and then ends. */
class ScriptedConnection implements Connection {
  readonly id = "fuzz";
  readonly remote = { address: "192.0.2.1", port: 1 };
  readonly local = { address: "192.0.2.2", port: 25 };
  readonly closed = false;
  readonly tls: Connection["tls"];
  sent = "";
  #packets: Buffer[];
  #input = new InputBuffer();

  constructor(packets: readonly Buffer[], secure: boolean) {
    this.#packets = packets.filter((packet) => packet.length > 0);
    this.tls = secure ? { protocol: "TLSv1.3", cipher: "test", servername: undefined } : undefined;
  }
  get lineEndedBare() {
    return this.#input.endedBare;
  }
  buffered() {
    return this.#input.length;
  }
  async readLine(limit: number, _timeoutMs: number, options?: { readonly bareLf?: boolean }) {
    for (;;) {
      const line = this.#input.line(limit, options?.bareLf === true);
      if (line === "too-long") throw new ConnectionError("line-too-long", "too long");
      if (line !== undefined) return line;
      this.#more();
    }
  }
  async readChunk(max: number) {
    for (;;) {
      const chunk = this.#input.take(max);
      if (chunk !== undefined) return chunk;
      this.#more();
    }
  }
  #more() {
    const packet = this.#packets.shift();
    if (packet === undefined) throw new ConnectionError("closed", "the script has ended");
    this.#input.push(packet);
  }
  unread(bytes: Buffer) {
    this.#input.unshift(bytes);
  }
  write(bytes: Buffer | string) {
    this.sent += bytes.toString();
  }
  async drained() {}
  async startTls() {
    if (this.#input.length > 0) throw new ConnectionError("tls", "plain text before TLS");
  }
  channelBinding() {
    return undefined;
  }
  end() {}
  destroy() {}
}

const snapshot = {
  settings: settingsSchema.parse({ hostname: "mail.example.org", message: { sizeLimit: 2000 } }),
  domain: () => undefined,
  account: (address: string) => ({ address, enabled: true, quotaBytes: 0 }),
} as unknown as Snapshot;

interface Outcome {
  readonly sent: string;
  readonly messages: { readonly from: string; readonly content: string }[];
}
async function run(packets: readonly Buffer[], mode: SmtpMode): Promise<Outcome> {
  const connection = new ScriptedConnection(packets, mode === "submission");
  const messages: Outcome["messages"] = [];
  const keep = (prefix: Buffer, content: Buffer | undefined) => {
    const from = /^Return-Path: <(.*)>\r\n/m.exec(prefix.toString("latin1"))?.[1] ?? "";
    messages.push({ from, content: content?.toString("latin1") ?? "" });
  };
  await serveSmtp(connection, {
    mode,
    snapshot: () => snapshot,
    routeRecipient: testRoutes,
    senderRefusal: () => undefined,
    store: {
      async deliver({ content, recipients }) {
        keep(recipients[0]!.prefix, content.buffer);
        return recipients.map(({ account }) => ({ account, stored: true }));
      },
      usage: async () => ({ bytes: 0, messages: 0 }),
    },
    queue: {
      async enqueue({ prefix, content }) {
        keep(prefix, content.buffer);
        return { id: "Q" };
      },
      remove: async () => true,
    },
    authenticator: {
      verify: async ({ password }) =>
        password === "secret"
          ? { ok: true, account: "ann@example.org" }
          : { ok: false, reason: "credentials" },
      async close() {},
    },
    offersTls: true,
    spool: { directory: tmpdir() },
    limits: { errorDelayMs: 0, messageLine: 1000 },
    log: silentLog,
  });
  return { sent: connection.sent, messages };
}

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

test("no bytes make a session throw, answer in broken replies, or store what is no message", async () => {
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
        const { sent, messages } = await run(packets, dialogue.mode);
        assert.match(sent, /^(?:\d{3}[ -][ -~\u0080-\uffff]*\r\n)+$/);
        for (const { content } of messages) {
          assert.doesNotMatch(content, /\r(?!\n)|(?<!\r)\n/);
          assert.ok(content.length <= 2000);
        }
      },
    ),
    { numRuns: cases },
  );
});

test("whatever stands between two messages, only CR LF dot CR LF lets the second be one (SMTP smuggling)", async () => {
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
      const { messages } = await run(packets.map(text), "mx");
      const trueEnd = head.includes("\r\n.\r\n");
      if (!trueEnd) assert.ok(!messages.some(({ from }) => from === "evil@y.test"), JSON.stringify(between));
      // After a true end the next lines are commands; what stood before it is a message or was refused.
      else if (/\r(?!\n)|(?<!\r)\n/.test(head.slice(0, head.indexOf("\r\n.\r\n"))))
        assert.ok(!messages.some(({ from }) => from === "x@y.test"), JSON.stringify(between));
    }),
    { numRuns: cases },
  );
});
