import assert from "node:assert/strict";
import { test } from "node:test";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { EICAR } from "./checks/eicar.ts";
import { GTUBE } from "./checks/gtube.ts";
import { createInboundFilter } from "./inbound-filter.ts";
import type { InboundMessage, Verdict } from "./pipeline.ts";

const resolver = zoneResolver({
  "PTR 1.2.0.192.in-addr.arpa": ["mail.example.test"],
  "A mail.example.test": ["192.0.2.1"],
  "PTR 9.113.0.203.in-addr.arpa": ["liar.example.test"],
});
const filter = createInboundFilter({ hostname: () => "mx.test", resolver, log: silentLog });

const ordinary =
  "From: Alice <alice@example.test>\r\nTo: bob@example.net\r\nSubject: Lunch on Friday\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n";

function inspect(bytes: string | Buffer, overrides: Partial<InboundMessage> = {}): Promise<Verdict> {
  return filter.inspect({
    content: memoryContent(typeof bytes === "string" ? Buffer.from(bytes) : bytes),
    client: { address: "192.0.2.1", port: 40000, secure: true },
    helo: "mail.example.test",
    from: "alice@example.test",
    recipients: ["bob@example.net"],
    receivedAt: new Date("2026-11-23T10:00:05Z"),
    ...overrides,
  });
}
function plain(body: string, headers = ordinary): string {
  return `${headers}\r\n${body}\r\n`;
}
function withAttachment(name: string, type: string, content: Buffer): string {
  return [
    `${ordinary}MIME-Version: 1.0`,
    'Content-Type: multipart/mixed; boundary="b"',
    "",
    "--b",
    "Content-Type: text/plain; charset=utf-8",
    "",
    "Please see the file.",
    "--b",
    `Content-Type: ${type}`,
    "Content-Transfer-Encoding: base64",
    `Content-Disposition: attachment; filename="${name}"`,
    "",
    content.toString("base64").replace(/.{76}/g, "$&\r\n"),
    "--b--",
    "",
  ].join("\r\n");
}
function html(body: string): string {
  return plain(body, `${ordinary}MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n`);
}
/** A stored zip entry's local header. */
function zip(name: string, flags = 0): Buffer {
  const header = Buffer.alloc(30);
  header.write("PK\x03\x04", "latin1");
  header.writeUInt16LE(flags, 6);
  header.writeUInt16LE(Buffer.byteLength(name), 26);
  return Buffer.concat([header, Buffer.from(name), Buffer.from("content")]);
}

test("an ordinary message is accepted and has no finding of the content checks", async () => {
  const verdict = await inspect(plain("Shall we meet at noon?\r\nhttps://example.test/menu"));
  assert.deepEqual(verdict.action, { kind: "accept" });
  const content = verdict.findings.filter(({ check }) => !["spf", "dkim", "arc", "dmarc"].includes(check));
  assert.deepEqual(content, []);
  assert.match(
    verdict.authenticationResults.join("; "),
    /iprev=pass \(mail\.example\.test\) policy\.iprev=192\.0\.2\.1/,
  );
});

for (const [what, message] of [
  ["plain text", plain(`Hello.\r\n${GTUBE}\r\n`)],
  ["HTML", html(`<p>${GTUBE}</p>`)],
  [
    "quoted-printable",
    plain(GTUBE.replace("GTUBE", "=47TUBE"), `${ordinary}Content-Transfer-Encoding: quoted-printable\r\n`),
  ],
] as const)
  test(`GTUBE in ${what} is refused as spam`, async () => {
    const { action } = await inspect(message);
    assert.equal(action.kind, "reject");
    assert.match(action.kind === "reject" ? action.text : "", /GTUBE/);
  });

test("EICAR is refused as an attachment in base64 and as the whole text, and not where a text mentions it", async () => {
  const attached = await inspect(withAttachment("readme.txt", "text/plain", Buffer.from(EICAR)));
  assert.equal(attached.action.kind, "reject");
  assert.equal((await inspect(plain(EICAR))).action.kind, "reject");
  assert.equal(
    (await inspect(plain(`${"The test file reads so. ".repeat(20)}${EICAR}`))).action.kind,
    "accept",
  );
});

const program = Buffer.concat([Buffer.from("MZ\x90\0", "latin1"), Buffer.alloc(300)]);
for (const [symbol, message] of [
  ["ATTACHED_DISGUISED", withAttachment("holiday.jpg", "image/jpeg", program)],
  ["ATTACHED_DOUBLE_EXTENSION", withAttachment("invoice.pdf.exe", "application/octet-stream", program)],
  ["ATTACHED_EXECUTABLE", withAttachment("setup.exe", "application/octet-stream", Buffer.from("text"))],
  ["ARCHIVED_EXECUTABLE", withAttachment("a.zip", "application/zip", zip("docs/run.exe"))],
  ["ARCHIVE_ENCRYPTED", withAttachment("a.zip", "application/zip", zip("secret.txt", 1))],
  ["OFFICE_MACROS", withAttachment("a.docm", "application/zip", zip("word/vbaProject.bin"))],
  ["BIDI_FILE_NAME", withAttachment("report\u202efdp.exe", "application/octet-stream", program)],
  ["LINK_SHOWS_ANOTHER", html('<a href="http://evil.test/x">https://bank.example.com/login</a>')],
  ["LINK_MIXED_SCRIPTS", html('<a href="http://xn--pple-43d.com/">sign in</a>')],
  ["LINK_NUMERIC", plain("See http://203.0.113.7/offer")],
  ["LINK_USER", plain("See http://bank.example.com@203.0.113.7/offer")],
  ["MULTIPLE_UNIQUE_HEADERS", plain("Hi", `${ordinary}Subject: another\r\n`)],
  ["MISSING_DATE", plain("Hi", ordinary.replace(/Date:.*\r\n/, ""))],
  ["DATE_IN_FUTURE", plain("Hi", ordinary.replace("2026", "2027"))],
  ["MIME_NO_BOUNDARY", plain("Hi", `${ordinary}Content-Type: multipart/mixed\r\n`)],
  [
    "MIME_BASE64_TEXT",
    plain(Buffer.from("Buy now").toString("base64"), `${ordinary}Content-Transfer-Encoding: base64\r\n`),
  ],
  ["ZERO_WIDTH_WORDS", plain("v\u200bi\u200ba gr\u200ba ".repeat(20))],
  ["MIXED_SCRIPTS_HEADER", plain("Hi", ordinary.replace("Lunch", "P\u0430yPal"))],
] as const)
  test(`${symbol} is found and named with a reason`, async () => {
    const finding = (await inspect(message)).findings.find((one) => one.symbol === symbol);
    assert.ok(finding, `no ${symbol}`);
    assert.ok(finding.score > 0 && finding.reason.length > 10);
  });

test("a name that does not lead back to the address and a HELO that is ours are found (RFC 8601 §3)", async () => {
  const client = { address: "203.0.113.9", port: 1, secure: false };
  const { findings, authenticationResults } = await inspect(plain("Hi"), { client, helo: "MX.test" });
  const symbols = findings.map(({ symbol }) => symbol);
  assert.ok(symbols.includes("RDNS_NONE") && symbols.includes("HELO_IS_US"), symbols.join(" "));
  assert.match(authenticationResults.join("; "), /iprev=fail \(liar\.example\.test\)/);
});

test("a client of one's own network is asked for no name", async () => {
  const { authenticationResults } = await inspect(plain("Hi"), {
    client: { address: "10.0.0.5", port: 1, secure: false },
    helo: "printer",
  });
  assert.doesNotMatch(authenticationResults.join("; "), /iprev/);
});
