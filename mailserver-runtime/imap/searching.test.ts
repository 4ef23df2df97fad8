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
];

describe("searching", () => testRows(ROWS, { store: fixture }));
