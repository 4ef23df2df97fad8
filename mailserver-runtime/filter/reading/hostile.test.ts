import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { zoneResolver } from "../../dns/zone-for-tests.ts";
import { memoryContent } from "../../message/content.ts";
import { silentLog } from "../../net/log.ts";
import { Model } from "../bayes/model.ts";
import { evidenceOf } from "../bayes/opinion.ts";
import { featuresOf, MAX_WORDS } from "../bayes/tokens.ts";
import { contentChecks, createInboundFilter } from "../inbound-filter.ts";
import type { Verdict } from "../pipeline.ts";
import { startBreathing } from "./breather.ts";
import { decodeEntities, readHtml } from "./html.ts";
import { MAX_ATTACHMENTS, MAX_TEXTS, readMessage } from "./readable.ts";
import { urlsOf } from "./urls.ts";

const model = new Model();
const filter = createInboundFilter({
  hostname: () => "mx.test",
  resolver: zoneResolver({}),
  log: silentLog,
  checks: contentChecks,
  classifier: {
    evidence: async (message) => evidenceOf(await featuresOf(message, startBreathing()), model, 0),
  },
});
function inspect(bytes: Buffer): Promise<Verdict> {
  return filter.inspect({
    content: memoryContent(bytes),
    client: { address: "192.0.2.1", port: 1, secure: false },
    helo: "x.test",
    from: "",
    recipients: [],
    receivedAt: new Date("2026-11-23T10:00:00Z"),
  });
}
function repeated(unit: string, length: number): string {
  return unit.repeat(Math.ceil(length / unit.length));
}
const MIB = 1024 * 1024;
const multipart = 'Content-Type: multipart/mixed; boundary="b"\r\n\r\n';
function nested(depth: number): string {
  let text = "deep";
  for (let level = depth; level > 0; level -= 1)
    text = `Content-Type: multipart/mixed; boundary="b${level}"\r\n\r\n--b${level}\r\n${text}\r\n--b${level}--`;
  return text;
}
const bomb = deflateRawSync(Buffer.alloc(20 * MIB))
  .toString("base64")
  .replace(/.{76}/g, "$&\r\n");

const hostile: Readonly<Record<string, string>> = {
  "a header line of 1 MB": `Subject: ${repeated("a ", MIB)}\r\n\r\nHi`,
  "a header line of 1 MB of encoded words": `Subject: ${repeated("=?utf-8?q?a?= ", MIB)}\r\n\r\nHi`,
  "a From of 1 MB of quotes and brackets": `From: ${repeated('"<(@,', MIB)}\r\n\r\nHi`,
  "a Date and a Message-ID of 1 MB": `Date: ${repeated("(1 Jan", MIB)}\r\nMessage-ID: <${repeated("@<", MIB)}\r\n\r\nHi`,
  "10,000 parts": `${multipart}${repeated("--b\r\n\r\nx\r\n", 10_000 * 9)}`,
  "parts 500 deep": nested(500),
  "5 MB of base64 that never ends a line": `Content-Transfer-Encoding: base64\r\n\r\n${repeated("QUJD", 5 * MIB)}`,
  "5 MB of broken quoted-printable": `Content-Transfer-Encoding: quoted-printable\r\n\r\n${repeated("=  =\t=ZZ", 5 * MIB)}`,
  "a zip bomb": `${multipart}--b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n${bomb}\r\n--b--`,
  "1 MB of zip headers": `${multipart}--b\r\nContent-Type: application/zip\r\n\r\n${repeated("PK\x03\x04", MIB)}\r\n--b--`,
  "2 MB of open tags": `Content-Type: text/html\r\n\r\n${repeated("<a href=", 2 * MIB)}`,
  "2 MB of open comments": `Content-Type: text/html\r\n\r\n${repeated("<!-- <", 2 * MIB)}`,
  "2 MB of scripts that do not end": `Content-Type: text/html\r\n\r\n${repeated("<script></scrip>", 2 * MIB)}`,
  "2 MB of links": `Content-Type: text/html\r\n\r\n${repeated('<a href="http://a.test/">http://b.test</a>', 2 * MIB)}`,
  "2 MB of addresses": `Subject: x\r\n\r\n${repeated("http://a.test/", 2 * MIB)}`,
  "2 MB of one word": `Subject: x\r\n\r\n${repeated("w", 2 * MIB)}`,
  "2 MB of different words": `Subject: x\r\n\r\n${Array.from({ length: 250_000 }, (_, n) => `w${n}`).join(" ")}`,
  "a charset of nobody's": `Content-Type: text/plain; charset="x-${repeated("q", 50_000)}"\r\n\r\n\xff\xfe\x80`,
  "names full of blanks": `${multipart}--b\r\nContent-Type: x/y; name="${repeated(" ", 60_000)}.exe "\r\n\r\nMZ\r\n--b--`,
};

/** The most CPU time, in milliseconds, that passed between two turns of the loop, and all of it. */
async function measured(work: () => Promise<void>): Promise<{ longest: number; total: number }> {
  let running = true;
  let longest = 0;
  let total = 0;
  // CPU time of this thread: what other processes take on a busy machine is not ours to answer for.
  let last = process.threadCpuUsage();
  const note = () => {
    const used = process.threadCpuUsage(last);
    last = process.threadCpuUsage();
    const milliseconds = (used.user + used.system) / 1000;
    total += milliseconds;
    longest = Math.max(longest, milliseconds);
  };
  const turn = () => {
    note();
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  running = false;
  note();
  return { longest, total };
}

for (const [what, text] of Object.entries(hostile))
  test(`${what}: judged in little time, and the loop is never held for 50 ms`, async () => {
    const bytes = Buffer.from(text, "latin1");
    await inspect(bytes);
    const { longest, total } = await measured(async () => {
      const { findings } = await inspect(bytes);
      assert.ok(
        findings.every(({ symbol }) => !symbol.endsWith("_CHECK_FAILED")),
        JSON.stringify(findings),
      );
    });
    assert.ok(longest < 50, `the loop was held for ${longest} ms`);
    assert.ok(total < 1000, `${total} ms of CPU`);
  });

test("what is read of a message is bounded, whatever its size", async () => {
  const part = "--b\r\nContent-Type: text/plain\r\n\r\n";
  const attached = "--b\r\nContent-Type: x/y\r\n\r\n";
  const body = repeated("word ", MIB);
  const message = multipart + `${part}${body}\r\n`.repeat(4) + `${attached}${body}\r\n`.repeat(4);
  const readable = await readMessage(memoryContent(Buffer.from(message)));
  assert.ok(readable.cut);
  assert.ok(readable.texts.reduce((sum, { raw }) => sum + raw.length, 0) <= MAX_TEXTS);
  assert.ok(readable.attachments.reduce((sum, { head }) => sum + head.length, 0) <= MAX_ATTACHMENTS);
  const { words } = await featuresOf(readable);
  assert.ok(words.length <= MAX_WORDS * 3);
});

test("any bytes are read, judged and turned into features without an error", async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "Subject: =?utf-8?b?",
      "Content-Type: text/html; charset=",
      "multipart/mixed; boundary=b",
      "--b\r\n",
      "\r\n\r\n",
      "<a href='http://",
      "<!--",
      "&#x110000;",
      "PK\x03\x04",
      "Content-Disposition: attachment; filename*=utf-8''%zz\r\n",
      "Content-Transfer-Encoding: base64\r\n",
    ),
    fc.string({ unit: "binary", maxLength: 30 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 25 }), async (pieces) => {
      const verdict = await inspect(Buffer.from(pieces.join(""), "latin1"));
      assert.ok(verdict.findings.every(({ symbol }) => !symbol.endsWith("_CHECK_FAILED")));
    }),
    { numRuns: 300 },
  );
});

test("HTML is read as a person sees it: hidden text is not, words cut by tags and comments are whole", () => {
  const html =
    '<style>p{}</style><p>Vi<!-- x -->ag<b></b>ra &amp; m&#111;re</p><script>evil()</script><div>next</div><a href="http://x.test/?a&amp;b">go</a>';
  const { text, links, counts } = readHtml(html);
  assert.equal(text.replace(/\s+/g, " ").trim(), "Viagra & more next go");
  assert.deepEqual(links, [{ href: "http://x.test/?a&b", text: "go" }]);
  assert.equal(counts.script, 1);
  assert.equal(decodeEntities("&#55296;&#x41;&bogus;&lt"), "\ufffdA&bogus;<");
});

test("addresses in text end where the sentence goes on", () => {
  const hosts = urlsOf("See http://A.test:8080/x. Or (www.b.test), mailto:c@d.test, https://u@e.test/");
  assert.deepEqual(
    hosts.map(({ host, port, userInfo }) => [host, port, userInfo]),
    [
      ["a.test", "8080", false],
      ["www.b.test", "", false],
      ["e.test", "", true],
    ],
  );
});
