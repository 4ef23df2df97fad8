/**
 * A client that breaks bytes, against a real listener: sockets, packets and half closes as they come. What it may
 * never do is crash the server, make it silent, make it grow, or have a message taken that nobody sent.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { fuzzRun } from "./fuzz-for-tests.ts";
import { greeted, smtpServer } from "./testing.ts";

/** Numbers of a seed: fast-check's values would cost more than the sockets. */
function dice(seed: number): Roll {
  let state = seed >>> 0;
  return (sides) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

/** Each is a list of groups: a client that keeps the rules hears an answer before it sends the next (RFC 2920). */
const dialogues = [
  [
    "EHLO c.test\r\n",
    "MAIL FROM:<x@y.test> SIZE=40 BODY=8BITMIME\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n",
    "Subject: genuine\r\n\r\n..dot\r\n.\r\nQUIT\r\n",
  ],
  [
    "EHLO c.test\r\n",
    "MAIL FROM:<>\r\nRCPT TO:<sales@example.org> NOTIFY=NEVER\r\nBDAT 24\r\nSubject: genuine\r\n\r\nbody\r\nBDAT 3 LAST\r\nx\r\n",
  ],
  ["HELO c.test\r\n", "VRFY a\r\n", "NOOP\r\n", "RSET\r\n", "HELP\r\n", "STARTTLS\r\n"],
  [
    "EHLO c.test\r\n",
    "MAIL FROM:<x@y.test>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n",
    "Subject: genuine\r\n\r\nx\r\n.\r\n",
  ],
];
const insertions = [
  ...["\r", "\n", "\0", ".", "\r\n", "\r\n.\r\n", "\n.\n", "\xff", "<", ">", "BDAT 7\r\n", "DATA\r\n"],
  "9".repeat(20),
  "A".repeat(4500),
];

type Roll = (sides: number) => number;

/** One client's groups: some dialogues, some of their groups broken in up to three places. */
function hostileGroups(roll: Roll): Buffer[] {
  const groups: Buffer[] = [];
  for (let count = 1 + roll(2); count > 0; count--)
    for (const group of dialogues[roll(dialogues.length)]!) {
      let text = group;
      for (let breaks = roll(3) === 0 ? 1 + roll(3) : 0; breaks > 0; breaks--) {
        const at = roll(text.length);
        const kind = roll(3);
        const inserted =
          kind === 0
            ? String.fromCharCode(roll(256))
            : kind === 1
              ? insertions[roll(insertions.length)]!
              : "";
        text = text.slice(0, at) + inserted + text.slice(at + roll(4));
      }
      groups.push(Buffer.from(text, "latin1"));
    }
  return roll(8) === 0 ? [Buffer.concat(groups)] : groups;
}

/** How long a client waits for an answer that may never come. */
const PATIENCE_MS = 15;

/** Sends the groups and ends; resolves with what was heard once the server has closed too. */
function converse(port: number, groups: readonly Buffer[], roll: Roll): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    let heard = "";
    let next = 0;
    let patience: NodeJS.Timeout | undefined;
    const more = () => {
      clearTimeout(patience);
      const group = groups[next++];
      if (group === undefined) {
        if (roll(20) === 0) socket.resetAndDestroy();
        else socket.end();
        return;
      }
      const cut = roll(3) === 0 ? roll(group.length + 1) : group.length;
      socket.write(group.subarray(0, cut));
      if (cut < group.length) setImmediate(() => socket.write(group.subarray(cut)));
      patience = setTimeout(more, PATIENCE_MS);
    };
    socket.on("data", (chunk) => {
      heard += chunk.toString("latin1");
      more();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(patience);
      resolve(heard);
    });
  });
}

test("a client that breaks bytes never makes the server fall, fall silent, grow, or take what was not sent", {
  timeout: 3_600_000,
}, async (t) => {
  const { numRuns, seed } = fuzzRun(t, 0.2);
  let taken = 0;
  const server = await smtpServer(t, {
    keepNothing: true,
    limits: { errorDelayMs: 0 },
    listening: { limits: { total: 1000, perAddress: 1000 } },
    store: {
      async deliver({ content, recipients }) {
        taken++;
        const bytes = content.buffer?.toString("latin1") ?? "";
        assert.doesNotMatch(bytes, /\r(?!\n)|(?<!\r)\n/);
        return recipients.map(({ account }) => ({ account, stored: true as const }));
      },
      usage: async () => ({ bytes: 0, messages: 0 }),
    },
  });
  const roll = dice(seed);
  let done = 0;
  let slowest = 0;
  let settled = 0;
  let broken = 0;
  const rss = () => process.memoryUsage().rss / 1e6;
  const client = async () => {
    while (done < numRuns) {
      done++;
      const groups = hostileGroups(roll);
      const begin = performance.now();
      const heard = await converse(server.port, groups, roll);
      slowest = Math.max(slowest, performance.now() - begin);
      if (heard !== "")
        assert.match(
          heard,
          /^220 [^\r\n]*\r\n(?:\d{3}[ -][ -~\x80-\xff]*\r\n)*$/,
          JSON.stringify(Buffer.concat(groups).toString("latin1")),
        );
      // What the first thousands leave behind is the runtime warming up.
      if (done === Math.min(20_000, Math.ceil(numRuns / 2))) settled = rss();
      broken += server.logged.filter(({ event }) => /-failed$/.test(String(event))).length;
      server.logged.length = 0;
    }
  };
  await Promise.all(Array.from({ length: 20 }, client));
  const dialogue = await greeted(t, server.port);
  assert.match(await dialogue.say("NOOP"), /^250/);
  dialogue.socket.destroy();
  const grown = rss() - settled;
  t.diagnostic(
    `${done} clients, ${taken} messages taken, slowest ${slowest.toFixed(0)} ms, ${grown.toFixed(0)} MB grown`,
  );
  assert.ok(taken > 0);
  assert.equal(broken, 0, "lines of the log about what should not happen");
  assert.ok(slowest < 20_000, "no connection stalls");
  assert.ok(grown < 100, `${grown} MB`);
});
