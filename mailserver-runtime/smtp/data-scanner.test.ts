import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DataScanner } from "./data-scanner.ts";

interface Scanned {
  readonly content: string;
  readonly fault: string | undefined;
  readonly unclearEnd: boolean;
  /** What follows the end; undefined when the end has not come. */
  readonly rest: string | undefined;
}
function scanned(bytes: Buffer, cuts: readonly number[] = [], lineLimit = 1000): Scanned {
  const scanner = new DataScanner(lineLimit);
  const content: Buffer[] = [];
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    const chunk = bytes.subarray(at, at + cut);
    const end = scanner.scan(chunk, (piece) => content.push(piece));
    if (end !== -1)
      return {
        content: Buffer.concat(content).toString("latin1"),
        fault: scanner.fault,
        unclearEnd: scanner.unclearEnd,
        rest: bytes.toString("latin1", at + end),
      };
    at += chunk.length;
  }
  return {
    content: Buffer.concat(content).toString("latin1"),
    fault: scanner.fault,
    unclearEnd: scanner.unclearEnd,
    rest: undefined,
  };
}
const of = (text: string) => scanned(Buffer.from(text, "latin1"));

test("dot-stuffing is undone and only CR LF dot CR LF ends (RFC 5321 §4.5.2)", () => {
  const table: [string, string, string | undefined][] = [
    ["hello\r\n.\r\nQUIT\r\n", "hello\r\n", "QUIT\r\n"],
    [".\r\n", "", ""],
    ["..\r\n.\r\n", ".\r\n", ""],
    ["..x\r\n...\r\n.\r\n", ".x\r\n..\r\n", ""],
    [".x\r\n.\r\n", "x\r\n", ""],
    ["a.\r\n.\r\n", "a.\r\n", ""],
    ["a\r\n. \r\n.\r\n", "a\r\n \r\n", ""],
    ["a\r\n.", "a\r\n", undefined],
    ["a\r\n.\r", "a\r\n", undefined],
  ];
  for (const [text, content, rest] of table) {
    const result = of(text);
    assert.equal(result.content, content, JSON.stringify(text));
    assert.equal(result.rest, rest, JSON.stringify(text));
    assert.equal(result.fault, undefined, JSON.stringify(text));
  }
});

test("no known smuggling sequence passes: the message is refused, and no unclear end leaves the connection open", () => {
  const lineEnds = ["\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n\r", "\n\n", "\r\r", "\0\r\n", "\r\0\n"];
  for (const before of lineEnds) {
    for (const after of lineEnds) {
      // What holds the true end is the end.
      if (`${before}.${after}`.includes("\r\n.\r\n")) continue;
      const smuggled = `${before}.${after}MAIL FROM:<evil@example.org>\r\n`;
      const result = of(`Subject: x\r\n\r\nfirst${smuggled}more\r\n.\r\n`);
      const name = JSON.stringify(smuggled);
      if (result.fault === undefined) {
        // Without a fault everything up to the true end is one message, the would-be commands in it.
        assert.equal(result.rest, "", name);
        assert.match(result.content, /MAIL FROM/, name);
      } else if (result.rest !== "") assert.ok(result.unclearEnd, `${name} would go on as commands`);
    }
  }
});

/** RFC 5321 §4.5.2 as plainly as it can be said, for messages without faults. */
function reference(text: string): { content: string; rest: string } | undefined {
  const end = `\r\n${text}`.indexOf("\r\n.\r\n");
  if (end === -1) return undefined;
  const body = text.slice(0, end);
  return { content: `\r\n${body}`.replaceAll("\r\n.", "\r\n").slice(2), rest: text.slice(end + 3) };
}

test("the scanner agrees with the plain reading of RFC 5321 §4.5.2, however the bytes are cut", () => {
  const part = fc.constantFrom("a", ".", "..", "\r\n", "\r\n.", "\r\n.\r\n", "\r", "\n", "bc", "\r\n..");
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 25 }),
      fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 40 }),
      (parts, cuts) => {
        const text = parts.join("");
        const bytes = Buffer.from(text, "latin1");
        const whole = scanned(bytes);
        assert.deepEqual(scanned(bytes, cuts), whole);
        assert.deepEqual(scanned(bytes, Array(bytes.length).fill(1)), whole);
        const expected = reference(text);
        const faultless = !/\r(?!\n)|(?<!\r)\n/.test(
          expected === undefined ? text : text.slice(0, text.length - expected.rest.length),
        );
        if (!faultless) {
          if (whole.rest !== undefined) assert.ok(whole.fault !== undefined);
          return;
        }
        assert.equal(whole.fault, undefined);
        assert.equal(whole.rest, expected?.rest);
        if (expected !== undefined) assert.equal(whole.content, expected.content);
      },
    ),
    { numRuns: 5000 },
  );
});

test("a line that is a lone dot without its NULs is refused, other NULs pass", () => {
  const refused = ["a\r\n\0.\r\n", "a\r\n\0\0.\0\r\n", "\0.\r\n", "a\r\n.\0.\r\n"];
  const fine = ["a\r\n\0\r\n", "a\r\n.\0\r\n", "a\r\n\0.x\r\n", "a\r\n\0..\r\n", "a\0.\r\n", "\0a\0\r\n"];
  for (const body of [...refused, ...fine]) {
    const bytes = Buffer.from(`${body}.\r\n`, "latin1");
    const expected = refused.includes(body) ? "hidden-end" : undefined;
    for (const cuts of [[], Array<number>(bytes.length).fill(1)])
      assert.deepEqual(scanned(bytes, cuts).fault, expected, JSON.stringify(body));
  }
});

test("BDAT content is held to whole line ends, its dots are left alone (RFC 3030)", () => {
  const table: [string[], string | undefined][] = [
    [["a\r\n.\r\nb\r\n"], undefined],
    [["a\r", "\n.\r\n"], undefined],
    [["a\r", "b\r\n"], "bare-cr"],
    [["a\nb\r\n"], "bare-lf"],
    [["a\r\n", "\n"], "bare-lf"],
    [["a\r"], "bare-cr"],
    [["a"], undefined],
    [["a\r\n\0.\r\n"], "hidden-end"],
    [["a\r\n\0."], "hidden-end"],
    [["a\r\n\0", ".", "\0", "\r\n"], "hidden-end"],
    [["a\r\n.\0\r\n\0\r\n\0..\r\n\0.x\r\nb\0.\r\n"], undefined],
    [["x".repeat(600), `${"x".repeat(600)}\r\n`], "line-too-long"],
  ];
  for (const [chunks, fault] of table) {
    const scanner = new DataScanner(1000);
    for (const chunk of chunks) scanner.check(Buffer.from(chunk));
    scanner.finish();
    assert.equal(scanner.fault, fault, JSON.stringify(chunks).slice(0, 40));
  }
});

test("a line over the limit is a fault even when it never ends in one chunk", () => {
  const bytes = Buffer.from(`${"x".repeat(1001)}\r\n.\r\n`);
  assert.equal(scanned(bytes, Array(300).fill(5)).fault, "line-too-long");
  assert.equal(scanned(Buffer.from(`${"x".repeat(1000)}\r\n.\r\n`)).fault, undefined);
});

test("hostile bytes cost no more than mail: a megabyte of one control character is scanned at once", () => {
  for (const byte of ["\r", "\n", ".", "\r\n", "\r\n."]) {
    const scanner = new DataScanner(1000);
    const chunk = Buffer.alloc(1_048_576, byte);
    const start = performance.now();
    scanner.scan(chunk, () => {});
    const time = performance.now() - start;
    assert.ok(time < 5000, `${JSON.stringify(byte)} took ${time} ms`);
  }
});
