import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseAddressList } from "./addresses.ts";
import { decodeHeaderValue } from "./encoded-words.ts";
import { firstField, headerEnd } from "./fields.ts";
import { parseWithParameters } from "./parameters.ts";
import { selectFields } from "./sections.ts";
import { transferDecoder } from "./transfer-encoding.ts";

/** An address list as one line: name <route:mailbox@host>. */
const show = (text: string) =>
  parseAddressList(text)
    .map(
      ({ name, route, mailbox, host }) =>
        `${name ?? "-"} <${route ? `${route}:` : ""}${mailbox ?? "-"}@${host ?? "-"}>`,
    )
    .join(" ");

describe("addresses for ENVELOPE (RFC 5322 §3.4)", () => {
  const rows: readonly [text: string, shown: string][] = [
    ["a@b", "- <a@b>"],
    ["Anna Bee <a@b>", "Anna Bee <a@b>"],
    ['"Bee, Anna" <a@b>, c@d', "Bee, Anna <a@b> - <c@d>"],
    ["a@b (Anna)", "Anna <a@b>"],
    ["<@x,@y:a@b>", "- <@x,@y:a@b>"],
    ["Team: a@b, c@d;", "- <Team@-> - <a@b> - <c@d> - <-@->"],
    ["undisclosed-recipients:;", "- <undisclosed-recipients@-> - <-@->"],
    ['"a b"@c', "- <a b@c>"],
    ["a . b @ c . d", "- <a.b@c.d>"],
    ["a@[192.0.2.1]", "- <a@[192.0.2.1]>"],
    ["broken", "- <broken@>"],
    [", ,", ""],
    ["=?utf-8?q?=C3=A4?= <a@b>", "=?utf-8?q?=C3=A4?= <a@b>"],
  ];
  for (const [text, shown] of rows) it(`reads ${text}`, () => assert.equal(show(text), shown));
});

describe("header text", () => {
  it("encoded words are decoded and joined (RFC 2047 §6.2)", () => {
    assert.equal(decodeHeaderValue("=?utf-8?q?Gr=C3=BC?= =?utf-8?b?w59l?= x"), "Gr\u00fc\u00dfe x");
    assert.equal(decodeHeaderValue("=?iso-8859-1?Q?a_b=E4?="), "a b\u00e4");
    assert.equal(decodeHeaderValue("=?nonsense?q?abc?="), "abc");
    assert.equal(decodeHeaderValue("=?utf-8?x?abc?="), "=?utf-8?x?abc?=");
    assert.equal(decodeHeaderValue("\xc3\xa4 raw"), "\u00e4 raw");
  });

  it("folded fields are found in any case and unfolded (RFC 5322 §2.2.3)", () => {
    const header = Buffer.from(
      "A: 1\r\nno field\r\nSubJect : long\r\n subject\r\nA: 2\r\n\r\nSubject: body\r\n",
    );
    assert.equal(firstField(header, "subject"), "long subject");
    assert.equal(firstField(header, "a"), "1");
    assert.equal(headerEnd(header), header.indexOf("Subject: body"));
    const chosen = Buffer.concat(selectFields(header, [Buffer.from("a")], false)).toString();
    assert.equal(chosen, "A: 1\r\nA: 2\r\n\r\n");
  });

  it("parameters keep their order, quotes are taken off (RFC 2045 §5.1)", () => {
    assert.deepEqual(parseWithParameters('text/plain (x); charset="a;\\"b" ;; name*0=x; =y; flowed'), {
      value: "text/plain",
      parameters: [
        ["charset", 'a;"b'],
        ["name*0", "x"],
      ],
    });
  });
});

describe("transfer encodings (RFC 2045 §6)", () => {
  const decode = (encoding: string, bytes: Buffer, size: number) => {
    const decoder = transferDecoder(encoding)!;
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size)
      pieces.push(Buffer.from(decoder.push(bytes.subarray(at, at + size))));
    return Buffer.concat([...pieces, decoder.end()]);
  };

  it("base64 comes back in chunks of any size", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 80 }), (bytes, size) => {
        const encoded = Buffer.from(
          Buffer.from(bytes)
            .toString("base64")
            .replace(/.{1,60}/g, "$&\r\n"),
        );
        assert.deepEqual(decode("base64", encoded, size), Buffer.from(bytes));
      }),
    );
  });

  it("quoted-printable comes back in chunks of any size", () => {
    const encoded = Buffer.from("a=3D=\r\nb \t\r\n=C3=A4=zz=\n =20\r\nend=");
    for (let size = 1; size < encoded.length + 1; size += 1) {
      assert.equal(
        decode("quoted-printable", encoded, size).toString("utf8"),
        "a=b\r\n\u00e4=zz  \r\nend",
        `chunks of ${size}`,
      );
    }
  });
});
