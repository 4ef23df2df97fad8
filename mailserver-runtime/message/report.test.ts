import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { headerValue, parseHeaders } from "./headers.ts";
import { buildReport, type ReportAction, type ReportInput } from "./report.ts";

const input: ReportInput = {
  hostname: "mail.here.test",
  to: "ann@here.test",
  recipients: [
    { address: "bob@sink.test", action: "failed", status: "5.1.1", text: "550 5.1.1 no", remote: "mx.test" },
  ],
  arrivedAt: 0,
  queueId: "q1",
  original: Buffer.from("Subject: x\r\n"),
  whole: false,
  now: 1,
};

/** The MIME parts of a report, split at its boundary as a reader would (RFC 2046 §5.1.1). */
function partsOf(bytes: Buffer): readonly string[] {
  const headers = parseHeaders(bytes);
  const type = headerValue(headers, "content-type") ?? assert.fail("no type");
  const boundary = /boundary="([^"]+)"/.exec(type)?.[1] ?? assert.fail("no boundary");
  const body = bytes.subarray(headers.bodyStart).toString("latin1");
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`);
  assert.equal(pieces.at(-1), "--\r\n");
  return pieces.slice(1, -1).map((piece) => piece.replace(/^\r\n/, ""));
}

test("a report repeats when its message was to leave (RFC 4865 §6), in one line whatever it holds", () => {
  const field = (releaseRequest?: string) =>
    /\r\nFuture-Release-Request: (.*)\r\n/.exec(
      buildReport({ ...input, releaseRequest }).bytes.toString(),
    )?.[1];
  assert.equal(field("for;3600"), "for;3600");
  assert.equal(field("until;2026-05-01T12:00:00Z\r\nX: y"), "until;2026-05-01T12:00:00Z X: y");
  assert.equal(field(), undefined);
});

test("a report has three parts: words, status, original (RFC 6522 §3, RFC 3464 §2)", () => {
  const { bytes, utf8, eightBit } = buildReport(input);
  assert.deepEqual([utf8, eightBit], [false, false]);
  const types = partsOf(bytes).map((part) => /^Content-Type: ([^;\r]+)/.exec(part)?.[1]);
  assert.deepEqual(types, ["text/plain", "message/delivery-status", "text/rfc822-headers"]);
  assert.deepEqual(
    partsOf(buildReport({ ...input, whole: true }).bytes).map(
      (part) => /^Content-Type: ([^;\r]+)/.exec(part)?.[1],
    )[2],
    "message/rfc822",
  );
  const headers = parseHeaders(bytes);
  for (const name of ["from", "to", "date", "message-id", "subject", "mime-version"])
    assert.notEqual(headerValue(headers, name), undefined, name);
});

test("UTF-8 addresses make it a global report (RFC 6533)", () => {
  const recipients = [{ ...input.recipients[0]!, address: "jürgen@sink.test" }];
  const { bytes, utf8, eightBit } = buildReport({ ...input, recipients });
  assert.deepEqual([utf8, eightBit], [true, true]);
  const types = partsOf(bytes).map((part) => /^Content-Type: ([^;\r]+)/.exec(part)?.[1]);
  assert.deepEqual(types.slice(1), ["message/global-delivery-status", "message/global-headers"]);
  assert.match(bytes.toString(), /Final-Recipient: utf-8; jürgen@sink\.test/);
});

test("our own reason never stands as a remote server's reply (RFC 3464 §2.3.6)", () => {
  const recipients = [{ ...input.recipients[0]!, remote: undefined, text: "no such domain" }];
  const report = buildReport({ ...input, recipients }).bytes.toString();
  assert.match(report, /Diagnostic-Code: x-mailkeep; no such domain/);
  assert.doesNotMatch(report, /Remote-MTA/);
});

test("whatever a server says or a sender wrote, a report keeps its structure and its lines", () => {
  const nasty = fc.oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.constantFrom("550 a\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n", "\r\nBcc: x@y", "a".repeat(3000)),
  );
  const action = fc.constantFrom<ReportAction>("failed", "delayed", "delivered", "relayed");
  const recipient = fc.record({
    address: nasty.map((text) => text.slice(0, 100)),
    action,
    status: fc.constant("5.0.0"),
    text: nasty.map((text) => text.slice(0, 900)),
    remote: fc.option(
      nasty.map((text) => text.slice(0, 60)),
      { nil: undefined },
    ),
    orcpt: fc.option(
      nasty.map((text) => text.slice(0, 100)),
      { nil: undefined },
    ),
    willRetryUntil: fc.option(fc.nat(), { nil: undefined }),
  });
  fc.assert(
    fc.property(
      fc.array(recipient, { minLength: 1, maxLength: 5 }),
      fc.option(nasty, { nil: undefined }),
      (recipients, envid) => {
        const { bytes } = buildReport({ ...input, recipients, envid: envid?.slice(0, 100) });
        const parts = partsOf(bytes);
        assert.equal(parts.length, 3);
        const text = bytes.toString();
        assert.doesNotMatch(text, /[^\r]\n|\r[^\n]/);
        assert.ok(text.split("\r\n").every((line) => Buffer.byteLength(line) <= 998));
        const blocks = (parts[1] ?? "").split("\r\n\r\n").slice(1);
        assert.equal(
          blocks.length,
          1 + recipients.length,
          "a block for the message and one for each recipient",
        );
        for (const block of blocks.slice(1)) assert.match(block, /^(Original-Recipient|Final-Recipient): /);
      },
    ),
    { numRuns: 500 },
  );
});
