/**
 * The smuggling oracle: a message that was taken must be one message to whoever reads it next, however that
 * reader understands line ends, and the same one.
 *
 * Random bytes go in by DATA or BDAT, what was taken goes out as the queue sends it, and a table of readers
 * that have existed in the field looks for the end. Each must find it in the same place: at the very end.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DotStuffer, StrayLineEnd } from "../queue/client/dot-stuffing.ts";
import { DataScanner } from "./data-scanner.ts";
import { fuzzRun } from "./fuzz-for-tests.ts";
import { runScript } from "./scripted-session-for-tests.ts";

/** How servers have ended DATA: the first match of the pattern is the end. */
const readers: readonly { readonly name: string; readonly end: RegExp; readonly without?: RegExp }[] = [
  { name: "RFC 5321", end: /(?:^|\r\n)\.\r\n/ },
  { name: "LF alone ends lines (old Sendmail, Postfix before 3.9)", end: /(?:^|\r?\n)\.\r?\n/ },
  { name: "LF dot CRLF", end: /(?:^|\n)\.\r\n/ },
  { name: "CRLF dot LF", end: /(?:^|\r\n)\.\r?\n/ },
  { name: "CR alone ends lines (Cisco)", end: /(?:^|\r\n?|\n)\.(?:\r\n?|\n)/ },
  { name: "NULs are dropped first", end: /(?:^|\r\n)\.\r\n/, without: /\0/g },
  { name: "NULs are dropped, any line end", end: /(?:^|\r\n?|\n)\.(?:\r\n?|\n)/, without: /\0/g },
];

/** As the queue writes it to the next server. */
function sent(content: string, cuts: readonly number[]): string {
  const stuffer = new DotStuffer();
  const pieces: Buffer[] = [];
  const bytes = Buffer.from(content, "latin1");
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    pieces.push(...stuffer.push(bytes.subarray(at, at + cut)));
    at += cut;
  }
  pieces.push(stuffer.finish());
  return Buffer.concat(pieces).toString("latin1");
}
function assertOneMessage(content: string, cuts: readonly number[]): void {
  const wire = sent(content, cuts);
  for (const { name, end, without } of readers) {
    const seen = without === undefined ? wire : wire.replace(without, "");
    const found = end.exec(seen);
    assert.ok(found !== null, `${name} finds no end in ${JSON.stringify(wire)}`);
    assert.equal(
      found.index + found[0].length,
      seen.length,
      `${name} finds an early end in ${JSON.stringify(wire)}`,
    );
  }
  const scanner = new DataScanner(100_000);
  const again: Buffer[] = [];
  const length = scanner.scan(Buffer.from(wire, "latin1"), (piece) => again.push(piece));
  const expected = content === "" || content.endsWith("\r\n") ? content : `${content}\r\n`;
  assert.deepEqual(
    [length, scanner.fault, Buffer.concat(again).toString("latin1")],
    [wire.length, undefined, expected],
  );
}

const part = fc.constantFrom(
  ...[
    "a",
    "text",
    ".",
    "..",
    "\0",
    "\r",
    "\n",
    "\r\n",
    "\r\n.",
    "\n.",
    "\r.",
    "\r\n\0.",
    "\r\r\n",
    "\n\r",
    "\xff",
  ],
  "MAIL FROM:<evil@y.test>\r\n",
  "\r\n.\r\n",
);
const bytes = fc.array(part, { maxLength: 14 }).map((parts) => parts.join(""));
const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 12 });

/** Cuts a text into packets. */
function packets(text: string, lengths: readonly number[]): Buffer[] {
  const all = Buffer.from(text, "latin1");
  const found: Buffer[] = [];
  let at = 0;
  for (const length of [...lengths, all.length]) {
    found.push(all.subarray(at, at + length));
    at += length;
  }
  return found;
}
const transaction = ["EHLO x\r\n", "MAIL FROM:<x@y.test>\r\nRCPT TO:<ann@example.org>\r\n"].map((text) =>
  Buffer.from(text),
);

test("what DATA took is one and the same message to every reader after us", async (t) => {
  await fc.assert(
    fc.asyncProperty(bytes, cuts, cuts, async (body, inCuts, outCuts) => {
      const script = [...transaction, Buffer.from("DATA\r\n"), ...packets(`${body}\r\n.\r\n`, inCuts)];
      const { messages } = await runScript(script, "mx");
      const plain = `\r\n${body}\r\n.\r\n`;
      const first = plain.slice(2, plain.indexOf("\r\n.\r\n") + 2);
      for (const [index, { from, content }] of messages.entries()) {
        assertOneMessage(content, outCuts);
        // The reader's own view: the first message ends at the first CRLF dot CRLF, undone of its doubled dots.
        if (index > 0) continue;
        assert.equal(from, "x@y.test");
        assert.equal(content, `\r\n${first}`.replaceAll("\r\n.", "\r\n").slice(2));
      }
    }),
    fuzzRun(t, 0.2),
  );
});

test("what BDAT took is byte for byte what its chunks held, and one message to every reader after us", async (t) => {
  const chunks = fc.array(bytes, { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(chunks, cuts, cuts, async (texts, inCuts, outCuts) => {
      const last = texts.length - 1;
      const wire = texts
        .map((text, index) => `BDAT ${text.length}${index === last ? " LAST" : ""}\r\n${text}`)
        .join("");
      const { messages, sent: said } = await runScript([...transaction, ...packets(wire, inCuts)], "mx");
      assert.ok(messages.length <= 1);
      for (const { from, content } of messages) {
        assert.equal(from, "x@y.test");
        assert.equal(content, texts.join(""));
        assertOneMessage(content, outCuts);
      }
      if (messages.length === 0) assert.match(said, /^554 5\.6\.0/m);
    }),
    fuzzRun(t, 0.15),
  );
});

test("the queue itself sends nothing that holds a second end, wherever it came from", (t) => {
  fc.assert(
    fc.property(bytes, cuts, (content, lengths) => {
      let wire: string;
      try {
        wire = sent(content, lengths);
      } catch (error) {
        assert.ok(error instanceof StrayLineEnd);
        assert.match(content, /\r(?!\n)|(?<!\r)\n/);
        return;
      }
      for (const { name, end, without } of readers)
        if (without === undefined) {
          const found = end.exec(wire);
          assert.equal((found?.index ?? 0) + (found?.[0].length ?? 0), wire.length, name);
        }
    }),
    fuzzRun(t, 0.05),
  );
});
