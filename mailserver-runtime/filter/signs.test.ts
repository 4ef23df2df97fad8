/** What a message shows without anything learnt: who says to have made it, how it is made up, what is attached. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { zoneResolver } from "../dns/zone-for-tests.ts";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { contentChecks, createInboundFilter } from "./inbound-filter.ts";

const filter = createInboundFilter({
  hostname: () => "mx.test",
  resolver: zoneResolver({}),
  log: silentLog,
  checks: contentChecks,
});
const usual = {
  From: "Alice <alice@example.test>",
  To: "bob@example.net",
  Subject: "hello",
  Date: "Mon, 23 Nov 2026 10:00:00 +0000",
  "Message-ID": "<1@example.test>",
};
async function symbolsOf(
  fields: Readonly<Record<string, string>>,
  body = "Hello Bob.\r\n",
): Promise<string[]> {
  const header = Object.entries({ ...usual, ...fields }).map(([name, value]) => `${name}: ${value}\r\n`);
  const { findings } = await filter.inspect({
    content: memoryContent(Buffer.from(`${header.join("")}\r\n${body}`, "latin1")),
    client: { address: "192.0.2.1", port: 1, secure: true },
    helo: "mail.example.test",
    from: "",
    recipients: [],
    receivedAt: new Date("2026-11-23T10:00:05Z"),
  });
  return findings.map(({ symbol }) => symbol);
}
const attached = (name: string, content: Buffer, type = "application/octet-stream") =>
  [
    { "MIME-Version": "1.0", "Content-Type": 'multipart/mixed; boundary="b"' },
    `--b\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n--b\r\nContent-Type: ${type}; name="${name}"\r\nContent-Disposition: attachment; filename="${name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n${content.toString("base64").replace(/.{76}/g, "$&\r\n")}\r\n--b--\r\n`,
  ] as const;
const page = { "MIME-Version": "1.0", "Content-Type": "text/html; charset=utf-8" };

const cases: readonly (readonly [symbol: string, fields: Readonly<Record<string, string>>, body?: string])[] =
  [
    ["FORGED_OUTLOOK_HTML", { "X-Mailer": "Microsoft Outlook 16.0", ...page }, "<p>hi</p>"],
    ["FORGED_OUTLOOK_FIELDS", { "X-Mailer": "Microsoft Outlook Express 6.00" }],
    [
      "FREEMAIL_NOT_THROUGH_PROVIDER",
      { From: "Eve <eve@gmail.com>", Received: "from x.test by y.test; Mon, 23 Nov 2026" },
    ],
    [
      "FORGED_FREEMAIL_HELO",
      { Received: "from yahoo.com (host.evil.test [192.0.2.9]) by y.test; Mon, 23 Nov 2026" },
    ],
    ["FROM_NAME_IS_ADDRESS", { From: '"service@bank.example" <x@evil.test>' }],
    ["FROM_MANY_DIGITS", { From: "Eve <eve83920@evil.test>" }],
    ["FREEMAIL_REPLYTO", { "Reply-To": "somebody@gmail.com" }],
    ["TO_IS_FROM", { To: "alice@example.test" }],
    ["FROM_NO_NAME", { From: "alice@example.test" }],
    ["BULK_WITHOUT_LIST", { Precedence: "bulk" }],
    ["CLAIMS_PRIORITY", { "X-Priority": "1 (Highest)" }],
    ["MANY_RECIPIENTS", { To: Array.from({ length: 12 }, (_, at) => `u${at}@example.net`).join(", ") }],
    ["INVALID_DATE_ZONE", { Date: "Mon, 23 Nov 2026 10:00:00 -1900" }],
    ["INVALID_DATE_ZONE", { Date: "Mon, 23 Nov 2026 10:00:00 +0217" }],
    ["DATE_MALFORMED", { Date: "2026-11-23 10:00" }],
    ["SUBJECT_RAW_8BIT", { Subject: "gr\xfc\xdfe" }],
    ["SUBJECT_SHOUTS", { Subject: "Buy this!!" }],
    ["SUBJECT_OF_MONEY", { Subject: "get $5000" }],
    ["SUBJECT_ADVERTISEMENT", { Subject: "ADV: carpets" }],
    ["HTML_BIG_LETTERS", page, '<font face="x" size="+6">BUY</font>'],
    ["HTML_RED_LETTERS", page, "<font color=red>BUY</font>"],
    ["HTML_PICTURE_FOR_TEXT", page, '<a href="http://x.test/"><img src="http://x.test/a.png"></a>'],
    ["HTML_WITHOUT_CHARSET", { "MIME-Version": "1.0", "Content-Type": "text/html" }, "<p>hi</p>"],
    ["HTML_MAIL_TO_LEAVE", page, '<a href="mailto:x@y.test?subject=remove">out</a>'],
    ["TEXT_IN_CAPITALS", {}, "THIS IS A TEXT THAT SHOUTS AT WHOEVER READS IT. ".repeat(8)],
    ["LINK_LOOKS_LIKE", {}, "http://paypa1.com/login"],
    ["LINK_LOOKS_LIKE", {}, "http://rnicrosoft.com/"],
    ["LINK_LOOKS_LIKE", page, '<a href="http://xn--pypal-4ve.com/">pay</a>'],
    ["LINK_NAMES_ANOTHER", {}, "http://paypal.com.login.evil.test/"],
    ["LINK_SHORTENED", {}, "see https://bit.ly/3xYz"],
    ["LINK_REDIRECTS", {}, "https://www.example.com/url?q=https%3A%2F%2Fevil.test%2Fx"],
    ["ARCHIVE_BOMB", ...attached("zeros.gz", gzipSync(Buffer.alloc(40 * 1024 * 1024)))],
    ["ARCHIVE_DISGUISED", ...attached("invoice.pdf", gzipSync(Buffer.from("a".repeat(500))))],
    ["ATTACHED_ACTIVE_HTML", ...attached("invoice.html", Buffer.from("<html><script>location='x'</script>"))],
    [
      "PDF_ACTIVE",
      ...attached("a.pdf", Buffer.from("%PDF-1.7\n1 0 obj << /OpenAction << /S /JavaScript /JS (x) >> >>")),
    ],
    ["RTF_OBJECT", ...attached("a.rtf", Buffer.from("{\\rtf1 {\\object\\objdata 01}}"))],
    ["ATTACHED_ONENOTE", ...attached("a.one", Buffer.from("e4525c7b8cd8a74daeb15378d02996d3", "hex"))],
    [
      "ATTACHED_DISK_IMAGE",
      ...attached("a.dat", Buffer.concat([Buffer.alloc(0x8001), Buffer.from("CD001"), Buffer.alloc(100)])),
    ],
    [
      "OFFICE_ENCRYPTED",
      ...attached(
        "a.xlsx",
        Buffer.concat([
          Buffer.from("d0cf11e0a1b11ae1", "hex"),
          Buffer.alloc(600),
          Buffer.from("EncryptedPackage", "utf16le"),
        ]),
      ),
    ],
  ];
for (const [symbol, fields, body] of cases)
  test(`${symbol} is found in ${JSON.stringify(Object.values(fields)[0] ?? body?.slice(0, 30))}`, async () => {
    const symbols = await symbolsOf(fields, body);
    assert.ok(symbols.includes(symbol), symbols.join(" "));
  });

const honest: readonly (readonly [name: string, fields: Readonly<Record<string, string>>, body?: string])[] =
  [
    ["a letter", {}],
    [
      "freemail by its provider",
      {
        From: "Eve <eve@gmail.com>",
        Received: "from mail-a.google.com (mail-a.google.com [192.0.2.2]) by mx.test; Mon, 23 Nov 2026",
      },
    ],
    ["a name with the author's own address", { From: '"alice@example.test" <alice@example.test>' }],
    ["zones of half and quarter hours", { Date: "Mon, 23 Nov 2026 15:30:00 +0545 (NPT)" }],
    ["a zone by name", { Date: "23 Nov 2026 10:00 GMT" }],
    ["a subject in UTF-8", { Subject: "gr\xc3\xbc\xc3\x9fe" }],
    [
      "well-known sites' own links",
      {},
      "https://www.paypal.com/x https://login.microsoft.com/ https://apple.com https://maps.google.de",
    ],
    [
      "a link that carries its own site's address",
      {},
      "https://example.com/login?next=https://www.example.com/home",
    ],
    ["a text file", ...attached("notes.txt", Buffer.from("notes"), "text/plain")],
    ["a PDF", ...attached("a.pdf", Buffer.from("%PDF-1.7\n1 0 obj << /Type /Catalog >>"), "application/pdf")],
  ];
for (const [name, fields, body] of honest)
  test(`${name} has no finding`, async () => assert.deepEqual(await symbolsOf(fields, body), []));
