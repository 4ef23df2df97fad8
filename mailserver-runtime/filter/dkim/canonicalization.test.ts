import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RelaxedBody, relaxedField } from "./canonicalization.ts";

function relaxed(body: string, cuts: readonly number[] = []): string {
  const out: Buffer[] = [];
  const machine = new RelaxedBody((bytes) => out.push(Buffer.from(bytes)));
  const bytes = Buffer.from(body, "latin1");
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    machine.write(bytes.subarray(from, cut));
    from = Math.max(from, cut);
  }
  machine.end();
  return Buffer.concat(out).toString("latin1");
}
/** RFC 6376 §3.4.4 in its own words, for comparison. */
function bySpecification(body: string): string {
  const lines = body.split("\r\n").map((line) => line.replace(/[ \t]+/g, " ").replace(/ $/, ""));
  const text = lines.join("\r\n").replace(/(\r\n)+$/, "");
  return text === "" ? "" : `${text}\r\n`;
}

test("the example of RFC 6376 §3.4.5", () => {
  assert.equal(relaxed(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
  assert.equal(relaxedField(Buffer.from("A: X\r\n")), "a:X\r\n");
  assert.equal(relaxedField(Buffer.from("B : Y\t\r\n\tZ  \r\n")), "b:Y Z\r\n");
});

test("an empty body and one of empty lines are empty (RFC 6376 §3.4.4)", () => {
  for (const body of ["", "\r\n", "\r\n\r\n", " \t\r\n"]) assert.equal(relaxed(body), "");
});

test("wherever the chunks end, the result is that of the specification's words", () => {
  const piece = fc.constantFrom("a", "bc", " ", "\t", "\r\n", "\r\n\r\n", " \r\n", "x".repeat(50));
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 40 }),
      fc.array(fc.nat(200), { maxLength: 6 }),
      (pieces, cuts) => {
        const body = pieces.join("");
        const sorted = cuts.filter((cut) => cut <= body.length).sort((a, b) => a - b);
        assert.equal(relaxed(body, sorted), bySpecification(body));
      },
    ),
    { numRuns: 2000 },
  );
});

test("a million empty lines cost memory only when text follows them", () => {
  const lines = "\r\n".repeat(100_000);
  assert.equal(relaxed(`a${lines}b`).length, 2 + 200_000 + 2);
  assert.equal(relaxed(`a${lines}`), "a\r\n");
});
