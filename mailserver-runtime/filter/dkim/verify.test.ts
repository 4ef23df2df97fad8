import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";
import fc from "fast-check";
import { type TestZone, zoneResolver } from "../../dns/zone-for-tests.ts";
import { type MessageContent, memoryContent } from "../../message/content.ts";
import { readHeaders } from "../../message/headers.ts";
import { type DkimResult, verifyDkim } from "./verify.ts";

const now = Date.UTC(2026, 10, 26);
async function verified(message: string | MessageContent, zone: TestZone): Promise<readonly DkimResult[]> {
  const content = typeof message === "string" ? memoryContent(Buffer.from(message, "latin1")) : message;
  return verifyDkim(zoneResolver(zone), content, await readHeaders(content), now);
}
const spki = (key: KeyObject) => key.export({ type: "spki", format: "der" }).toString("base64");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const small = generateKeyPairSync("rsa", { modulusLength: 768 });
const rsaRecord = `v=DKIM1; k=rsa; p=${spki(rsa.publicKey)}`;

/** mailauth's signer, which knows nothing of ours. */
const { dkimSign } = createRequire(import.meta.url)("mailauth/lib/dkim/sign") as {
  dkimSign(message: string, options: object): Promise<{ signatures: string }>;
};
async function signed(message: string, options: object = {}, data: object = {}): Promise<string> {
  const privateKey = rsa.privateKey.export({ type: "pkcs8", format: "pem" });
  const { signatures } = await dkimSign(message, {
    signTime: new Date(now),
    signatureData: [{ signingDomain: "signer.test", selector: "s1", privateKey, ...data }],
    ...options,
  });
  return signatures + message;
}
const keyName = "TXT s1._domainkey.signer.test";
const mail =
  "From: A <a@signer.test>\r\nTo: b@x.test\r\nSubject:  folded\r\n\t text \r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\n\r\nHi  there \r\n\r\nx\t\r\n\r\n\r\n";

test("the message of RFC 8463 Appendix A.3 verifies with both its keys", async () => {
  const message = [
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;",
    " d=football.example.com; i=@football.example.com;",
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :",
    " subject : date : message-id : from : subject : date;",
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;",
    " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus",
    " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==",
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;",
    " d=football.example.com; i=@football.example.com;",
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :",
    " date : message-id : from : subject : date;",
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;",
    " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3",
    " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz",
    " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=",
    "From: Joe SixPack <joe@football.example.com>",
    "To: Suzie Q <suzie@shopping.example.net>",
    "Subject: Is dinner ready?",
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)",
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>",
    "",
    "Hi.",
    "",
    "We lost the game.  Are you hungry yet?",
    "",
    "Joe.",
    "",
  ].join("\r\n");
  const results = await verified(message, {
    "TXT brisbane._domainkey.football.example.com": [
      "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ],
    "TXT test._domainkey.football.example.com": [
      "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
    ],
  });
  assert.deepEqual(
    results.map(({ result, algorithm, mark }) => [result, algorithm, mark]),
    [
      ["pass", "ed25519-sha256", "/gCrinpc"],
      ["pass", "rsa-sha256", "F45dVWDf"],
    ],
  );
});

for (const canonicalization of ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"])
  test(`mail that another program signed as ${canonicalization} verifies, and no longer when a byte changes (RFC 6376 §3.4)`, async () => {
    const message = await signed(mail, { canonicalization });
    const zone = { [keyName]: [rsaRecord] };
    assert.equal((await verified(message, zone))[0]?.result, "pass");
    const changes: readonly (readonly [from: string, to: string, comment: RegExp])[] = [
      ["Hi  there", "Ho  there", /body hash/],
      ["To: b@x", "To: c@x", /signature did not/],
      ["Hi  there", "Hi there", canonicalization.endsWith("relaxed") ? /^$/ : /body hash/],
      [
        "Subject:  folded",
        "subject: folded",
        canonicalization.startsWith("relaxed") ? /^$/ : /signature did not/,
      ],
    ];
    for (const [from, to, expected] of changes) {
      const [row] = await verified(message.replace(from, to), zone);
      assert.match(row?.comment ?? "", expected, `${from} → ${to}`);
      assert.equal(row?.result, expected.source === "^$" ? "pass" : "fail");
    }
  });

test("whatever the body is, in whatever chunks it comes, what another program signed verifies (RFC 6376 §3.4.3, §3.4.4)", async () => {
  const piece = fc.constantFrom("a", " ", "\t", "\r\n", "\r\n\r\n", "\r", "\n", " \r\n", "é", "x".repeat(70));
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 20 }),
      fc.constantFrom("simple/simple", "relaxed/relaxed"),
      fc.integer({ min: 1, max: 40 }),
      async (pieces, canonicalization, width) => {
        // A bare CR or LF never gets this far: reception refuses it.
        const body = pieces.join("").replace(/\r(?!\n)|(?<!\r)\n/g, "");
        const message = Buffer.from(
          await signed(`From: a@signer.test\r\n\r\n${body}\r\n`, { canonicalization }),
          "utf8",
        );
        const whole = memoryContent(message);
        const inPieces: MessageContent = {
          ...whole,
          buffer: undefined,
          async *chunks(start = 0, end = message.length) {
            for (let at = start; at < end; at += width) yield message.subarray(at, Math.min(end, at + width));
          },
        };
        for (const content of [whole, inPieces]) {
          const [row] = await verified(content, { [keyName]: [rsaRecord] });
          assert.equal(row?.result, "pass", JSON.stringify(body));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("a key is taken only where its record allows it (RFC 6376 §3.6.1, RFC 8301)", async () => {
  const message = await signed(mail);
  const p = `p=${spki(rsa.publicKey)}`;
  const records: readonly (readonly [record: string | undefined, result: string, comment?: RegExp])[] = [
    [p, "pass"],
    [`v=DKIM1; h=sha1:sha256; s=email; t=y; ${p}`, "pass", /testing/],
    [`k=rsa; p=${spki(rsa.publicKey).replace(/.{60}/g, "$& ")}`, "pass"],
    [`p=${rsa.publicKey.export({ type: "pkcs1", format: "der" }).toString("base64")}`, "pass"],
    [`v=DKIM2; ${p}`, "permerror"],
    [`${p}; v=DKIM1`, "permerror"],
    [`h=sha1; ${p}`, "permerror"],
    [`s=other; ${p}`, "permerror"],
    [`k=ed25519; ${p}`, "permerror"],
    ["v=DKIM1; p=", "permerror", /revoked/],
    ["v=DKIM1; p=AAAA", "permerror", /cannot be read/],
    [`p=${spki(small.publicKey)}`, "permerror", /768 bits/],
    [`p=${spki(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey)}`, "fail"],
    [undefined, "permerror", /no key/],
  ];
  for (const [record, result, comment] of records) {
    const [row] = await verified(message, record === undefined ? {} : { [keyName]: [record] });
    assert.equal(row?.result, result, record);
    if (comment) assert.match(row?.comment ?? "", comment);
  }
  assert.equal((await verified(message, { [keyName]: "tempfail" }))[0]?.result, "temperror");
});

test("a signature whose tags are not in order is a permerror before any key is asked for (RFC 6376 §6.1.1)", async () => {
  const good = "v=1; a=rsa-sha256; d=signer.test; s=s1; h=from; bh=AAAA; b=AAAA";
  const tags: readonly (readonly [list: string, comment: RegExp])[] = [
    [good.replace("v=1", "v=2"), /v=/],
    [good.replace("rsa-sha256", "rsa-sha1"), /rsa-sha1 is not accepted/],
    [good.replace("h=from", "h=to:subject"), /From is not signed/],
    [good.replace("b=AAAA", "x=1"), /absent/],
    [good.replace(" bh=AAAA;", ""), /absent/],
    [`${good}; d=other.test`, /twice/],
    [`${good}; i=a@elsewhere.test`, /i= is not within/],
    [`${good}; c=nice/simple`, /c=/],
    [`${good}; q=carrier/pigeon`, /q=/],
    [`${good}; l=many`, /number/],
    [`${good}; x=${now / 1000 - 1}`, /expired/],
    [`${good}; t=${now / 1000 + 4000}; x=${now / 1000 + 3000}`, /before t=/],
    [good.replace("signer.test", "sig ner..test"), /no domain name/],
  ];
  for (const [list, comment] of tags) {
    const [row] = await verified(`DKIM-Signature: ${list}\r\n${mail}`, {});
    assert.equal(row?.result, "permerror", list);
    assert.match(row?.comment ?? "", comment);
  }
});

test("l= signs a part of the body: what was added behind it is told, what was cut is a permerror (RFC 6376 §3.5)", async () => {
  const message = await signed(mail, { canonicalization: "simple/simple" }, { maxBodyLength: 9 });
  assert.match(message, /l=9/);
  const zone = { [keyName]: [rsaRecord] };
  const [row] = await verified(`${message}added\r\n`, zone);
  assert.equal(row?.result, "pass");
  assert.match(row?.comment ?? "", /only 9 of/);
  const cut = message.slice(0, message.indexOf("\r\n\r\n") + 8);
  assert.equal((await verified(cut, zone))[0]?.result, "permerror");
});

test("of many signatures the first ten are looked at, and hostile ones never throw", async () => {
  const line = "DKIM-Signature: v=1; a=rsa-sha256; d=signer.test; s=s1; h=from; bh=AAAA; b=AAAA\r\n";
  const results = await verified(line.repeat(500) + mail, { [keyName]: [rsaRecord] });
  assert.equal(results.length, 10);
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", maxLength: 60 }), async (text) => {
      await verified(`DKIM-Signature: v=1; a=ed25519-sha256; ${text}\r\n${mail}`, {});
    }),
    { numRuns: 200 },
  );
});
