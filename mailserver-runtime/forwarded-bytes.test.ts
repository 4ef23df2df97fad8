/** What a forward does to a message: nothing. Compared byte by byte at Postfix's smtp-sink; signatures by mailauth, which knows nothing of ours. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { needs, run } from "../test/support/tools.ts";
import { directoryWith } from "./dns/test-support.ts";
import { until } from "./queue/queue-for-tests.ts";
import { runningServer, sinkAt, zone } from "./server-for-tests.ts";

const ELSEWHERE = "127.0.0.2";

const { dkimSign } = createRequire(import.meta.url)("mailauth/lib/dkim/sign") as {
  dkimSign(message: Buffer, options: object): Promise<{ signatures: string }>;
};
const { dkimVerify } = createRequire(import.meta.url)("mailauth/lib/dkim/verify") as {
  dkimVerify(message: Buffer, options: object): Promise<{ results: { status: { result: string } }[] }>;
};

const head =
  "From:  Eve   <eve@source.test>\r\nTo: x@green.test\r\nSUBJECT:\r\n\tfolded   and  spaced\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-Id: <odd@source.test>\r\n\r\n";
const rows: readonly [name: string, body: Buffer][] = [
  ["8-bit octets of no known charset", Buffer.from("gr\xfc\xdfe \xff\xfe\r\n", "latin1")],
  ["dots, blanks at line ends, tabs", Buffer.from(".\r\n..\r\n. \r\n trailing   \r\n\ttab\t\r\n")],
  [
    "lines longer than 998 octets (RFC 5321 §4.5.3.1.6)",
    Buffer.from(`${"long ".repeat(2000)}\r\n.${"x".repeat(999)}\r\n`),
  ],
  ["NUL and other controls", Buffer.from("a\0b\x01\x07\x1b[0m\x7f\r\n")],
  ["empty lines at the end", Buffer.from("text\r\n\r\n\r\n\r\n")],
];

test("a forwarded message arrives octet for octet, and its signatures still hold (RFC 6376)", async (t) => {
  if (!needs(t, "curl", "knotd", "smtp-sink")) return;
  const server = await runningServer(t, {
    zones: {
      "green.test": zone("@ MX 10 mail\nmail A 127.0.0.1"),
      "source.test": zone("@ MX 10 mx\nmx A 127.0.0.1"),
      "away.test": zone(`@ MX 10 mx\nmx A ${ELSEWHERE}`),
    },
    files: {
      "postfix-accounts.cf": "ann@green.test|{PLAIN}secret\n",
      "postfix-virtual.cf": "x@green.test x@away.test\n",
    },
  });
  const received = await sinkAt(t, ELSEWHERE, server.outPort);
  const letters = await directoryWith(t, {});
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
  });
  const resolver = async () => [[`v=DKIM1; k=rsa; p=${publicKey.toString("base64")}`]];
  for (const [index, [name, body]] of rows.entries()) {
    const message = Buffer.concat([Buffer.from(head), body]);
    const signatureData = ["simple/simple", "relaxed/relaxed"].map((canonicalization) => ({
      signingDomain: "source.test",
      selector: "s1",
      privateKey,
      canonicalization,
    }));
    const { signatures } = await dkimSign(message, { signatureData });
    const sent = Buffer.concat([Buffer.from(signatures), message]);
    const file = join(letters, String(index));
    await writeFile(file, sent);
    const { code, stderr } = await run("curl", [
      ...["--silent", "--show-error", "--max-time", "30", "--upload-file", file],
      ...["--url", `smtp://127.0.0.1:${server.port("smtp")}/client.source.test`],
      ...["--mail-from", "eve@source.test", "--mail-rcpt", "x@green.test"],
    ]);
    assert.equal(code, 0, `${name}: ${stderr}`);
    await until(async () => (await received()).length === index + 1, name);
    // smtp-sink writes LF for CRLF, and a line end of its own after the message; a bare one of either has not come past our own door.
    const crlf = (await received()).map((text) =>
      text.replaceAll("\r\n", "\n").replaceAll("\n", "\r\n").slice(0, -2),
    );
    const arrived = Buffer.from(crlf.find((text) => text.includes(signatures)) ?? "", "latin1");
    const begin = arrived.indexOf(signatures);
    assert.ok(begin >= 0, `${name}: the signatures are as they were`);
    const original = arrived.subarray(begin);
    assert.ok(original.equals(sent), `${name}: ${JSON.stringify(original.toString("latin1").slice(-300))}`);
    const { results } = await dkimVerify(arrived.subarray(arrived.indexOf("Received: from")), { resolver });
    assert.deepEqual(
      results.map(({ status }) => status.result),
      ["pass", "pass"],
      name,
    );
  }
});
