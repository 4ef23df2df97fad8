/** SEARCH, SORT and THREAD where the RFCs have corners: what is found, told and remembered. */
import { describe } from "node:test";
import { type Row, testRows } from "./test/conversation.ts";
import { MemoryStore } from "./test/memory-store.ts";
import { message } from "./test/messages.ts";
import { USER } from "./test/server.ts";

/** Replies in INBOX with references that contradict each other; From fields with comments inside. */
function fixture(): MemoryStore {
  const store = new MemoryStore();
  const at = (hour: number) => Date.UTC(2024, 1, 1, hour);
  const bare = (lines: readonly string[]) => Buffer.from([...lines, "", "body", ""].join("\r\n"));
  store
    .get(USER)
    .find("INBOX")
    .insert([
      { bytes: bare(["Message-ID: <a@b>", "From: <carl (comment)@ (comment) example.org>"]), date: at(17) },
      { bytes: bare(["Message-ID: <b@b>", "References: <a@b> <c@b>"]), date: at(15) },
      { bytes: bare(["Message-ID: <c@b>", "References: <b@b>"]), date: at(16) },
      { bytes: message({ subject: "four", body: "" }), date: at(18) },
    ]);
  const account = store.get(USER);
  void account.create("Work/Old");
  void account.subscribe("Work/Old", true);
  return store;
}

/** \u00c9t\u00e9 and three Greek letters, of which the last is written in two ways. */
const GREEK = "Subject: =?utf-8?Q?=C3=89t=C3=A9_=CE=A3=CE=91=CE=A3?=\r\n\r\nx\r\n";

const ROWS: readonly Row[] = [
  {
    rfc: "5256 §4",
    says: "a later References field unbinds a message from the parent others gave it",
    client: ["a SELECT INBOX", "b THREAD REFERENCES UTF-8 1:3"],
    expect: ["* THREAD (3 2)(1)", /^b OK/],
  },
  {
    rfc: "9051 §6.4.4",
    says: "a sequence number without a message is found nowhere, and no error",
    client: ["a SELECT INBOX", "b SEARCH RETURN (COUNT) 1000", "c SEARCH 3:1000", "d SEARCH 1000:*"],
    expect: ['* ESEARCH (TAG "b") COUNT 0', /^b OK/, "* SEARCH 3 4", "* SEARCH 4"],
  },
  {
    rfc: "5322 §4.4",
    says: "an address is found though comments stand inside it",
    client: ["a SELECT INBOX", "b SEARCH FROM carl@example.org"],
    expect: ["* SEARCH 1", /^b OK/],
  },
  {
    rfc: "4731 §3.2",
    says: "MODSEQ is of the messages told: with MIN or MAX alone of the first or last",
    client: [
      "a SELECT INBOX (CONDSTORE)",
      "b STORE 1 +FLAGS.SILENT (\\Flagged)",
      "c STORE 3 +FLAGS.SILENT (\\Flagged)",
      "d STORE 2 +FLAGS.SILENT (\\Flagged)",
      "e SEARCH RETURN (MIN) 1:3 MODSEQ 1",
      "f SEARCH RETURN (MAX) 1:3 MODSEQ 1",
      "g SEARCH RETURN (ALL) 1:3 MODSEQ 1",
    ],
    expect: [
      /^\* ESEARCH \(TAG "e"\) MIN 1 MODSEQ 3$/,
      /^\* ESEARCH \(TAG "f"\) MAX 3 MODSEQ 4$/,
      /^\* ESEARCH \(TAG "g"\) ALL 1:3 MODSEQ 5$/,
    ],
  },
  {
    rfc: "3501 §6.3.8",
    says: "a pattern that is no name matches none",
    client: ['a LIST "" "Wo&AO*"'],
    expect: [/^a OK/],
    never: [/^\* LIST/],
  },
  {
    rfc: "5258 §3.1",
    says: "a parent speaks for subscribed children the client has not named itself",
    client: [
      'a LIST (SUBSCRIBED RECURSIVEMATCH) "" (Work)',
      'b LIST (SUBSCRIBED RECURSIVEMATCH) "" (Work Work/Old)',
    ],
    expect: [
      /^\* LIST \(.*\) "\/" Work \("CHILDINFO" \("SUBSCRIBED"\)\)$/,
      /^a OK/,
      /^\* LIST .* Work\/Old$/,
      /^b OK/,
    ],
  },
  {
    rfc: "9394 §3.1",
    says: "PARTIAL gives a stretch of the result, from its beginning or its end, or NIL",
    client: [
      "a SELECT INBOX",
      "b UID SEARCH RETURN (PARTIAL 3:2 COUNT) ALL",
      "c SEARCH RETURN (PARTIAL -1:-2) ALL",
      "d SEARCH RETURN (PARTIAL 5:9) ALL",
      "e SORT RETURN (PARTIAL 1:2) (REVERSE ARRIVAL) UTF-8 ALL",
    ],
    expect: [
      '* ESEARCH (TAG "b") UID PARTIAL (2:3 2:3) COUNT 4',
      '* ESEARCH (TAG "c") PARTIAL (-1:-2 3:4)',
      '* ESEARCH (TAG "d") PARTIAL (5:9 NIL)',
      '* ESEARCH (TAG "e") PARTIAL (1:2 4,1)',
    ],
  },
  {
    rfc: "9394 §3.1",
    says: "PARTIAL with ALL, twice, or with half a range is BAD",
    client: [
      "a SELECT INBOX",
      "b SEARCH RETURN (ALL PARTIAL 1:2) ALL",
      "c SEARCH RETURN (PARTIAL 1:2 PARTIAL 1:2) ALL",
      "d SEARCH RETURN (PARTIAL 1) ALL",
      "e SEARCH RETURN (PARTIAL 1:*) ALL",
      "f SEARCH RETURN (PARTIAL -1:2) ALL",
    ],
    expect: [/^b BAD/, /^c BAD/, /^d BAD/, /^e BAD/, /^f BAD/],
  },
  {
    rfc: "9394 §3.1, 5182 §2.4",
    says: "what is saved of a PARTIAL result is that part",
    client: ["a SELECT INBOX", "b SEARCH RETURN (SAVE PARTIAL 2:3) ALL", "c FETCH $ (UID)"],
    expect: [/^b OK/, "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", /^c OK/],
    never: [/FETCH \(UID [14]\)/],
  },
  {
    rfc: "9394 §3.2",
    says: "UID FETCH of a PARTIAL gives so many messages from either end",
    client: [
      "a SELECT INBOX",
      "b UID FETCH 1:* (FLAGS) (PARTIAL -1:-1)",
      "c FETCH 1:* (FLAGS) (PARTIAL 1:1)",
    ],
    expect: [/^\* 4 FETCH \(UID 4/, /^b OK/, /^c BAD/],
    never: [/^\* 3 FETCH/],
  },
  {
    rfc: "5267 §4.3",
    says: "a search that goes on tells what comes in and leaves, before it is expunged, until it is cancelled",
    client: [
      "a SELECT INBOX",
      "s SEARCH RETURN (UPDATE COUNT) FLAGGED",
      "b STORE 2,3 +FLAGS (\\Flagged)",
      "c STORE 3 -FLAGS (\\Flagged)",
      "d STORE 2 +FLAGS (\\Deleted)",
      "e EXPUNGE",
      'f CANCELUPDATE "s"',
      "g STORE 1 +FLAGS (\\Flagged)",
    ],
    expect: [
      '* ESEARCH (TAG "s") COUNT 0',
      '* ESEARCH (TAG "s") ADDTO (0 2:3)',
      /^b OK/,
      '* ESEARCH (TAG "s") REMOVEFROM (0 3)',
      /^c OK/,
      '* ESEARCH (TAG "s") REMOVEFROM (0 2)',
      "* 2 EXPUNGE",
      /^f OK/,
      /^g OK/,
    ],
    never: [/ADDTO \(0 1\)/],
  },
  {
    rfc: "5267 §4.3.2",
    says: "a sorted result is not followed, and the client is told so",
    client: ["a SELECT INBOX", "b SORT RETURN (UPDATE ALL) (ARRIVAL) UTF-8 ALL"],
    expect: [
      '* ESEARCH (TAG "b") ALL 2:3,1,4',
      '* NO [NOUPDATE "b"] A sorted result is not followed.',
      /^b OK/,
    ],
  },
  {
    rfc: "7377 §2.1",
    says: "ESEARCH finds in several mailboxes and names each with its UIDVALIDITY",
    client: [
      'a ESEARCH IN (mailboxes "INBOX" subtree Work) RETURN (COUNT) ALL',
      "b ESEARCH IN (personal) SUBJECT four",
      "c ESEARCH IN (subtree-one Work) ALL",
      "d ESEARCH IN (mailboxes Nowhere) ALL",
      "e ESEARCH ALL",
    ],
    expect: [
      /^\* ESEARCH \(TAG "a" MAILBOX INBOX UIDVALIDITY \d+\) UID COUNT 4$/,
      /^\* ESEARCH \(TAG "a" MAILBOX Work\/Old UIDVALIDITY \d+\) UID COUNT 0$/,
      /^a OK/,
      /^\* ESEARCH \(TAG "b" MAILBOX INBOX UIDVALIDITY \d+\) UID ALL 4$/,
      /^b OK/,
      /^c OK/,
      /^d OK/,
      /^e BAD/,
    ],
  },
  {
    rfc: "5255 §4.7, 5051",
    says: "letters are compared without case, in every script",
    client: [
      "a SELECT INBOX",
      `b APPEND INBOX {${GREEK.length}+}`,
      GREEK,
      "d SEARCH CHARSET UTF-8 SUBJECT {5+}",
      "\u00c9T\u00c9",
      "e SEARCH CHARSET UTF-8 SUBJECT {6+}",
      "\u03c3\u03b1\u03c3",
    ],
    expect: [/^b OK/, "* SEARCH 5", /^d OK/, "* SEARCH 5", /^e OK/],
  },
  {
    rfc: "9586 §3",
    says: "with UIDONLY messages have no numbers: UIDFETCH and VANISHED tell of them, and numbers are refused",
    client: [
      "a ENABLE UIDONLY",
      "b SELECT INBOX",
      "c UID FETCH 2 (FLAGS)",
      "d FETCH 1 (FLAGS)",
      "e UID STORE 2 +FLAGS (\\Deleted)",
      "f UID SEARCH 1:2",
      "g UID EXPUNGE 2",
      "h UID SEARCH RETURN (ALL) UID 1:3",
      "i SEARCH ALL",
    ],
    expect: [
      "* ENABLED UIDONLY",
      /^b OK/,
      /^\* 2 UIDFETCH \(FLAGS/,
      /^d BAD \[UIDREQUIRED\]/,
      /^\* 2 UIDFETCH \(FLAGS \(.*\\Deleted.*\)\)/,
      /^f BAD \[UIDREQUIRED\]/,
      "* VANISHED 2",
      '* ESEARCH (TAG "h") UID ALL 1,3',
      /^i BAD \[UIDREQUIRED\]/,
    ],
    never: [/\[UNSEEN/, /^\* \d+ EXPUNGE/],
  },
];

describe("searching", () => testRows(ROWS, { store: fixture }));
