/** Access control and mailboxes of other users (RFC 4314, 8440, 2342): what is told, allowed and hidden. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Client } from "../test/client.ts";
import { type Row, testRows } from "../test/conversation.ts";
import { MemoryStore } from "../test/memory-store.ts";
import { message } from "../test/messages.ts";
import { PASSWORD, startTestServer, USER } from "../test/server.ts";
import { effectiveRights, type Person } from "./rights.ts";

const BEN = "ben@example.org";
const BEN_LOGIN = `login LOGIN ${BEN} "${PASSWORD}"`;
const BOX = `shared/${USER}/Work`;

/** Anna has Work with two messages, its child Work/Deep and Secret; `rights` are Ben's on Work. */
function fixture(rights?: string): MemoryStore {
  const store = new MemoryStore();
  const anna = store.get(USER);
  store.get(BEN);
  void anna.create("Work");
  void anna.create("Work/Deep");
  void anna.create("Secret");
  anna
    .find("Work")
    .insert([
      { bytes: message({ subject: "one", body: "" }) },
      { bytes: message({ subject: "two", body: "" }) },
    ]);
  if (rights !== undefined) void anna.setAcl("Work", { identifier: BEN, mode: "replace", rights });
  return store;
}

const OWNER_ROWS: readonly Row[] = [
  {
    rfc: "4314 §2.2, 8440 §2",
    says: "ACL, RIGHTS=texk and LIST-MYRIGHTS are told after login",
    client: ["a CAPABILITY"],
    expect: [/^\* CAPABILITY .* ACL RIGHTS=texk .*LIST-MYRIGHTS/],
  },
  {
    rfc: "4314 §3.1, §3.3",
    says: "SETACL gives rights, adds and takes them away, and GETACL lists them with the owner's",
    client: [
      `a SETACL Work ${BEN} lr`,
      `b SETACL Work ${BEN.toUpperCase()} +sw`,
      `c SETACL Work "${BEN}" -r`,
      "d SETACL Work anyone l",
      "e GETACL Work",
      `f SETACL Work ${BEN} ""`,
      "g GETACL Work",
    ],
    expect: [
      /^a OK/,
      /^b OK/,
      /^c OK/,
      `* ACL Work ${USER} lrswipkxteacd ${BEN} lsw anyone l`,
      /^e OK/,
      `* ACL Work ${USER} lrswipkxteacd anyone l`,
    ],
  },
  {
    rfc: "4314 §2.1.1",
    says: "rights of RFC 2086 stand for those they have become, and are told beside them",
    client: [`a SETACL Work ${BEN} lrcd`, "b GETACL Work"],
    expect: [/^a OK/, new RegExp(`^\\* ACL Work .* ${BEN} lrkxtecd$`)],
  },
  {
    rfc: "4314 §3.2",
    says: "DELETEACL takes an entry away, also a negative one",
    client: [
      `a SETACL Work ${BEN} lr`,
      `b SETACL Work -${BEN} w`,
      `c DELETEACL Work ${BEN}`,
      "d GETACL Work",
      `e DELETEACL Work -${BEN}`,
      "f GETACL Work",
    ],
    expect: [
      new RegExp(`^\\* ACL Work ${USER} lrswipkxteacd -${BEN} w$`),
      /^d OK/,
      `* ACL Work ${USER} lrswipkxteacd`,
    ],
  },
  {
    rfc: "4314 §3.4",
    says: "LISTRIGHTS lists each right by itself, and what an owner keeps",
    client: [`a LISTRIGHTS Work ${BEN}`, `b LISTRIGHTS Work ${USER}`],
    expect: [
      `* LISTRIGHTS Work ${BEN} "" l r s w i p k x t e a c d`,
      /^a OK/,
      `* LISTRIGHTS Work ${USER} la r s w i p k x t e c d`,
    ],
  },
  {
    rfc: "4314 §3.5",
    says: "MYRIGHTS of an own mailbox are all, of one that is missing nothing",
    client: ["a MYRIGHTS INBOX", "b MYRIGHTS Nowhere"],
    expect: ["* MYRIGHTS INBOX lrswipkxteacd", /^a OK/, /^b NO \[NONEXISTENT\]/],
  },
  {
    rfc: "4314 §3.1",
    says: "what is no right is BAD, who is nobody is NO",
    client: [`a SETACL Work ${BEN} lz`, "b SETACL Work ben lr", `c SETACL Nowhere ${BEN} lr`],
    expect: [/^a BAD/, /^b NO \[CANNOT\]/, /^c NO \[NONEXISTENT\]/],
  },
  {
    rfc: "4314 §2",
    says: "an owner may limit himself and keeps the right to end it",
    client: [
      "a SETACL Work owner lr",
      "b MYRIGHTS Work",
      "c DELETE Work",
      "d SETACL Work owner +x",
      "e DELETE Work",
    ],
    expect: ["* MYRIGHTS Work lra", /^c NO \[NOPERM\]/, /^d OK/, /^e OK/],
  },
  {
    rfc: "8440 §2",
    says: "LIST RETURN (MYRIGHTS) tells them behind each name",
    client: ['a LIST "" Work RETURN (MYRIGHTS)'],
    expect: [/^\* LIST .* Work$/, "* MYRIGHTS Work lrswipkxteacd", /^a OK/],
  },
];

/** Ben's lines with the rights he has on Anna's Work. */
const guest = (rights: string | undefined, row: Omit<Row, "before">) => ({
  rights,
  row: { ...row, client: [BEN_LOGIN, ...row.client], before: "login" as const },
});

const GUEST_ROWS = [
  guest("lr", {
    rfc: "2342 §5, 4314 §4",
    says: "other users' mailboxes stand in a namespace of their own, and only those one may look up",
    client: ["a NAMESPACE", 'b LIST "" *', 'c LIST "" shared/%', 'd LIST "shared/" %/%'],
    expect: [
      '* NAMESPACE (("" "/")) (("shared/" "/")) NIL',
      `* LIST (\\HasNoChildren) "/" ${BOX}`,
      /^b OK/,
      `* LIST (\\Noselect \\HasChildren) "/" shared/${USER}`,
      /^c OK/,
      `* LIST (\\HasNoChildren) "/" ${BOX}`,
    ],
    never: [/Secret/, /Deep/],
  }),
  guest("r", {
    rfc: "4314 §6",
    says: "without the right to look it up a mailbox is answered as one that is not there",
    client: [
      'a LIST "" *',
      `b DELETE ${BOX}`,
      `c GETACL ${BOX}`,
      `d GETACL shared/${USER}/Nowhere`,
      "e GETACL shared/nobody@example.org/Work",
      `f STATUS shared/${USER}/Secret (MESSAGES)`,
      `g MYRIGHTS shared/${USER}/Secret`,
      `h GETMETADATA ${BOX} /shared/comment`,
      `i SETACL ${BOX} ${BEN} lr`,
    ],
    expect: [/^a OK/, ..."bcdefghi".split("").map((tag) => new RegExp(`^${tag} NO \\[NONEXISTENT\\]`))],
    never: [/^\* LIST.*shared/m, /NOPERM/],
  }),
  guest("l", {
    rfc: "4314 §4",
    says: "who may look a mailbox up and no more is told so",
    client: [
      `a SELECT ${BOX}`,
      `b STATUS ${BOX} (MESSAGES)`,
      `c DELETE ${BOX}`,
      `d RENAME ${BOX} shared/${USER}/Other`,
      `e GETACL ${BOX}`,
      `f CREATE ${BOX}/New`,
      `g MYRIGHTS ${BOX}`,
      `h APPEND ${BOX} {10}`,
    ],
    expect: [
      ..."abcdef".split("").map((tag) => new RegExp(`^${tag} NO \\[NOPERM\\]`)),
      `* MYRIGHTS ${BOX} l`,
      /^h NO \[NOPERM\]/,
    ],
    never: [/^\+/m],
  }),
  guest("lr", {
    rfc: "4314 §5.2",
    says: "with the right to read alone a mailbox is read-only, and reading marks nothing",
    client: [
      `a SELECT ${BOX}`,
      "b FETCH 1 BODY[]",
      "c FETCH 1 FLAGS",
      "d STORE 1 +FLAGS (\\Flagged)",
      "e EXPUNGE",
      "f MOVE 1 INBOX",
    ],
    expect: [
      "* OK [PERMANENTFLAGS ()] Read-only.",
      /^a OK \[READ-ONLY\]/,
      /^b OK/,
      /^\* 1 FETCH \(FLAGS \((\\Recent)?\)\)$/,
      /^d NO \[READ-ONLY\]/,
      /^e NO \[READ-ONLY\]/,
      /^f NO \[READ-ONLY\]/,
    ],
    never: [/FETCH .*\\Seen/],
  }),
  guest("lrs", {
    rfc: "4314 §4",
    says: "a right for \\Seen changes that flag; others named beside it are left alone",
    client: [
      `a SELECT ${BOX}`,
      "b STORE 1 +FLAGS (\\Seen \\Flagged)",
      "c STORE 1 +FLAGS (\\Deleted)",
      "d STORE 2 FLAGS (\\Answered)",
      "e FETCH 1:2 FLAGS",
    ],
    expect: [
      "* OK [PERMANENTFLAGS (\\Seen)] Flags permitted.",
      /^a OK \[READ-WRITE\]/,
      /^\* 1 FETCH \(FLAGS \(\\Seen.*\)\)/,
      /^b OK/,
      /^c NO \[NOPERM\]/,
      /^d OK/,
      /^\* 1 FETCH \(FLAGS \(\\Seen.*\)\)/,
      /^\* 2 FETCH \(FLAGS \((\\Recent)?\)\)/,
    ],
    never: [/\\Answered\)/, /FETCH .*\\Flagged/],
  }),
  guest("lrt", {
    rfc: "4314 §4",
    says: "marking for deletion is one right, expunging another",
    client: [
      `a SELECT ${BOX}`,
      "b STORE 1 +FLAGS (\\Deleted)",
      "c EXPUNGE",
      "d CLOSE",
      `e STATUS ${BOX} (MESSAGES)`,
    ],
    expect: [/^b OK/, /^c NO \[NOPERM\]/, /^d OK/, `* STATUS ${BOX} (MESSAGES 2)`],
  }),
  guest("lrte", {
    rfc: "6851 §4.1",
    says: "with both a message may be moved away, into an own mailbox",
    client: [
      `a SELECT ${BOX}`,
      "b UID MOVE 1 INBOX",
      "c SELECT INBOX",
      "d FETCH 1 (BODY[HEADER.FIELDS (SUBJECT)])",
    ],
    expect: [/^\* OK \[COPYUID \d+ 1 1\]/, "* 1 EXPUNGE", /^b OK/, "* 1 EXISTS", "Subject: one"],
  }),
  guest("lrws", {
    rfc: "4314 §4",
    says: "a copy into a mailbox needs the right to insert",
    client: [`a SELECT ${BOX}`, "b COPY 1:2 INBOX", `c COPY 1 ${BOX}`, `d COPY 1 shared/${USER}/Secret`],
    expect: [/^b OK \[COPYUID \d+ 1:2 1:2\]/, /^c NO \[NOPERM\]/, /^d NO \[TRYCREATE\]/],
  }),
  guest("i", {
    rfc: "4314 §4",
    says: "a mailbox that takes messages need not be seen; flags without a right are left out",
    client: [`a APPEND ${BOX} (\\Flagged) {5+}`, "hello", `b SELECT ${BOX}`, `c LOGOUT`],
    expect: [/^a OK \[APPENDUID \d+ 3\]/, /^b NO \[NONEXISTENT\]/],
  }),
  guest("lrk", {
    rfc: "4314 §4",
    says: "children are made with k on their parent, and nothing at the top of another's account",
    client: [`a CREATE ${BOX}/New`, `b CREATE shared/${USER}/Top`, `c CREATE shared/${USER}/Secret/x`],
    expect: [/^a OK/, /^b NO \[NOPERM\]/, /^c NO \[NOPERM\]/],
  }),
  guest("lrkx", {
    rfc: "4314 §4",
    says: "a mailbox is renamed with x, to below where k is, and never into another account",
    client: [
      `a RENAME ${BOX} Mine`,
      `b RENAME ${BOX} shared/${USER}/Top`,
      `c CREATE ${BOX}/New`,
      `d DELETE ${BOX}`,
    ],
    expect: [/^a NO \[CANNOT\]/, /^b NO \[NOPERM\]/, /^c OK/, /^d OK/],
  }),
  guest("lra", {
    rfc: "4314 §4",
    says: "who may administer gives rights to others and to himself",
    client: [`a SETACL ${BOX} carl@example.org lr`, `b SETACL ${BOX} ${BEN} +w`, `c MYRIGHTS ${BOX}`],
    expect: [/^a OK/, /^b OK/, `* MYRIGHTS ${BOX} lrwa`],
  }),
  guest("lr", {
    rfc: "3501 §6.3.6, 4314 §4",
    says: "a subscription to another's mailbox is one's own",
    client: [
      `a SUBSCRIBE ${BOX}`,
      'b LSUB "" shared*',
      'c LIST (SUBSCRIBED) "" shared/*',
      `d UNSUBSCRIBE ${BOX}`,
      'e LSUB "" shared*',
    ],
    expect: [
      /^a OK/,
      `* LSUB () "/" ${BOX}`,
      /^b OK/,
      new RegExp(`^\\* LIST \\(\\\\Subscribed .*${BOX}$`),
      /^d OK/,
      /^e OK/,
    ],
  }),
  guest("lrw", {
    rfc: "5464 §3.3",
    says: "shared annotations may be written with w, private ones are the owner's",
    client: [
      `a SETMETADATA ${BOX} (/shared/comment "ours")`,
      `b SETMETADATA ${BOX} (/private/comment "mine")`,
      `c GETMETADATA ${BOX} (/shared/comment /private/comment)`,
    ],
    expect: [/^a OK/, /^b NO \[NOPERM\]/, `* METADATA ${BOX} (/shared/comment "ours" /private/comment NIL)`],
  }),
  guest(undefined, {
    rfc: "2342 §5",
    says: "where nobody shares anything the namespace is there and empty",
    client: ['a LIST "" shared/*', `b SELECT ${BOX}`],
    expect: [/^a OK/, /^b NO \[NONEXISTENT\]/],
    never: [/^\* LIST/m],
  }),
];

async function twoSessions(
  t: TestContext,
  rights: string,
): Promise<{ anna: Client; ben: Client; store: MemoryStore }> {
  const store = fixture(rights);
  const server = await startTestServer(store);
  t.after(() => server.close());
  const anna = await Client.open(server.port);
  const ben = await Client.open(server.port);
  t.after(() => {
    anna.end();
    ben.end();
  });
  await anna.logIn(USER);
  await ben.logIn(BEN);
  return { anna, ben, store };
}

describe("access control lists", () => {
  describe("for who owns a mailbox", () => testRows(OWNER_ROWS, { store: fixture }));
  describe("for others", () => {
    for (const { rights, row } of GUEST_ROWS) testRows([row], { store: () => fixture(rights) });
  });

  it("rights that are taken away are gone at once, also in a mailbox that is selected (RFC 4314 §4)", async (t) => {
    const { anna, ben, store } = await twoSessions(t, "lrswte");
    assert.match(await ben.command(`a SELECT ${BOX}`), /a OK \[READ-WRITE\]/);
    assert.match(await ben.command("b FETCH 1 BODY.PEEK[]"), /Subject: one[\s\S]*b OK/);
    assert.match(await anna.command(`a SETACL Work ${BEN} -rs`), /a OK/);
    store
      .get(USER)
      .find("Work")
      .insert([{ bytes: message({ subject: "news", body: "" }) }]);
    assert.doesNotMatch(await ben.command("c NOOP"), /EXISTS/);
    assert.match(await ben.command("d FETCH 2 BODY.PEEK[]"), /^d NO \[NOPERM\]/m);
    assert.match(await ben.command("e STORE 1 +FLAGS (\\Seen)"), /^e NO \[NOPERM\]/m);
    assert.match(await ben.command(`f SELECT ${BOX}`), /^f NO \[NOPERM\]/m);
    assert.match(await anna.command(`b SETACL Work ${BEN} r`), /b OK/);
    assert.match(await ben.command(`g EXAMINE ${BOX}`), /\* 3 EXISTS[\s\S]*^g OK/m);
    assert.doesNotMatch(await ben.command('h LIST "" *'), /shared/);
  });

  it("sessions of two users on one mailbox see each other's changes (RFC 9051 §7)", async (t) => {
    const { anna, ben } = await twoSessions(t, "lrswite");
    await anna.command("a SELECT Work");
    await ben.command(`a SELECT ${BOX}`);
    await ben.command("b STORE 2 +FLAGS (\\Flagged work)");
    assert.match(await anna.command("b NOOP"), /\* 2 FETCH \(.*FLAGS \(\\Flagged.* ?work/);
    await anna.command("c STORE 1 +FLAGS.SILENT (\\Deleted)");
    await anna.command("d EXPUNGE");
    assert.match(await ben.command("c NOOP"), /\* 1 EXPUNGE/);
  });

  it("a mailbox that comes to be shared is told to who asked for names with NOTIFY (RFC 5465 §5.4)", async (t) => {
    const { anna, ben } = await twoSessions(t, "lr");
    await ben.command(`a NOTIFY SET (SUBTREE shared (MailboxName))`);
    await anna.command(`a SETACL Secret ${BEN} lr`);
    await ben.until(new RegExp(`^\\* LIST .*shared/${USER}/Secret\\r\\n`, "m"));
  });
});

describe("groups in access control lists (RFC 4314 §2)", () => {
  const person = { user: BEN, groups: ["sales", "staff"], isOwner: false };
  const rights = (entries: Record<string, string>, who: Partial<Person> = {}) =>
    effectiveRights(new Map(Object.entries(entries)), { ...person, ...who });

  it("a group gives more than everybody has and less than its member's own entry; several give what any gives", () => {
    assert.equal(rights({ anyone: "l", $sales: "lr" }), "lr");
    assert.equal(rights({ $sales: "lr", $staff: "li", $others: "a" }), "lri");
    assert.equal(rights({ $sales: "lrswi", [BEN]: "l" }), "l");
    assert.equal(rights({ [BEN]: "lrsw", "!$staff": "l" }), "l", "a group that overrides");
    assert.equal(rights({ $sales: "lrw", "-$staff": "w" }), "lr");
    assert.equal(rights({ $sales: "lr" }, { groups: [] }), "");
  });

  it("an owner loses nothing by what a group has", () => {
    assert.equal(rights({ $sales: "l" }, { isOwner: true }), "lrswipkxtea");
  });

  it("members find and use what is shared with their group, and no longer when they leave it", async (t) => {
    const store = fixture();
    let groups: readonly string[] = ["sales"];
    await store.get(USER).setAcl("Work", { identifier: "$sales", mode: "replace", rights: "lr" });
    const server = await startTestServer(store, { groupsOf: (account) => (account === BEN ? groups : []) });
    t.after(() => server.close());
    const ben = await Client.open(server.port);
    t.after(() => ben.end());
    await ben.logIn(BEN);
    assert.match(await ben.command(`a MYRIGHTS ${BOX}`), /^\* MYRIGHTS \S+ lr\r/m);
    assert.match(await ben.command(`b SELECT ${BOX}`), /^b OK \[READ-ONLY\]/m);
    assert.match(await ben.command("c FETCH 1 (FLAGS)"), /^\* 1 FETCH/m);
    groups = [];
    assert.match(await ben.command(`d MYRIGHTS ${BOX}`), /^d NO \[NONEXISTENT\]/m);
    assert.match(await ben.command(`e SELECT ${BOX}`), /^e NO \[NONEXISTENT\]/m);
  });
});
