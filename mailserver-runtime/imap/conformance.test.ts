/**
 * What the RFCs say, row by row: the client's lines and the answers that must come, in this order.
 *
 * Each row runs in a session of its own, logged in, over a store in memory with the fixture below. A string
 * is a whole line, a RegExp a part of one; `never` must not be in the answer at all.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLog } from "../net/log.ts";
import { Flag } from "../store/mail-store.ts";
import { serveImap } from "./serve.ts";
import { type Row, testRows } from "./test/conversation.ts";
import { MemoryStore } from "./test/memory-store.ts";
import { message } from "./test/messages.ts";
import { ScriptConnection } from "./test/script-connection.ts";
import { PASSWORD, testAuthenticator, USER } from "./test/server.ts";

const MULTIPART = message({
  subject: "=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
  header: ["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="x y"', "Cc: carl@example.com"],
  body: [
    "preamble",
    "--x y",
    "Content-Type: text/plain; charset=iso-8859-1",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "Sch=F6ne Gr=FC=DFe",
    "--x y",
    "Content-Type: application/octet-stream; name=a.bin",
    "Content-Transfer-Encoding: base64",
    "Content-Disposition: attachment; filename=a.bin",
    "",
    "AAECAw==",
    "--x y",
    "Content-Type: message/rfc822",
    "",
    "From: inner@example.com",
    "Subject: inside",
    "",
    "inner body",
    "--x y--",
    "epilogue",
    "",
  ].join("\r\n"),
});

/** 1 plain and seen, 2 flagged, 3 multipart, 4 a reply to 1, deleted. */
function fixture(): MemoryStore {
  const store = new MemoryStore();
  const inbox = store.get(USER).find("INBOX");
  const at = (day: number) => Date.UTC(2024, 1, day, 12);
  inbox.insert([
    { bytes: message({ subject: "plain", body: "Hello world.\r\n" }), flags: Flag.Seen, date: at(1) },
    {
      bytes: message({ subject: "flagged", body: "A body with MARKER in it.\r\n" }),
      flags: Flag.Flagged,
      date: at(2),
    },
    { bytes: MULTIPART, date: at(3) },
    {
      bytes: message({
        subject: "Re: plain",
        header: ["In-Reply-To: <plain@example.org>"],
        body: "Reply.\r\n",
      }),
      flags: Flag.Deleted,
      date: at(4),
    },
  ]);
  const account = store.get(USER);
  void account.create("Work");
  void account.create("Work/Old");
  void account.create("Gesch\u00e4ft");
  void account.create("Sent", "\\Sent");
  void account.subscribe("Work/Old", true);
  return store;
}

const ROWS: readonly Row[] = [
  {
    rfc: "8437 §2",
    says: "UNAUTHENTICATE goes back to before login, and another login works",
    client: [
      "a ENABLE CONDSTORE IMAP4rev2",
      "b SELECT INBOX",
      "c UNAUTHENTICATE",
      "d SELECT INBOX",
      "e CAPABILITY",
      `f LOGIN ben@example.org "${PASSWORD}"`,
      "g STATUS Work (MESSAGES)",
      "h SELECT INBOX",
    ],
    expect: [
      /^a OK/,
      /^c OK/,
      /^d BAD/,
      /^\* CAPABILITY .* AUTH=PLAIN/,
      /^f OK/,
      /^g NO \[NONEXISTENT\]/,
      /^\* 0 EXISTS/,
      "* 0 RECENT",
      /^h OK/,
    ],
  },
  {
    rfc: "8437 §2",
    says: "UNAUTHENTICATE before login is BAD",
    before: "login",
    client: ["a UNAUTHENTICATE"],
    expect: [/^a BAD/],
  },
  // Greeting, login, TLS
  {
    rfc: "9051 §7.1",
    says: "the greeting is OK and tells capabilities",
    before: "login",
    client: [],
    expect: [/^\* OK \[CAPABILITY IMAP4rev1 IMAP4rev2 .*AUTH=PLAIN/],
  },
  {
    rfc: "9051 §11.1",
    says: "without TLS LOGINDISABLED is told and AUTH= is not",
    before: "plain",
    client: ["a CAPABILITY"],
    expect: [/^\* CAPABILITY .*LOGINDISABLED STARTTLS/, /^a OK/],
    never: [/AUTH=/],
  },
  {
    rfc: "5530 §3",
    says: "LOGIN without TLS is refused with PRIVACYREQUIRED",
    before: "plain",
    client: [`a LOGIN ${USER} "${PASSWORD}"`],
    expect: [/^a NO \[PRIVACYREQUIRED\]/],
  },
  {
    rfc: "5530 §3",
    says: "AUTHENTICATE without TLS is refused before a password is asked",
    before: "plain",
    client: ["a AUTHENTICATE PLAIN"],
    expect: [/^a NO \[PRIVACYREQUIRED\]/],
    never: [/^\+/m],
  },
  {
    rfc: "9051 §6.2.1",
    says: "bytes behind STARTTLS end the connection",
    before: "plain",
    client: ["a STARTTLS", "b CAPABILITY"],
    expect: [/^\* BYE/],
    never: [/^b /m, /^a OK/m],
  },
  {
    rfc: "9051 §6.2.1",
    says: "STARTTLS under TLS is BAD",
    before: "login",
    client: ["a STARTTLS"],
    expect: [/^a BAD/],
  },
  {
    rfc: "9051 §6.2.3",
    says: "LOGIN answers with the capabilities of the new state",
    before: "login",
    client: [`a LOGIN ${USER} "${PASSWORD}"`],
    expect: [/^a OK \[CAPABILITY .*UIDPLUS.*\]/],
  },
  {
    rfc: "9051 §6.2.3",
    says: "LOGIN takes its arguments as literals",
    before: "login",
    client: [`a LOGIN {${USER.length}+}`, `${USER} {${PASSWORD.length}}`, PASSWORD],
    expect: ["+ OK", /^a OK/],
  },
  {
    rfc: "5530 §3",
    says: "a wrong password is AUTHENTICATIONFAILED",
    before: "login",
    client: [`a LOGIN ${USER} wrong`],
    expect: [/^a NO \[AUTHENTICATIONFAILED\]/],
  },
  {
    rfc: "9051 §6.2.2",
    says: "AUTHENTICATE PLAIN asks with an empty challenge",
    before: "login",
    client: ["a AUTHENTICATE PLAIN", Buffer.from(`\0${USER}\0${PASSWORD}`).toString("base64")],
    expect: ["+ ", /^a OK/],
  },
  {
    rfc: "4959 §3",
    says: "AUTHENTICATE PLAIN takes an initial response",
    before: "login",
    client: [`a AUTHENTICATE PLAIN ${Buffer.from(`\0${USER}\0${PASSWORD}`).toString("base64")}`],
    expect: [/^a OK/],
    never: [/^\+/m],
  },
  {
    rfc: "9051 §6.2.2",
    says: "a client cancels with an asterisk",
    before: "login",
    client: ["a AUTHENTICATE PLAIN", "*"],
    expect: ["+ ", /^a BAD/],
  },
  {
    rfc: "9051 §6.2.2",
    says: "a mechanism that is not known is NO",
    before: "login",
    client: ["a AUTHENTICATE GSSAPI"],
    expect: [/^a NO/],
  },
  {
    rfc: "9051 §3",
    says: "mailbox commands before login are BAD",
    before: "login",
    client: ["a SELECT INBOX"],
    expect: [/^a BAD/],
  },
  {
    rfc: "9051 §3",
    says: "message commands without a mailbox are BAD",
    client: ["a FETCH 1 FLAGS"],
    expect: [/^a BAD/],
  },
  {
    rfc: "9051 §2.2.1",
    says: "an unknown command is BAD with its tag",
    client: ["a NONSENSE"],
    expect: [/^a BAD/],
  },
  {
    rfc: "9051 §2.2.1",
    says: "a line without a tag is an untagged BAD",
    client: ["(("],
    expect: [/^\* BAD/],
  },
  // Any state
  {
    rfc: "9051 §6.1.3",
    says: "LOGOUT says BYE before OK",
    client: ["a LOGOUT", "b NOOP"],
    expect: [/^\* BYE/, /^a OK/],
    never: [/^b /m],
  },
  {
    rfc: "2971 §3",
    says: "ID takes NIL and pairs, and answers with a name",
    client: ["a ID NIL", 'b ID ("name" "test" "version" NIL)'],
    expect: ['* ID ("name" "mailkeep")', /^a OK/, /^b OK/],
  },
  {
    rfc: "5161 §3.1",
    says: "ENABLE tells what it enabled and passes over the rest",
    client: ["a ENABLE CONDSTORE X-NOT UTF8=ACCEPT"],
    expect: ["* ENABLED CONDSTORE UTF8=ACCEPT", /^a OK/],
  },
  {
    rfc: "2342 §5",
    says: "NAMESPACE has the own mailboxes and those of other users",
    client: ["a NAMESPACE"],
    expect: ['* NAMESPACE (("" "/")) (("shared/" "/")) NIL', /^a OK/],
  },
  // SELECT
  {
    rfc: "3501 §6.3.1",
    says: "SELECT tells flags, counts, UIDs and that it is read-write",
    client: ["a SELECT inbox"],
    expect: [
      "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)",
      /^\* OK \[PERMANENTFLAGS \(.*\\\*\)\]/,
      "* 4 EXISTS",
      "* 4 RECENT",
      /^\* OK \[UNSEEN 2\]/,
      /^\* OK \[UIDVALIDITY 1001\]/,
      /^\* OK \[UIDNEXT 5\]/,
      /^a OK \[READ-WRITE\]/,
    ],
  },
  {
    rfc: "9051 §6.3.2",
    says: "an IMAP4rev2 client gets LIST and no RECENT",
    client: ["a ENABLE IMAP4rev2", "b SELECT INBOX"],
    expect: ["* ENABLED IMAP4rev2", "* 4 EXISTS", '* LIST () "/" INBOX', /^b OK/],
    never: [/RECENT/],
  },
  {
    rfc: "8474 §4.2",
    says: "SELECT tells MAILBOXID",
    client: ["a SELECT INBOX"],
    expect: [/^\* OK \[MAILBOXID \(F1001\)\]/],
  },
  {
    rfc: "9051 §6.3.3",
    says: "EXAMINE is read-only and STORE is refused",
    client: ["a EXAMINE INBOX", "b STORE 1 +FLAGS (\\Draft)", "c EXPUNGE"],
    expect: [/^a OK \[READ-ONLY\]/, /^b NO \[READ-ONLY\]/, /^c NO \[READ-ONLY\]/],
  },
  {
    rfc: "9051 §6.3.2",
    says: "a mailbox that is missing is NONEXISTENT and leaves nothing selected",
    client: ["a SELECT INBOX", "b SELECT Nowhere", "c CHECK"],
    expect: [/^a OK/, /^b NO \[NONEXISTENT\]/, /^c BAD/],
  },
  {
    rfc: "3501 §6.4.2",
    says: "CLOSE expunges in silence",
    client: ["a SELECT INBOX", "b CLOSE", "c STATUS INBOX (MESSAGES)"],
    expect: [/^b OK/, "* STATUS INBOX (MESSAGES 3)"],
    never: [/EXPUNGE/],
  },
  {
    rfc: "3691 §2",
    says: "UNSELECT expunges nothing",
    client: ["a SELECT INBOX", "b UNSELECT", "c STATUS INBOX (MESSAGES)"],
    expect: [/^b OK/, "* STATUS INBOX (MESSAGES 4)"],
  },
  {
    rfc: "7162 §3.2.5",
    says: "SELECT with QRESYNC tells what changed since",
    client: ["a ENABLE QRESYNC", "b SELECT INBOX (QRESYNC (1001 1 1:4))"],
    expect: [/^\* 1 FETCH \(UID 1 FLAGS \(\\Seen \\Recent\) MODSEQ \(\d+\)\)/, /^b OK/],
  },
  {
    rfc: "7162 §3.2.5.2",
    says: "QRESYNC keeps to the UIDs the client knows, in any order, and takes pairs of numbers and UIDs",
    client: [
      "a ENABLE QRESYNC",
      "b SELECT INBOX (QRESYNC (1001 1 4,3:2 (1,3 1,3)))",
      "c SELECT INBOX (QRESYNC (1001 1 (1:2 1:2)))",
      "d SELECT INBOX (QRESYNC (9 1 1:4))",
      "e SELECT INBOX (QRESYNC (1001 1 1:*))",
    ],
    expect: [
      /^\* 2 FETCH \(UID 2 FLAGS/,
      /^\* 3 FETCH \(UID 3 FLAGS/,
      /^\* 4 FETCH \(UID 4 FLAGS/,
      /^b OK/,
      /^\* OK \[CLOSED\]/,
      /^\* 1 FETCH \(UID 1 FLAGS/,
      /^c OK/,
      /^\* OK \[UIDVALIDITY 1001\]/,
      /^d OK/,
      /^e BAD/,
    ],
  },
  {
    rfc: "7162 §3.2.5",
    says: "QRESYNC without ENABLE is BAD",
    client: ["a SELECT INBOX (QRESYNC (1001 1))"],
    expect: [/^a BAD/],
  },
  // Mailboxes
  {
    rfc: "9051 §6.3.4",
    says: "CREATE makes a mailbox once",
    client: ["a CREATE New/", "b CREATE New", 'c LIST "" New'],
    expect: [/^a OK \[MAILBOXID/, /^b NO \[ALREADYEXISTS\]/, '* LIST (\\HasNoChildren) "/" New'],
  },
  {
    rfc: "6154 §3",
    says: "CREATE takes a special use",
    client: ["a CREATE Bin (USE (\\Trash))", 'b LIST (SPECIAL-USE) "" "*"'],
    expect: [/^a OK/, '* LIST (\\HasNoChildren \\Trash) "/" Bin', '* LIST (\\HasNoChildren \\Sent) "/" Sent'],
  },
  {
    rfc: "6154 §3",
    says: "a use that is not supported is USEATTR",
    client: ["a CREATE Every (USE (\\All))"],
    expect: [/^a NO \[USEATTR\]/],
  },
  {
    rfc: "9051 §6.3.5",
    says: "INBOX is not deleted, others are",
    client: ["a DELETE INBOX", "b DELETE Sent", "c DELETE Sent"],
    expect: [/^a NO \[CANNOT\]/, /^b OK/, /^c NO \[NONEXISTENT\]/],
  },
  {
    rfc: "9051 §6.3.6",
    says: "RENAME takes children along",
    client: ["a RENAME Work Job", 'b LIST "" "Job*"'],
    expect: [/^a OK/, '* LIST (\\HasChildren) "/" Job', '* LIST (\\HasNoChildren) "/" Job/Old'],
  },
  {
    rfc: "9051 §6.3.6",
    says: "RENAME of INBOX moves its messages",
    client: ["a RENAME INBOX Kept", "b STATUS INBOX (MESSAGES)", "c STATUS Kept (MESSAGES)"],
    expect: [/^a OK/, "* STATUS INBOX (MESSAGES 0)", "* STATUS Kept (MESSAGES 4)"],
  },
  {
    rfc: "3501 §5.1.3",
    says: "names travel in modified UTF-7",
    client: ['a LIST "" "Gesch&AOQ-ft"'],
    expect: ['* LIST (\\HasNoChildren) "/" Gesch&AOQ-ft'],
  },
  {
    rfc: "6855 §3",
    says: "with UTF8=ACCEPT names travel in UTF-8",
    client: ["a ENABLE UTF8=ACCEPT", 'b LIST "" "Gesch%"'],
    expect: ['* LIST (\\HasNoChildren) "/" "Gesch\u00e4ft"'],
  },
  {
    rfc: "3501 §5.1.3",
    says: "broken modified UTF-7 is a name no mailbox has",
    client: ["a CREATE &AO"],
    expect: [/^a NO \[CANNOT\]/],
  },
  {
    rfc: "9051 §6.3.9",
    says: "% stops at the separator and * does not",
    client: ['a LIST "" "%"', "b NOOP", 'c LIST "" "W*"'],
    expect: [
      '* LIST (\\HasChildren) "/" Work',
      /^a OK/,
      /^b OK/,
      '* LIST (\\HasChildren) "/" Work',
      '* LIST (\\HasNoChildren) "/" Work/Old',
      /^c OK/,
    ],
  },
  {
    rfc: "9051 §6.3.9",
    says: "an empty pattern tells the separator",
    client: ['a LIST "" ""'],
    expect: ['* LIST (\\Noselect) "/" ""', /^a OK/],
  },
  {
    rfc: "5258 §3.1",
    says: "LIST of subscriptions tells \\Subscribed",
    client: ['a LIST (SUBSCRIBED) "" "*"'],
    expect: [
      '* LIST (\\Subscribed \\HasNoChildren) "/" INBOX',
      '* LIST (\\Subscribed \\HasNoChildren) "/" Work/Old',
    ],
  },
  {
    rfc: "5258 §3.5",
    says: "RECURSIVEMATCH tells the parent of a subscribed child",
    client: ['a LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"'],
    expect: ['* LIST (\\HasChildren) "/" Work ("CHILDINFO" ("SUBSCRIBED"))'],
  },
  {
    rfc: "5258 §3.1",
    says: "RECURSIVEMATCH alone is BAD",
    client: ['a LIST (RECURSIVEMATCH) "" "%"'],
    expect: [/^a BAD/],
  },
  {
    rfc: "5819 §2",
    says: "LIST returns STATUS of each mailbox",
    client: ['a LIST "" (INBOX Sent) RETURN (STATUS (MESSAGES UNSEEN))'],
    expect: ["* STATUS INBOX (MESSAGES 4 UNSEEN 3)", "* STATUS Sent (MESSAGES 0 UNSEEN 0)"],
  },
  {
    rfc: "3501 §6.3.9",
    says: "LSUB with % tells unsubscribed parents as \\Noselect",
    client: ['a LSUB "" "%"'],
    expect: ['* LSUB () "/" INBOX', '* LSUB (\\Noselect) "/" Work'],
  },
  {
    rfc: "9051 §6.3.7",
    says: "SUBSCRIBE and UNSUBSCRIBE change what LSUB tells",
    client: ["a SUBSCRIBE Sent", "b UNSUBSCRIBE Work/Old", 'c LSUB "" "*"'],
    expect: ['* LSUB () "/" Sent', /^c OK/],
    never: [/LSUB .*Old/],
  },
  {
    rfc: "9051 §6.3.11",
    says: "STATUS counts",
    client: ["a STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED)"],
    expect: ["* STATUS INBOX (MESSAGES 4 UIDNEXT 5 UIDVALIDITY 1001 UNSEEN 3 DELETED 1)", /^a OK/],
  },
  {
    rfc: "8438 §3",
    says: "STATUS=SIZE sums the sizes",
    client: ["a STATUS INBOX (SIZE)"],
    expect: [/^\* STATUS INBOX \(SIZE \d{3,}\)/],
  },
  {
    rfc: "9051 §6.3.11",
    says: "an unknown STATUS item is BAD",
    client: ["a STATUS INBOX (WEATHER)"],
    expect: [/^a BAD/],
  },
  // APPEND
  {
    rfc: "4315 §3",
    says: "APPEND tells the UID",
    client: [
      'a APPEND Work (\\Seen $Label) " 5-Feb-2024 10:00:00 +0100" {22}',
      "Subject: new\r\n\r\nBody\r\n",
      "b SELECT Work",
      "c FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)",
    ],
    expect: [
      "+ OK",
      "a OK [APPENDUID 1002 1] Stored.",
      '* 1 FETCH (FLAGS (\\Seen \\Recent $Label) INTERNALDATE "05-Feb-2024 09:00:00 +0000" RFC822.SIZE 22)',
    ],
  },
  {
    rfc: "7888 §3",
    says: "a non-synchronizing literal is not asked for",
    client: ["a APPEND Work {22+}", "Subject: new\r\n\r\nBody\r\n"],
    expect: [/^a OK \[APPENDUID/],
    never: [/^\+/m],
  },
  {
    rfc: "3502 §4",
    says: "MULTIAPPEND stores all and tells all UIDs",
    client: ["a APPEND Work (\\Seen) {7+}", "A: 1\r\n\r (\\Draft) {7+}", "B: 2\r\n\r", ""],
    expect: ["a OK [APPENDUID 1002 1:2] Stored."],
  },
  {
    rfc: "9051 §6.3.12",
    says: "a missing mailbox is TRYCREATE, before the literal is asked for",
    client: ["a APPEND Nowhere {10}", "b NOOP"],
    expect: [/^a NO \[TRYCREATE\]/, /^b OK/],
    never: [/^\+/m],
  },
  {
    rfc: "7889 §4",
    says: "a message above APPENDLIMIT is TOOBIG",
    client: ["a APPEND Work {99999999}", "b NOOP"],
    expect: [/^a NO \[TOOBIG\]/, /^b OK/],
    never: [/^\+/m],
  },
  {
    rfc: "3516 §4.4",
    says: "NUL outside a binary literal is refused",
    client: ["a APPEND Work {8+}", "A: \0\r\n\r\n", "b NOOP"],
    expect: [/^a NO/, /^b OK/],
    never: [/^\* BAD/m],
  },
  {
    rfc: "6855 §4",
    says: "APPEND UTF8 takes its literal in parentheses",
    client: ["a APPEND Work UTF8 (~{9+}", "A: \u00e4\r\n\r\n)"],
    expect: [/^a OK \[APPENDUID/],
  },
  {
    rfc: "9051 §6.3.12",
    says: "the selected mailbox tells EXISTS of what is appended to it",
    client: ["a SELECT INBOX", "b APPEND INBOX {7+}", "A: 5\r\n\r", "c NOOP"],
    expect: ["* 5 EXISTS", "* 5 RECENT", /^b OK/, /^c OK/],
  },
  {
    rfc: "8508 §3",
    says: "REPLACE stores the new one and expunges the old one",
    client: ["a SELECT INBOX", "b REPLACE 2 INBOX {7+}", "A: 5\r\n\r"],
    expect: [/^\* OK \[APPENDUID 1001 5\]/, "* 2 EXPUNGE", "* 4 EXISTS", /^b OK/],
  },
  // FETCH
  {
    rfc: "9051 §6.4.5",
    says: "FETCH of flags, UID and size",
    client: ["a SELECT INBOX", "b FETCH 1:2 (UID FLAGS)"],
    expect: [
      "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))",
      "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent))",
      /^b OK/,
    ],
  },
  {
    rfc: "3501 §6.4.5",
    says: "macros stand alone",
    client: ["a SELECT INBOX", "b FETCH 1 FAST", "c FETCH 1 (FAST)"],
    expect: [
      /^\* 1 FETCH \(FLAGS \(\\Seen \\Recent\) INTERNALDATE ".*" RFC822.SIZE \d+\)/,
      /^b OK/,
      /^c BAD/,
    ],
  },
  {
    rfc: "9051 §7.5.2",
    says: "ENVELOPE fills sender and reply-to from From",
    client: ["a SELECT INBOX", "b FETCH 1 ENVELOPE"],
    expect: [
      '* 1 FETCH (ENVELOPE ("Mon, 5 Feb 2024 10:00:00 +0100" "plain" (("Anna" NIL "anna" "example.org")) (("Anna" NIL "anna" "example.org")) (("Anna" NIL "anna" "example.org")) (("Ben" NIL "ben" "example.net")) NIL NIL NIL "<plain@example.org>"))',
    ],
  },
  {
    rfc: "9051 §7.5.2",
    says: "BODYSTRUCTURE tells every part",
    client: ["a SELECT INBOX", "b FETCH 3 BODYSTRUCTURE"],
    expect: [
      /^\* 3 FETCH \(BODYSTRUCTURE \(\("TEXT" "PLAIN" \("CHARSET" "iso-8859-1"\) NIL NIL "QUOTED-PRINTABLE" 18 0 NIL NIL NIL NIL\)\("APPLICATION" "OCTET-STREAM" \("NAME" "a.bin"\) NIL NIL "BASE64" 8 NIL \("ATTACHMENT" \("FILENAME" "a.bin"\)\) NIL NIL\)\("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 54 \(NIL "inside" .*\) \("TEXT" "PLAIN" \("CHARSET" "US-ASCII"\) NIL NIL "7BIT" 10 0 NIL NIL NIL NIL\) 3 NIL NIL NIL NIL\) "MIXED" \("BOUNDARY" "x y"\) NIL NIL NIL\)\)$/,
    ],
  },
  {
    rfc: "9051 §6.4.5",
    says: "parts and their headers are found by number",
    client: [
      "a SELECT INBOX",
      "b FETCH 3 (BODY.PEEK[1] BODY.PEEK[2.MIME] BODY.PEEK[3.HEADER.FIELDS (SUBJECT)] BODY.PEEK[3.TEXT] BODY.PEEK[3.1] BODY.PEEK[9])",
    ],
    expect: [
      "* 3 FETCH (BODY[1] {18}",
      "Sch=F6ne Gr=FC=DFe BODY[2.MIME] {138}",
      "Content-Disposition: attachment; filename=a.bin",
      "",
      " BODY[3.HEADER.FIELDS (SUBJECT)] {19}",
      "Subject: inside",
      "",
      " BODY[3.TEXT] {10}",
      "inner body BODY[3.1] {10}",
      "inner body BODY[9] NIL)",
    ],
  },
  {
    rfc: "9051 §6.4.5",
    says: "a partial fetch names its origin and is cut at the end",
    client: ["a SELECT INBOX", "b FETCH 1 (BODY.PEEK[TEXT]<6.100> BODY.PEEK[TEXT]<50.5>)"],
    expect: ["* 1 FETCH (BODY[TEXT]<6> {8}", "world.", " BODY[TEXT]<50> {0}", ")"],
  },
  {
    rfc: "9051 §6.4.5",
    says: "HEADER.FIELDS.NOT leaves fields out and ends with an empty line",
    client: ["a SELECT INBOX", "b FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (From To Date Message-ID)]"],
    expect: ["* 1 FETCH (BODY[HEADER.FIELDS.NOT (FROM TO DATE MESSAGE-ID)] {18}", "Subject: plain", "", ")"],
  },
  {
    rfc: "9051 §6.4.5",
    says: "BODY[] sets \\Seen and shows it in the answer",
    client: ["a SELECT INBOX", "b FETCH 2 BODY[HEADER.FIELDS (SUBJECT)]", "c FETCH 2 FLAGS"],
    expect: [" FLAGS (\\Flagged \\Seen \\Recent))", /^b OK/, "* 2 FETCH (FLAGS (\\Flagged \\Seen \\Recent))"],
  },
  {
    rfc: "9051 §6.4.5",
    says: "PEEK and EXAMINE set nothing",
    client: ["a EXAMINE INBOX", "b FETCH 2 (BODY[HEADER.FIELDS (SUBJECT)])", "c FETCH 2 FLAGS"],
    expect: [/^b OK/, "* 2 FETCH (FLAGS (\\Flagged))"],
  },
  {
    rfc: "3501 §7.4.2",
    says: "RFC822.HEADER sets nothing, RFC822.TEXT does",
    client: ["a SELECT INBOX", "b FETCH 2 RFC822.HEADER", "c FETCH 2 RFC822.TEXT"],
    expect: [
      /^\* 2 FETCH \(RFC822\.HEADER \{\d+\}/,
      /^b OK/,
      "* 2 FETCH (RFC822.TEXT {27}",
      /FLAGS \(\\Flagged \\Seen/,
      /^c OK/,
    ],
  },
  {
    rfc: "9051 §6.4.9",
    says: "UID FETCH always tells the UID and passes over what is not there",
    client: ["a SELECT INBOX", "b UID FETCH 3:3,77 FLAGS"],
    expect: ["* 3 FETCH (UID 3 FLAGS (\\Recent))", /^b OK/],
    never: [/77/],
  },
  {
    rfc: "9051 §9",
    says: "* is the last message, also in 99:*",
    client: ["a SELECT INBOX", "b UID FETCH 99:* UID", "c FETCH * UID"],
    expect: ["* 4 FETCH (UID 4)", /^b OK/, "* 4 FETCH (UID 4)"],
  },
  {
    rfc: "9051 §9",
    says: "a sequence number that is not there is BAD",
    client: ["a SELECT INBOX", "b FETCH 5 FLAGS"],
    expect: [/^b BAD/],
  },
  {
    rfc: "9051 §6.4.5",
    says: "an unknown item is BAD",
    client: ["a SELECT INBOX", "b FETCH 1 (FLAGS WEATHER)"],
    expect: [/^b BAD/],
  },
  {
    rfc: "3516 §4.3",
    says: "BINARY takes the encoding off",
    client: ["a SELECT INBOX", "b FETCH 3 (BINARY.SIZE[2] BINARY.PEEK[1]<0.5>)"],
    expect: [/^\* 3 FETCH \(BINARY\.SIZE\[2\] 4 BINARY\[1\]<0> ~\{5\}/],
  },
  {
    rfc: "7162 §3.1.4",
    says: "CHANGEDSINCE fetches only what changed",
    client: [
      "a SELECT INBOX",
      "b FETCH 1:* (FLAGS) (CHANGEDSINCE 1)",
      "c FETCH 1:* (FLAGS) (CHANGEDSINCE 999)",
    ],
    expect: [/^\* 4 FETCH \(FLAGS \(\\Deleted \\Recent\) MODSEQ \(\d+\)\)/, /^b OK/, /^c OK/],
  },
  {
    rfc: "7162 §3.1",
    says: "a FETCH that marks messages as seen tells their MODSEQ with the flags, once, where CONDSTORE is enabled",
    client: [
      "a ENABLE CONDSTORE",
      "b SELECT INBOX",
      "c FETCH 2 (BODY[TEXT]<0.1>)",
      "d FETCH 3 (FLAGS BODY[TEXT]<0.1>)",
      "e FETCH 4 (MODSEQ BODY[TEXT]<0.1>)",
      "f FETCH 1 (BODY[TEXT]<0.1>)",
    ],
    expect: [
      /^A FLAGS \(\\Flagged \\Seen \\Recent\) MODSEQ \(\d+\)\)$/,
      /^\* 3 FETCH \(FLAGS \(\\Seen \\Recent\) BODY\[TEXT\]<0> \{1\}/,
      /^p MODSEQ \(\d+\)\)$/,
      /^\* 4 FETCH \(MODSEQ \(\d+\) BODY/,
      /^R FLAGS \(\\Deleted \\Seen \\Recent\)\)$/,
      /^\* 1 FETCH \(BODY/,
      /^H\)$/,
    ],
  },
  {
    rfc: "8970 §3",
    says: "PREVIEW is the text's beginning",
    client: ["a SELECT INBOX", "b FETCH 1 PREVIEW"],
    expect: ['* 1 FETCH (PREVIEW "Hello world.")'],
  },
  {
    rfc: "8514 §4.2",
    says: "SAVEDATE is told",
    client: ["a SELECT INBOX", "b FETCH 1 SAVEDATE"],
    expect: ['* 1 FETCH (SAVEDATE "01-Feb-2024 12:00:01 +0000")'],
  },
  {
    rfc: "8474 §5",
    says: "EMAILID and THREADID are the same for a copy, and THREADID for an answer and what it answers",
    client: [
      "a SELECT INBOX",
      "b COPY 1 INBOX",
      "c FETCH 1,4,5 (EMAILID THREADID)",
      "d SEARCH THREADID Td85b53b64c6fbe132808ee7fd7820026",
      "e SEARCH NOT THREADID T0",
    ],
    expect: [
      /^\* 1 FETCH \(EMAILID \(M[0-9a-f]{32}\) THREADID \(Td85b53b64c6fbe132808ee7fd7820026\)\)/,
      /^\* 4 FETCH \(EMAILID \(M[0-9a-f]{32}\) THREADID \(Td85b53b64c6fbe132808ee7fd7820026\)\)/,
      /^\* 5 FETCH \(EMAILID \(M[0-9a-f]{32}\) THREADID \(Td85b53b64c6fbe132808ee7fd7820026\)\)/,
      "* SEARCH 1 4 5",
      "* SEARCH 1 2 3 4 5",
    ],
  },
  // STORE, COPY, MOVE, EXPUNGE
  {
    rfc: "9051 §6.4.6",
    says: "STORE answers with the new flags",
    client: [
      "a SELECT INBOX",
      "b STORE 1 +FLAGS (\\Flagged $New)",
      "c STORE 1 -FLAGS \\Seen",
      "d STORE 1 FLAGS ()",
    ],
    expect: [
      /^\* FLAGS \(.*\$New\)/,
      "* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent $New))",
      /^b OK/,
      "* 1 FETCH (FLAGS (\\Flagged \\Recent $New))",
      /^c OK/,
      "* 1 FETCH (FLAGS (\\Recent))",
      /^d OK/,
    ],
  },
  {
    rfc: "9051 §6.4.6",
    says: "a silent STORE is not answered",
    client: ["a SELECT INBOX", "b STORE 1:4 +FLAGS.SILENT (\\Answered)", "c NOOP"],
    expect: [/^b OK/, /^c OK/],
    never: [/FETCH/],
  },
  {
    rfc: "9051 §6.4.6",
    says: "UID STORE tells the UID",
    client: ["a SELECT INBOX", "b UID STORE 2 +FLAGS (\\Draft)"],
    expect: ["* 2 FETCH (UID 2 FLAGS (\\Flagged \\Draft \\Recent))", /^b OK/],
  },
  {
    rfc: "9051 §9",
    says: "an unknown system flag is BAD",
    client: ["a SELECT INBOX", "b STORE 1 +FLAGS (\\Weather)"],
    expect: [/^b BAD/],
  },
  {
    rfc: "7162 §3.1.3",
    says: "UNCHANGEDSINCE leaves changed messages alone and names them",
    client: ["a SELECT INBOX", "b STORE 1:2 (UNCHANGEDSINCE 1) +FLAGS (\\Draft)"],
    expect: [/^b OK \[MODIFIED 1:2\]/],
    never: [/\* 1 FETCH/],
  },
  {
    rfc: "9051 §6.4.7",
    says: "COPY tells where the copies are",
    client: ["a SELECT INBOX", "b COPY 1,3 Work"],
    expect: ["b OK [COPYUID 1002 1,3 1:2] Copied."],
  },
  {
    rfc: "9051 §6.4.7",
    says: "COPY to a missing mailbox is TRYCREATE",
    client: ["a SELECT INBOX", "b COPY 1 Nowhere"],
    expect: [/^b NO \[TRYCREATE\]/],
  },
  {
    rfc: "6851 §3.3",
    says: "MOVE tells COPYUID before EXPUNGE",
    client: ["a SELECT INBOX", "b MOVE 2:3 Work", "c STATUS Work (MESSAGES)"],
    expect: [
      /^\* OK \[COPYUID 1002 2:3 1:2\]/,
      "* 3 EXPUNGE",
      "* 2 EXPUNGE",
      /^b OK/,
      "* STATUS Work (MESSAGES 2)",
    ],
  },
  {
    rfc: "9051 §6.4.3",
    says: "EXPUNGE takes deleted messages and tells their numbers",
    client: ["a SELECT INBOX", "b STORE 1 +FLAGS.SILENT (\\Deleted)", "c EXPUNGE", "d FETCH 1:* UID"],
    expect: ["* 4 EXPUNGE", "* 1 EXPUNGE", /^c OK/, "* 1 FETCH (UID 2)", "* 2 FETCH (UID 3)", /^d OK/],
  },
  {
    rfc: "4315 §2.1",
    says: "UID EXPUNGE takes only those named",
    client: ["a SELECT INBOX", "b STORE 1 +FLAGS.SILENT (\\Deleted)", "c UID EXPUNGE 1:2"],
    expect: ["* 1 EXPUNGE", /^c OK/],
    never: [/\* [34] EXPUNGE/],
  },
  {
    rfc: "7162 §3.2.7",
    says: "a QRESYNC client gets VANISHED",
    client: ["a ENABLE QRESYNC", "b SELECT INBOX", "c EXPUNGE"],
    expect: ["* VANISHED 4", /^c OK \[HIGHESTMODSEQ \d+\]/],
    never: [/\d EXPUNGE/],
  },
  // SEARCH
  ...(
    [
      ["ALL", "1 2 3 4"],
      ["SEEN", "1"],
      ["UNSEEN", "2 3 4"],
      ["FLAGGED NOT DELETED", "2"],
      ["OR SEEN DELETED", "1 4"],
      ["(OR SEEN FLAGGED) UNSEEN", "2"],
      ["RECENT", "1 2 3 4"],
      ["NEW", "2 3 4"],
      ["2:3", "2 3"],
      ["UID 4,1", "1 4"],
      ["LARGER 600", "3"],
      ["SMALLER 100000", "1 2 3 4"],
      ["SINCE 3-Feb-2024", "3 4"],
      ["BEFORE 2-Feb-2024", "1"],
      ['ON "2-Feb-2024"', "2"],
      ["SENTON 5-Feb-2024", "1 2 3 4"],
      ["SENTBEFORE 5-Feb-2024", ""],
      ["YOUNGER 1000", ""],
      ["OLDER 1000", "1 2 3 4"],
      ["SUBJECT PLAIN", "1 4"],
      ["FROM anna CC carl", "3"],
      ['HEADER In-Reply-To ""', "4"],
      ["BODY marker", "2"],
      ["BODY subject", "3"],
      ["TEXT inside", "3"],
      ["KEYWORD Nothing", ""],
      ["UNKEYWORD Nothing", "1 2 3 4"],
      ["SAVEDSINCE 4-Feb-2024", "4"],
    ] as const
  ).map(
    ([program, found]): Row => ({
      rfc: "9051 §6.4.4",
      says: `SEARCH ${program} finds ${found || "nothing"}`,
      client: ["a SELECT INBOX", `b SEARCH ${program}`],
      expect: [`* SEARCH${found === "" ? "" : ` ${found}`}`, /^b OK/],
    }),
  ),
  {
    rfc: "9051 §6.4.4",
    says: "encoded subjects and bodies are searched as Unicode",
    client: [
      "a SELECT INBOX",
      "b SEARCH CHARSET UTF-8 SUBJECT {7+}",
      "gr\u00fc\u00dfe BODY {6+}",
      "SCH\u00d6N",
    ],
    expect: ["* SEARCH 3", /^b OK/],
  },
  {
    rfc: "9051 §6.4.4",
    says: "a charset that is not known is BADCHARSET",
    client: ["a SELECT INBOX", "b SEARCH CHARSET KLINGON SUBJECT x"],
    expect: [/^b NO \[BADCHARSET/],
  },
  {
    rfc: "4731 §3.1",
    says: "RETURN tells MIN, MAX, COUNT and ALL",
    client: ["a SELECT INBOX", "b UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN"],
    expect: ['* ESEARCH (TAG "b") UID MIN 2 MAX 4 ALL 2:4 COUNT 3', /^b OK/],
  },
  {
    rfc: "4731 §3.1",
    says: "an empty result has COUNT 0 and no MIN",
    client: ["a SELECT INBOX", "b SEARCH RETURN (MIN COUNT) KEYWORD x"],
    expect: ['* ESEARCH (TAG "b") COUNT 0', /^b OK/],
  },
  {
    rfc: "9051 §6.4.4",
    says: "an IMAP4rev2 client gets ESEARCH",
    client: ["a ENABLE IMAP4rev2", "b SELECT INBOX", "c SEARCH UNSEEN"],
    expect: ['* ESEARCH (TAG "c") ALL 2:4', /^c OK/],
  },
  {
    rfc: "5182 §2.1",
    says: "SAVE keeps the result as $",
    client: ["a SELECT INBOX", "b SEARCH RETURN (SAVE) UNSEEN", "c FETCH $ UID", "d SEARCH $ DELETED"],
    expect: [/^b OK/, "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)", /^c OK/, "* SEARCH 4"],
    never: [/ESEARCH/],
  },
  {
    rfc: "7162 §3.1.5",
    says: "SEARCH MODSEQ tells the highest MODSEQ",
    client: ["a SELECT INBOX", "b SEARCH MODSEQ 1"],
    expect: [/^\* SEARCH 1 2 3 4 \(MODSEQ \d+\)/],
  },
  {
    rfc: "5256 §3",
    says: "SORT orders by its keys, in reverse too",
    client: [
      "a SELECT INBOX",
      "b SORT (REVERSE ARRIVAL) UTF-8 ALL",
      "c SORT (SUBJECT SIZE) UTF-8 ALL",
      "d UID SORT RETURN (COUNT MIN) (REVERSE ARRIVAL) UTF-8 UNSEEN",
    ],
    expect: [
      "* SORT 4 3 2 1",
      /^b OK/,
      /^\* SORT 2 3 [14] [14]/,
      /^c OK/,
      '* ESEARCH (TAG "d") UID MIN 4 COUNT 3',
    ],
  },
  {
    rfc: "5256 §4",
    says: "THREAD joins a reply to its parent",
    client: ["a SELECT INBOX", "b THREAD REFERENCES UTF-8 ALL", "c UID THREAD ORDEREDSUBJECT UTF-8 ALL"],
    expect: ["* THREAD (1 4)(2)(3)", /^b OK/, "* THREAD (1 4)(2)(3)", /^c OK/],
  },
  // IDLE, limits
  {
    rfc: "2177 §3",
    says: "IDLE is ended by DONE",
    client: ["a SELECT INBOX", "b IDLE", "DONE", "c NOOP"],
    expect: ["+ idling", /^b OK/, /^c OK/],
  },
  {
    rfc: "2177 §3",
    says: "anything but DONE is BAD",
    client: ["a SELECT INBOX", "b IDLE", "b2 NOOP"],
    expect: ["+ idling", /^b BAD/],
  },
  {
    rfc: "9051 §4.3",
    says: "a literal that is too large is refused without asking for it",
    client: ["a CREATE {100000}", "b NOOP"],
    expect: [/^a NO \[TOOBIG\]/, /^b OK/],
    never: [/^\+/m],
  },
  {
    rfc: "9051 §2.2.1",
    says: "deep nesting is BAD",
    client: [
      "a SELECT INBOX",
      `b SEARCH ${"(".repeat(200)}ALL${")".repeat(200)}`,
      `c SEARCH ${"NOT ".repeat(200)}ALL`,
    ],
    expect: [/^b BAD/, /^c BAD/],
  },
];

describe("IMAP conformance", () => {
  testRows(ROWS, { store: fixture });

  it("a message that cannot be kept is refused whole, and its bytes are no commands (RFC 9051 §4.3)", async () => {
    const text = `${"x NOOP\r\n".repeat(40_000)}`;
    const connection = new ScriptConnection(
      Buffer.from(
        `a LOGIN ${USER} "${PASSWORD}"\r\nb APPEND INBOX {${text.length}+}\r\n${text}\r\nc NOOP\r\n`,
      ),
    );
    await serveImap(connection, {
      store: fixture(),
      authenticator: testAuthenticator,
      hostname: "x",
      log: silentLog,
      spool: { directory: "/nonexistent/mailkeep", memoryLimit: 1000 },
    });
    const output = connection.output.toString("latin1");
    assert.match(output, /^b NO \[UNAVAILABLE\].*\r\nc OK/m);
    assert.doesNotMatch(output, /^x /m);
  });

  it("message bytes leave as they are stored, whatever they are (RFC 9051 §6.4.5)", async () => {
    const bytes = Buffer.alloc(100_000, 0);
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = (index * 7) % 256;
    const store = fixture();
    store.get(USER).find("Work").insert([{ bytes }]);
    const connection = new ScriptConnection(
      Buffer.from(`a LOGIN ${USER} "${PASSWORD}"\r\nb SELECT Work\r\nc FETCH 1 BODY.PEEK[]\r\n`),
    );
    await serveImap(connection, { store, authenticator: testAuthenticator, hostname: "x", log: silentLog });
    assert.ok(
      connection.output.includes(Buffer.concat([Buffer.from("{100000}\r\n"), bytes, Buffer.from(")\r\n")])),
    );
  });
});
