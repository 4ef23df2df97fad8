/** QUOTA (RFC 9208): what is told, and what is refused when an account is full. */
import { describe } from "node:test";
import { Flag } from "../store/mail-store.ts";
import { type Row, testRows } from "./test/conversation.ts";
import { MemoryStore } from "./test/memory-store.ts";
import { USER } from "./test/server.ts";

/** Two messages of 1,500 bytes, the second deleted; a mailbox Work and a Trash. */
function fixture(): MemoryStore {
  const store = new MemoryStore();
  const account = store.get(USER);
  const bytes = Buffer.from(`Subject: x\r\n\r\n${"x".repeat(1486)}`);
  account.find("INBOX").insert([{ bytes }, { bytes, flags: Flag.Deleted }]);
  void account.create("Work");
  void account.create("Trash", "\\Trash");
  return store;
}
const text = (size: number) => `A: ${"x".repeat(size - 7)}\r\n\r\n`;

const LIMITED: readonly Row[] = [
  {
    rfc: "9208 §3.1",
    says: "QUOTA and its resources are told after login",
    client: ["a CAPABILITY"],
    expect: [/^\* CAPABILITY .* QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE/, /^a OK/],
  },
  {
    rfc: "9208 §4.1.1",
    says: "GETQUOTA tells used and limit, STORAGE in units of 1024 octets",
    client: ['a GETQUOTA "User quota"'],
    expect: ['* QUOTA "User quota" (STORAGE 3 4 MESSAGE 2 3)', /^a OK/],
  },
  {
    rfc: "9208 §4.1.1",
    says: "GETQUOTA of a root that is none is refused",
    client: ['a GETQUOTA "elsewhere"', "b GETQUOTA"],
    expect: [/^a NO \[NONEXISTENT\]/, /^b BAD/],
    never: [/^\* QUOTA/m],
  },
  {
    rfc: "9208 §4.1.2",
    says: "GETQUOTAROOT names the root and tells it, also of a mailbox that does not exist yet",
    client: ["a GETQUOTAROOT inbox", "b GETQUOTAROOT &AOQ-/b"],
    expect: [
      '* QUOTAROOT INBOX "User quota"',
      '* QUOTA "User quota" (STORAGE 3 4 MESSAGE 2 3)',
      /^a OK/,
      '* QUOTAROOT &AOQ-/b "User quota"',
      /^b OK/,
    ],
  },
  {
    rfc: "9208 §4.1.3",
    says: "SETQUOTA is no command where QUOTASET is not told",
    client: ['a SETQUOTA "User quota" (STORAGE 100)'],
    expect: [/^a BAD/],
  },
  {
    rfc: "9208 §4.1.4",
    says: "STATUS tells what EXPUNGE would free",
    client: ["a STATUS INBOX (MESSAGES DELETED DELETED-STORAGE)"],
    expect: ["* STATUS INBOX (MESSAGES 2 DELETED 1 DELETED-STORAGE 1500)", /^a OK/],
  },
  {
    rfc: "9208 §4.3.1",
    says: "APPEND beyond the quota is refused before its literal is asked for",
    client: ["a APPEND Work {2000}", "b STATUS Work (MESSAGES)"],
    expect: [/^a NO \[OVERQUOTA\]/, "* STATUS Work (MESSAGES 0)"],
    never: [/^\+/m],
  },
  {
    rfc: "9208 §4.3.1",
    says: "APPEND that fits exactly is stored, and one byte more is not",
    client: [`a APPEND Work {1096+}`, text(1096), `b APPEND Work {8+}`, text(8)],
    expect: [/^a OK \[APPENDUID/, /^b NO \[OVERQUOTA\]/],
  },
  {
    rfc: "3502 §6.3.11",
    says: "several messages in one APPEND count together, and none is stored",
    client: [`a APPEND Work {600+}`, `${text(600)} {600+}`, text(600), "b STATUS Work (MESSAGES)"],
    expect: [/^a NO \[OVERQUOTA\]/, "* STATUS Work (MESSAGES 0)", /^b OK/],
  },
  {
    rfc: "9208 §5.2",
    says: "the number of messages is limited too",
    client: [`a APPEND Work {8+}`, text(8), `b APPEND Work {8+}`, text(8)],
    expect: [/^a OK/, /^b NO \[OVERQUOTA\]/],
  },
  {
    rfc: "9208 §4.3.1",
    says: "COPY beyond the quota copies nothing",
    client: ["a SELECT INBOX", "b COPY 1 Work", "c UID COPY 1:2 Work", "d STATUS Work (MESSAGES)"],
    expect: [/^b NO \[OVERQUOTA\]/, /^c NO \[OVERQUOTA\]/, "* STATUS Work (MESSAGES 0)"],
  },
  {
    rfc: "6851 §3.3",
    says: "MOVE adds nothing to the account, so it works when the account is full",
    client: ["a SELECT INBOX", "b MOVE 1:2 Trash", "c STATUS Trash (MESSAGES)"],
    expect: [/^b OK/, "* STATUS Trash (MESSAGES 2)"],
    never: [/OVERQUOTA/],
  },
  {
    rfc: "8508 §3.1",
    says: "REPLACE counts what goes against what comes",
    client: [
      "a SELECT INBOX",
      `b REPLACE 1 INBOX {2500+}`,
      text(2500),
      "c UID REPLACE 3 INBOX {4000+}",
      text(4000),
    ],
    expect: [/^b OK/, /^c NO \[OVERQUOTA\]/],
  },
];

const UNLIMITED: readonly Row[] = [
  {
    rfc: "9208 §4.2.1",
    says: "an account without limit has a root without resources",
    client: ["a GETQUOTAROOT INBOX", `b APPEND Work {5000+}`, text(5000)],
    expect: ['* QUOTAROOT INBOX "User quota"', '* QUOTA "User quota" ()', /^a OK/, /^b OK/],
  },
];

const WITHOUT: readonly Row[] = [
  {
    rfc: "9208 §3.1",
    says: "a server without limits does not tell QUOTA",
    client: ["a CAPABILITY"],
    expect: [/^a OK/],
    never: [/ QUOTA/],
  },
];

describe("QUOTA", () => {
  testRows(LIMITED, { store: fixture, dependencies: { quota: () => ({ bytes: 4096, messages: 3 }) } });
  testRows(UNLIMITED, { store: fixture, dependencies: { quota: () => ({ bytes: 0 }) } });
  testRows(WITHOUT, { store: fixture });
});

describe("a domain's ceiling is a quota root of its own (RFC 9208 §3.2)", () => {
  const shared = () => {
    const store = fixture();
    store.domainBytes = 10_000;
    return store;
  };
  testRows(
    [
      {
        rfc: "9208 §4.1.2",
        says: "GETQUOTAROOT names both roots and tells both",
        client: ["a GETQUOTAROOT INBOX", 'b GETQUOTA "Domain quota"'],
        expect: [
          '* QUOTAROOT INBOX "User quota" "Domain quota"',
          '* QUOTA "User quota" (STORAGE 3 4)',
          '* QUOTA "Domain quota" (STORAGE 10 20)',
          /^a OK/,
          '* QUOTA "Domain quota" (STORAGE 10 20)',
          /^b OK/,
        ],
      },
    ],
    { store: shared, dependencies: { quota: () => ({ bytes: 4096 }), domainQuota: () => 20_480 } },
  );
});
