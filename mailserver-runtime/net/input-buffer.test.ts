import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InputBuffer } from "./input-buffer.ts";

function lines(chunks: readonly Buffer[], limit: number, bareLf: boolean): string[] {
  const input = new InputBuffer();
  const found: string[] = [];
  for (const chunk of chunks) {
    input.push(chunk);
    for (;;) {
      const line = input.line(limit, bareLf);
      if (line === undefined) break;
      if (line === "too-long") return [...found, "<too long>"];
      found.push(line.toString("latin1"));
    }
  }
  return found;
}

test("lines are the same however the bytes are cut into packets (RFC 5321 §2.3.8)", () => {
  const byte = fc.constantFrom("a", "b", "\r", "\n", "\r\n", "xyz");
  fc.assert(
    fc.property(
      fc.array(byte, { maxLength: 60 }),
      fc.array(fc.nat(20), { maxLength: 30 }),
      fc.boolean(),
      (parts, cuts, bareLf) => {
        const bytes = Buffer.from(parts.join(""), "latin1");
        const expected = bytes.toString("latin1").split(bareLf ? /\r?\n/ : "\r\n");
        expected.pop();
        const chunks: Buffer[] = [];
        let at = 0;
        for (const cut of cuts) {
          chunks.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        chunks.push(bytes.subarray(Math.min(at, bytes.length)));
        assert.deepEqual(lines(chunks, 1000, bareLf), expected);
      },
    ),
    { numRuns: 3000 },
  );
});

test("takes, lines and bytes put back give every byte once and in order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3), fc.uint8Array({ maxLength: 40 })), { maxLength: 40 }),
      (steps) => {
        const input = new InputBuffer();
        let expected = Buffer.alloc(0);
        for (const [kind, bytes] of steps) {
          const chunk = Buffer.from(bytes);
          if (kind === 0) {
            input.push(chunk);
            expected = Buffer.concat([expected, chunk]);
          } else if (kind === 1) {
            input.unshift(chunk);
            expected = Buffer.concat([chunk, expected]);
          } else {
            const taken = input.take(1 + chunk.length) ?? Buffer.alloc(0);
            assert.deepEqual(Buffer.from(taken), Buffer.from(expected.subarray(0, taken.length)));
            expected = expected.subarray(taken.length);
          }
          assert.equal(input.length, expected.length);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test("a line of exactly the limit passes and one byte more does not, whole or in pieces", () => {
  const fits = Buffer.from(`${"x".repeat(10)}\r\n`);
  const tooLong = Buffer.from(`${"x".repeat(11)}\r\n`);
  assert.deepEqual(lines([fits], 10, false), ["xxxxxxxxxx"]);
  assert.deepEqual(lines([fits.subarray(0, 11), fits.subarray(11)], 10, false), ["xxxxxxxxxx"]);
  assert.deepEqual(lines([tooLong], 10, false), ["<too long>"]);
  assert.deepEqual(lines([tooLong.subarray(0, 12), tooLong.subarray(12)], 10, false), ["<too long>"]);
});

test("a peer that sends single bytes costs bytes, not objects", () => {
  const input = new InputBuffer();
  const started = process.memoryUsage();
  for (let count = 0; count < 60_000; count++) input.push(Buffer.from("x"));
  assert.equal(input.line(65_536, true), undefined);
  const grown = process.memoryUsage().external - started.external;
  assert.equal(input.length, 60_000);
  assert.ok(grown < 20_000_000, `${grown} bytes held for 60,000`);
  input.push(Buffer.from("\n"));
  assert.equal((input.line(65_536, true) as Buffer).length, 60_000);
});
