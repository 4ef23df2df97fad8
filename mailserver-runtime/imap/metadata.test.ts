/** METADATA and LIST-METADATA (RFC 5464, RFC 9590). */
import { describe } from "node:test";
import { type Row, testRows } from "./test/conversation.ts";
import { MemoryStore } from "./test/memory-store.ts";
import { message } from "./test/messages.ts";
import { USER } from "./test/server.ts";

/** INBOX with a comment, a tree of filters and a long value; Work and Work/Old without. */
function fixture(): MemoryStore {
  const store = new MemoryStore();
  const account = store.get(USER);
  account.find("INBOX").insert([{ bytes: message({ subject: "one", body: "" }) }]);
  void account.create("Work/Old");
  void account.setMetadata(
    "INBOX",
    new Map([
      ["/private/comment", Buffer.from("My own")],
      ["/private/filters", Buffer.from("top")],
      ["/private/filters/values/small", Buffer.from("SMALLER 5000")],
      ["/private/filters/values", Buffer.from("v")],
      ["/private/filtersother", Buffer.from("no child")],
      ["/shared/long", Buffer.alloc(2000, "x")],
      ["/shared/binary", Buffer.from([1, 0, 2])],
    ]),
  );
  return store;
}

const ROWS: readonly Row[] = [
  {
    rfc: "5464 §1, 9590 §2",
    says: "METADATA and LIST-METADATA are told after login",
    client: ["a CAPABILITY"],
    expect: [/^\* CAPABILITY .* METADATA .*LIST-METADATA/],
  },
  {
    rfc: "5464 §4.2",
    says: "GETMETADATA gives a value, and NIL where there is none",
    client: [
      "a GETMETADATA INBOX /private/comment",
      "b GETMETADATA INBOX (/private/comment /shared/comment)",
    ],
    expect: [
      '* METADATA INBOX (/private/comment "My own")',
      /^a OK/,
      '* METADATA INBOX (/private/comment "My own" /shared/comment NIL)',
      /^b OK/,
    ],
  },
  {
    rfc: "5464 §3.2.1",
    says: "case does not matter in an entry's name",
    client: ["a GETMETADATA INBOX /Private/COMMENT"],
    expect: ['* METADATA INBOX (/private/comment "My own")', /^a OK/],
  },
  {
    rfc: "5464 §4.2.1",
    says: "values above MAXSIZE are left out and the largest is named",
    client: ["a GETMETADATA (MAXSIZE 1024) INBOX (/shared/long /private/comment)"],
    expect: ['* METADATA INBOX (/private/comment "My own")', /^a OK \[METADATA LONGENTRIES 2000\]/],
    never: [/xxxx/],
  },
  {
    rfc: "5464 §4.2.2",
    says: "DEPTH 1 gives an entry and its children, infinity all below, 0 itself alone",
    client: [
      "a GETMETADATA (DEPTH 1) INBOX /private/filters",
      'b GETMETADATA "INBOX" (DEPTH infinity MAXSIZE 100) (/private/filters)',
      "c GETMETADATA (DEPTH 0) INBOX /private/filters",
    ],
    expect: [
      '* METADATA INBOX (/private/filters "top" /private/filters/values "v")',
      /^a OK/,
      '* METADATA INBOX (/private/filters "top" /private/filters/values/small "SMALLER 5000" /private/filters/values "v")',
      /^b OK/,
      '* METADATA INBOX (/private/filters "top")',
      /^c OK/,
    ],
    never: [/filtersother/],
  },
  {
    rfc: "5464 §5",
    says: "a value with NUL comes as a binary literal",
    client: ["a GETMETADATA INBOX /shared/binary"],
    expect: ["* METADATA INBOX (/shared/binary ~{3}", "\u0001\0\u0002)", /^a OK/],
  },
  {
    rfc: "5464 §4.3",
    says: "SETMETADATA sets, replaces and with NIL removes, by any kind of string",
    client: [
      'a SETMETADATA Work/Old (/private/a "one" /private/b {3+}',
      "two /private/c ~{5+}",
      "three)",
      'b SETMETADATA Work/Old (/private/a NIL /private/b "2")',
      "c GETMETADATA (DEPTH infinity) Work/Old /private",
    ],
    expect: [/^a OK/, /^b OK/, '* METADATA Work/Old (/private/b "2" /private/c "three")', /^c OK/],
  },
  {
    rfc: "5464 §3.1",
    says: "annotations of the account are kept by the empty mailbox name",
    client: [
      'a SETMETADATA "" (/private/comment "mine")',
      'b GETMETADATA "" (/private/comment /shared/admin)',
    ],
    expect: [/^a OK/, '* METADATA "" (/private/comment "mine" /shared/admin NIL)', /^b OK/],
  },
  {
    rfc: "5464 §3.2.1.1",
    says: "what the server shares is its administrator's to set",
    client: ['a SETMETADATA "" (/shared/comment "x")'],
    expect: [/^a NO \[NOPERM\]/],
  },
  {
    rfc: "6154 §5.4",
    says: "a mailbox's use is not changed by an annotation",
    client: ['a SETMETADATA Work/Old (/private/specialuse "\\\\Sent")'],
    expect: [/^a NO \[CANNOT\]/],
  },
  {
    rfc: "5464 §4.3",
    says: "a value that is too large is refused with the limit, and nothing is set",
    client: [
      `a SETMETADATA INBOX (/private/comment "new" /private/big {40000+}`,
      `${"x".repeat(40_000)})`,
      "b GETMETADATA INBOX /private/comment",
    ],
    expect: [/^a NO \[METADATA MAXSIZE 32768\]/, '* METADATA INBOX (/private/comment "My own")'],
  },
  {
    rfc: "5464 §4.3",
    says: "more entries than a mailbox may have are refused with TOOMANY, and removing goes on",
    client: [
      `a SETMETADATA INBOX (${Array.from({ length: 194 }, (_, index) => `/private/n${index} "x"`).join(" ")})`,
      `b SETMETADATA INBOX (${Array.from({ length: 193 }, (_, index) => `/private/n${index} "x"`).join(" ")})`,
      'c SETMETADATA INBOX (/private/more "x")',
      "d SETMETADATA INBOX (/private/n1 NIL)",
      'e SETMETADATA INBOX (/private/more "x")',
    ],
    expect: [/^a NO \[METADATA TOOMANY\]/, /^b OK/, /^c NO \[METADATA TOOMANY\]/, /^d OK/, /^e OK/],
  },
  {
    rfc: "5464 §4.3",
    says: "a mailbox that does not exist has no annotations",
    client: ["a GETMETADATA Nowhere /private/x", 'b SETMETADATA Nowhere (/private/x "y")'],
    expect: [/^a NO \[NONEXISTENT\]/, /^b NO \[NONEXISTENT\]/],
  },
  {
    rfc: "5464 §3.2.1",
    says: "names that no entry may have are BAD",
    client: [
      'a SETMETADATA INBOX (/public/x "y")',
      'b SETMETADATA INBOX ("/private/a*" "y")',
      'c SETMETADATA INBOX (/private//a "y")',
      'd SETMETADATA INBOX (/private/a/ "y")',
      'e SETMETADATA INBOX (/private "y")',
      "f SETMETADATA INBOX (/private/a)",
      "g GETMETADATA (DEPTH 2) INBOX /private/a",
      `h GETMETADATA INBOX /private/${"x".repeat(300)}`,
    ],
    expect: [/^a BAD/, /^b BAD/, /^c BAD/, /^d BAD/, /^e BAD/, /^f BAD/, /^g BAD/, /^h BAD/],
  },
  {
    rfc: "9590 §3",
    says: "LIST gives annotations behind each mailbox that can be selected",
    client: ['a LIST "" "*" RETURN (METADATA (/private/comment) CHILDREN)'],
    expect: [
      /^\* LIST .* INBOX$/,
      '* METADATA INBOX (/private/comment "My own")',
      /^\* LIST .* Work\/Old$/,
      "* METADATA Work/Old (/private/comment NIL)",
      /^a OK/,
    ],
    never: [/METADATA Work \(/],
  },
];

describe("METADATA", () => {
  testRows(ROWS, { store: fixture });
});
