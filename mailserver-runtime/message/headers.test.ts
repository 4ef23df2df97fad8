import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { memoryContent } from "./content.ts";
import { formatDate } from "./date.ts";
import {
  fieldBytes,
  fieldValue,
  findFields,
  fromDomain,
  headerValue,
  MAX_HEADER_FIELDS,
  parseHeaders,
  readHeaders,
} from "./headers.ts";
import { newMessageId } from "./message-id.ts";

const message = (text: string): Buffer => Buffer.from(text, "utf8");

test("fields are found with their values unfolded, any case of name (RFC 5322 §2.2.3)", () => {
  const headers = parseHeaders(
    message(
      "Subject: a\r\n b\r\n\tc\r\nfrom:ann@example.org\r\nX-Empty:\r\nSUBJECT: second\r\n\r\nBody: no\r\n",
    ),
  );
  assert.deepEqual(
    headers.fields.map((field) => field.name),
    ["subject", "from", "x-empty", "subject"],
  );
  assert.equal(headerValue(headers, "Subject"), "a b\tc");
  assert.equal(headerValue(headers, "From"), "ann@example.org");
  assert.equal(headerValue(headers, "x-empty"), "");
  assert.equal(headerValue(headers, "body"), undefined);
  assert.equal(findFields(headers, "subject").length, 2);
  assert.equal(headers.bytes.subarray(headers.bodyStart).toString(), "Body: no\r\n");
  assert.equal(headers.complete, true);
  assert.equal(headers.malformed, false);
});

test("lines that end in LF alone are read as well", () => {
  const headers = parseHeaders(message("A: 1\n 2\nB: 3\n\nbody"));
  assert.equal(headerValue(headers, "a"), "1 2");
  assert.equal(headerValue(headers, "b"), "3");
  assert.equal(headers.bytes.subarray(headers.bodyStart).toString(), "body");
});

test("a line that is no field ends the section, and says so", () => {
  for (const bad of [
    "no colon here\r\n",
    ": no name\r\n",
    " folded nothing\r\n",
    "na me: x\r\n",
    "n\0: x\r\n",
  ]) {
    const headers = parseHeaders(message(`${bad}A: 1\r\n\r\nbody`));
    assert.equal(headers.malformed, true, bad);
    assert.equal(headers.fields.length, 0, bad);
    assert.equal(headers.bodyStart, 0, bad);
  }
  const obsolete = parseHeaders(message("Subject : x\r\n\r\n"));
  assert.equal(
    headerValue(obsolete, "subject"),
    "x",
    "blanks before the colon are obsolete, not wrong (§4.5)",
  );
});

test("a section without its empty line is incomplete", () => {
  const headers = parseHeaders(message("A: 1\r\nB: 2"));
  assert.equal(headers.complete, false);
  assert.equal(headerValue(headers, "b"), "2");
});

test("UTF-8 values are decoded (RFC 6532), other bytes do no harm", () => {
  const bytes = Buffer.concat([message("A: ü\r\nB: "), Buffer.from([0xff, 0xfe]), message("\r\n\r\n")]);
  const headers = parseHeaders(bytes);
  assert.equal(headerValue(headers, "a"), "ü");
  assert.equal(headerValue(headers, "b"), "\ufffd\ufffd");
});

test("the fields' bytes, one after the other, are the section's bytes", () => {
  const line = fc.tuple(
    fc.stringMatching(/^[!-9;-~]{1,12}$/),
    fc.constantFrom(":", ": ", " :"),
    fc.string({ maxLength: 30 }).map((value) => value.replace(/[\r\n]/g, " ")),
    fc.constantFrom("\r\n", "\n", "\r\n folded\r\n"),
  );
  fc.assert(
    fc.property(fc.array(line), fc.uint8Array(), (lines, body) => {
      const section = message(lines.map((parts) => parts.join("")).join(""));
      const headers = parseHeaders(Buffer.concat([section, message("\r\n"), body]));
      assert.equal(headers.fields.length, lines.length);
      assert.deepEqual(Buffer.concat(headers.fields.map((field) => fieldBytes(headers, field))), section);
      assert.deepEqual(headers.bytes.subarray(headers.bodyStart), Buffer.from(body));
    }),
    { numRuns: 500 },
  );
});

test("no bytes make the reader throw", () => {
  const pieces = fc.constantFrom("\r", "\n", ":", " ", "a", "From", "<a@b.c>", "\0", "\t");
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
    fc.array(pieces, { maxLength: 100 }).map((parts) => message(parts.join(""))),
  );
  fc.assert(
    fc.property(bytes, (input) => {
      const headers = parseHeaders(input);
      for (const field of headers.fields) fieldValue(headers, field);
      fromDomain(headers);
      assert.ok(headers.bodyStart >= headers.end && headers.bodyStart <= input.length);
    }),
    { numRuns: 5000 },
  );
});

test("a section of endless fields is cut off at its limit", () => {
  const headers = parseHeaders(message("a:\r\n".repeat(MAX_HEADER_FIELDS + 5)));
  assert.equal(headers.fields.length, MAX_HEADER_FIELDS);
  assert.equal(headers.malformed, true);
});

test("headers of a message in a file are read in steps up to the empty line", async () => {
  const text = `A: ${"x".repeat(70_000)}\r\nB: 2\r\n\r\n${"body\r\n".repeat(10)}`;
  const whole = memoryContent(message(text));
  let reads = 0;
  const spooled = {
    ...whole,
    buffer: undefined,
    read: (start: number, length: number) => {
      reads += 1;
      return whole.read(start, length);
    },
  };
  const headers = await readHeaders(spooled);
  assert.equal(headerValue(headers, "b"), "2");
  assert.equal(headers.complete, true);
  assert.equal(reads, 3);
});

const froms: readonly (readonly [header: string, expected: string])[] = [
  ["From: Ann <ann@Example.ORG>\r\n", "example.org"],
  ["From: ann@bücher.example\r\n", "xn--bcher-kva.example"],
  ["From: a@example.org, b@example.org\r\n", "example.org"],
  ["From: a@example.org, b@other.example\r\n", "several domains"],
  ["From: a@example.org\r\nFrom: a@example.org\r\n", "several From"],
  ["From: nobody\r\n", "no address"],
  ["To: a@example.org\r\n", "no From"],
];
test("the From domain is one domain of one field, or a reason why not (RFC 7489 §6.6.1)", () => {
  for (const [header, expected] of froms) {
    const found = fromDomain(parseHeaders(message(`${header}\r\n`)));
    assert.equal(found.ok ? found.domain : found.reason, expected, header);
  }
});

test("dates and identifiers have the form of RFC 5322 §3.3 and §3.6.4", () => {
  assert.equal(formatDate(Date.UTC(2026, 10, 3, 6, 9, 20)), "Tue, 3 Nov 2026 06:09:20 +0000");
  assert.match(newMessageId("mail.example.org"), /^<[a-z0-9]+\.[0-9a-f]{20}@mail\.example\.org>$/);
  assert.notEqual(newMessageId("a"), newMessageId("a"));
});
