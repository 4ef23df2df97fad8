import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { partAt } from "./sections.ts";
import { MAX_DEPTH, MAX_PARTS, type MimePart, parseStructure, StructureParser } from "./structure.ts";

const lines = (...parts: string[]) => Buffer.from(parts.join("\r\n"), "latin1");

const NESTED = lines(
  "Content-Type: multipart/mixed; boundary=outer",
  "",
  "--outer",
  "Content-Type: multipart/alternative; boundary=inner",
  "",
  "--inner",
  "",
  "text",
  "--inner",
  "Content-Type: text/html",
  "",
  "<p>",
  "--inner--",
  "--outer",
  "Content-Type: message/rfc822",
  "",
  "Subject: x",
  "",
  "body",
  "--outer--",
  "",
);

/** Every part with its number and its body. */
function outline(message: Buffer, part: MimePart): string {
  const children = part.children.map((child) => outline(message, child)).join(" ");
  const body =
    children === "" ? JSON.stringify(message.toString("latin1", part.bodyStart, part.end)) : `(${children})`;
  return `${part.type}/${part.subtype}${body}`;
}

function count(part: MimePart): number {
  let total = 0;
  const stack = [part];
  for (let next = stack.pop(); next; next = stack.pop()) {
    total += 1;
    stack.push(...next.children);
  }
  return total;
}

/** The machine may do other things as well. */
const processorMilliseconds = () => process.cpuUsage().user / 1000;

describe("MIME structure", () => {
  it("the line end before a boundary belongs to the boundary (RFC 2046 §5.1.1)", () => {
    assert.equal(
      outline(NESTED, parseStructure(NESTED)),
      'multipart/mixed(multipart/alternative(text/plain"text" text/html"<p>") message/rfc822(text/plain"body"))',
    );
  });

  it("a message in chunks of any size has the same structure", () => {
    const expected = parseStructure(NESTED);
    for (const size of [1, 2, 3, 7, 50]) {
      const parser = new StructureParser();
      for (let at = 0; at < NESTED.length; at += size) parser.push(NESTED.subarray(at, at + size));
      assert.deepEqual(parser.end(), expected, `chunks of ${size}`);
    }
  });

  it("parts are found by their IMAP numbers (RFC 9051 §6.4.5.1)", () => {
    const root = parseStructure(NESTED);
    const text = (path: number[]) => {
      const part = partAt(root, path);
      return part && NESTED.toString("latin1", part.bodyStart, part.end);
    };
    assert.equal(text([1, 1]), "text");
    assert.equal(text([1, 2]), "<p>");
    assert.equal(text([2]), "Subject: x\r\n\r\nbody");
    assert.equal(text([2, 1]), "body");
    assert.equal(text([2, 2]), undefined);
    assert.equal(text([1, 1, 1]), undefined);
    assert.equal(partAt(parseStructure(lines("A: b", "", "x")), [1])?.end, 9);
  });

  it("a part without an end ends with the message", () => {
    const message = lines("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "open");
    assert.equal(outline(message, parseStructure(message)), 'multipart/mixed(text/plain"open")');
  });

  it("what cannot be read is text/plain (RFC 2045 §5.2)", () => {
    for (const type of ["", "text", "/", "multi part/x", '"a"/b']) {
      const part = parseStructure(lines(`Content-Type: ${type}`, "", "x"));
      assert.equal(`${part.type}/${part.subtype}`, "text/plain", type);
    }
  });

  it("a digest's parts are messages by default (RFC 2046 §5.1.5)", () => {
    const message = lines(
      "Content-Type: multipart/digest; boundary=b",
      "",
      "--b",
      "",
      "Subject: s",
      "",
      "t",
      "--b--",
    );
    assert.equal(
      outline(message, parseStructure(message)),
      'multipart/digest(message/rfc822(text/plain"t"))',
    );
  });

  it(`20,000 parts become ${MAX_PARTS} in bounded time`, () => {
    const message = Buffer.from(
      `Content-Type: multipart/mixed; boundary=b\r\n\r\n${"--b\r\n\r\nx\r\n".repeat(20_000)}--b--\r\n`,
    );
    const began = processorMilliseconds();
    const root = parseStructure(message);
    assert.ok(processorMilliseconds() - began < 1500);
    assert.ok(count(root) <= MAX_PARTS + 1);
  });

  it(`1,000 levels become ${MAX_DEPTH} in bounded time`, () => {
    let text = "";
    for (let level = 0; level < 1000; level += 1)
      text += `Content-Type: multipart/mixed; boundary=b${level}\r\n\r\n--b${level}\r\n`;
    const nested = "Content-Type: message/rfc822\r\n\r\n".repeat(1000);
    const began = processorMilliseconds();
    for (const message of [text, nested]) {
      let depth = 0;
      for (
        let part: MimePart | undefined = parseStructure(Buffer.from(message));
        part;
        part = part.children[0]
      )
        depth += 1;
      assert.ok(depth <= MAX_DEPTH && depth > 50, `${depth}`);
    }
    assert.ok(processorMilliseconds() - began < 1500);
  });

  it("10 MB of lines that look like boundaries are read in bounded time", () => {
    let header = "";
    for (let level = 0; level < 90; level += 1)
      header += `Content-Type: multipart/mixed; boundary=b${level}\r\n\r\n--b${level}\r\n`;
    const message = Buffer.from(header + "--b\r\n".repeat(2_000_000));
    const began = processorMilliseconds();
    parseStructure(message);
    assert.ok(processorMilliseconds() - began < 5000);
  });

  it("offsets of any bytes stay inside the message and in order", () => {
    const pieces = [
      "--b",
      "--b--",
      "\r\n",
      "\n",
      "Content-Type: multipart/mixed; boundary=b",
      "Content-Type: message/rfc822",
      ":",
      " x",
      "",
      "\0",
      "--c",
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 60 }), (chosen) => {
        const message = Buffer.from(chosen.join("\r\n"), "latin1");
        const check = (part: MimePart, from: number, to: number) => {
          assert.ok(from <= part.headerStart && part.headerStart <= part.bodyStart);
          assert.ok(
            part.bodyStart <= part.end &&
              part.end <= Math.max(to, part.bodyStart) &&
              part.end <= message.length,
          );
          assert.ok(part.lines >= 0);
          for (const child of part.children) check(child, part.bodyStart, part.end);
        };
        check(parseStructure(message), 0, message.length);
      }),
      { numRuns: 2000 },
    );
  });
});
