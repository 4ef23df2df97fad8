/** CATENATE and IMAP URLs (RFC 4469, RFC 5092): messages put together of what is sent and what is here. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseMessageUrl } from "./grammar/imap-url.ts";
import { type Row, testRows } from "./test/conversation.ts";
import { MemoryStore } from "./test/memory-store.ts";
import { USER } from "./test/server.ts";

const BOUNDED = [
  "From: a@example.org",
  'Content-Type: multipart/mixed; boundary="b"',
  "",
  "--b",
  "",
  "first part",
  "--b",
  "Content-Type: text/plain",
  "",
  "second part",
  "--b--",
  "",
].join("\r\n");

function fixture(): MemoryStore {
  const store = new MemoryStore();
  const account = store.get(USER);
  account.find("INBOX").insert([{ bytes: Buffer.from(BOUNDED) }]);
  void account.create("Gesch\u00e4ft");
  account.find("Gesch\u00e4ft").insert([{ bytes: Buffer.from("Subject: x\r\n\r\numlaut\r\n") }]);
  const ben = store.get("ben@example.org");
  ben.find("INBOX").insert([{ bytes: Buffer.from("Subject: private\r\n\r\nsecret\r\n") }]);
  return store;
}

/** The line of the client that sends a literal without waiting. */
const literal = (text: string, before: string) => [`${before}{${text.length}+}`, text];

const ROWS: readonly Row[] = [
  {
    rfc: "4469 §3",
    says: "literals and parts of messages become one message",
    client: [
      ...literal("Subject: new\r\n\r\n", "a APPEND INBOX (\\Seen) CATENATE (TEXT ").slice(0, 1),
      'Subject: new\r\n\r\n URL "/INBOX/;UID=1/;SECTION=1" TEXT {5+}',
      '-end- URL "/Gesch%C3%A4ft/;UID=1/;SECTION=TEXT" URL "/INBOX/;UID=1/;SECTION=2/;PARTIAL=0.6")',
      "b SELECT INBOX",
      "c FETCH 2 (FLAGS BODY.PEEK[])",
    ],
    expect: [
      /^a OK \[APPENDUID \d+ 2\]/,
      /^\* 2 FETCH \(FLAGS \(.*\\Seen.*\) BODY\[\] \{\d+\}$/,
      "Subject: new",
      "",
      "first part-end-umlaut",
      "second)",
    ],
  },
  {
    rfc: "4469 §4",
    says: "a URL that names nothing is BADURL with its text, and nothing is stored",
    client: [
      'a APPEND INBOX CATENATE (URL "/INBOX;UIDVALIDITY=1/;UID=1")',
      'b APPEND INBOX CATENATE (URL "/INBOX/;UID=99" TEXT {3+}',
      "abc)",
      'c APPEND INBOX CATENATE (URL "/INBOX/;UID=1/;SECTION=7")',
      'd APPEND INBOX CATENATE (URL "imap://elsewhere.example/INBOX/;UID=1")',
      'e APPEND INBOX CATENATE (URL "imap://ben%40example.org@mail.example/INBOX/;UID=1")',
      'f APPEND INBOX CATENATE (URL "/shared/ben@example.org/INBOX/;UID=1")',
      "g STATUS INBOX (MESSAGES)",
    ],
    expect: [
      /^a NO \[BADURL "\/INBOX;UIDVALIDITY=1\/;UID=1"\]/,
      /^b NO \[BADURL /,
      /^c NO \[BADURL /,
      /^d NO \[BADURL /,
      /^e NO \[BADURL /,
      /^f NO \[BADURL /,
      "* STATUS INBOX (MESSAGES 1)",
    ],
    never: [/secret/],
  },
  {
    rfc: "4469 §3, 3502",
    says: "one command may put several messages together, and take whole literals beside them",
    client: [
      'a APPEND INBOX CATENATE (URL "/INBOX/;UID=1") (\\Flagged) CATENATE (URL "imap://anna%40example.org@mail.example/INBOX/;UID=1/;SECTION=HEADER") {5+}',
      "hello",
      "b STATUS INBOX (MESSAGES)",
    ],
    expect: [/^a OK \[APPENDUID \d+ 2:4\]/, "* STATUS INBOX (MESSAGES 4)"],
  },
  {
    rfc: "4469 §3",
    says: "a missing mailbox is TRYCREATE, what is no list is BAD",
    client: [
      'a APPEND Nowhere CATENATE (URL "/INBOX/;UID=1")',
      'b APPEND INBOX CATENATE (URL "/INBOX/;UID=1"',
      "c APPEND INBOX CATENATE ()",
      "d APPEND INBOX CATENATE (FILE x)",
    ],
    expect: [/^a NO \[TRYCREATE\]/, /^b BAD/, /^c BAD/, /^d BAD/],
  },
];

describe("CATENATE", () => {
  testRows(ROWS, { store: fixture });

  it("any text is a message's URL or none, and never throws (RFC 5092)", () => {
    const piece = fc.constantFrom(
      "/INBOX",
      "/;uid=",
      "7",
      ";uidvalidity=",
      "/;section=",
      "1.2",
      "HEADER.FIELDS%20(X)",
      "/;partial=",
      "0.5",
      "imap://",
      "u@h",
      "%",
      "%zz",
      "/",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 10 }).map((parts) => parts.join("")),
        ),
        (text) => {
          parseMessageUrl(text);
        },
      ),
      { numRuns: 3000 },
    );
    assert.deepEqual(parseMessageUrl("/A%2FB;UIDVALIDITY=3/;UID=4/;SECTION=1.MIME/;PARTIAL=5"), {
      host: undefined,
      user: undefined,
      mailbox: "A/B",
      uidValidity: 3,
      uid: 4,
      section: { path: [1], text: "mime", names: [] },
      partial: { start: 5, length: Number.MAX_SAFE_INTEGER },
    });
  });
});
