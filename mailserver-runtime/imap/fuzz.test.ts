/**
 * Hostile bytes: whole sessions whose transcripts have been damaged, and the grammar with random input.
 *
 * Nothing may be thrown, nothing may hang, every tagged command that was understood has one answer, and no
 * answer is broken in the middle. 20,000 cases in the normal run; MAILKEEP_FUZZ_CASES asks for more, and
 * MAILKEEP_FUZZ_SEED repeats a run.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseAddressList } from "../message/mime/addresses.ts";
import { type Log, silentLog } from "../net/log.ts";
import { Cursor, GrammarError } from "./grammar/cursor.ts";
import { decodeMailboxName, encodeMailboxName } from "./grammar/mailbox-name.ts";
import { matchesPattern } from "./grammar/mailbox-pattern.ts";
import { CharsetError, parseSearchProgram } from "./grammar/search-program.ts";
import { formatSet, parseSequenceSet } from "./grammar/sequence-set.ts";
import { serveImap } from "./serve.ts";
import { MemoryStore } from "./test/memory-store.ts";
import { message } from "./test/messages.ts";
import { ScriptConnection } from "./test/script-connection.ts";
import { PASSWORD, testAuthenticator, USER } from "./test/server.ts";

const CASES = Number(process.env.MAILKEEP_FUZZ_CASES ?? 20_000);
const SEED = Number(process.env.MAILKEEP_FUZZ_SEED ?? Date.now() % 0x7fffffff);

/** Lines that reach every command; damaged copies of them are the input. */
const CORPUS = [
  'a ID ("name" "x")',
  "a ENABLE CONDSTORE QRESYNC UTF8=ACCEPT IMAP4rev2",
  "a SELECT INBOX (QRESYNC (1001 1 1:4 (1:2 1:2)))",
  "a EXAMINE {5+}\r\nINBOX",
  "a UNSELECT",
  'a CREATE "a/&AOQ-b" (USE (\\Trash))',
  "a RENAME Work Jobs",
  "a DELETE Jobs",
  'a LIST (SUBSCRIBED RECURSIVEMATCH) "" ("%" "*o%k*") RETURN (CHILDREN STATUS (MESSAGES UIDNEXT SIZE))',
  'a LSUB "" "%"',
  "a SUBSCRIBE x",
  "a STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ MAILBOXID APPENDLIMIT)",
  'a APPEND INBOX (\\Seen $x) " 5-Feb-2024 10:00:00 +0100" {14+}\r\nSubject: x\r\n\r\n',
  "a APPEND INBOX UTF8 (~{14+}\r\nSubject: x\r\n\r\n)",
  "a APPEND INBOX {7+}\r\nA: 1\r\n\r (\\Draft) {7+}\r\nB: 2\r\n\r",
  "a IDLE\r\nDONE",
  "a FETCH 1:* (FLAGS UID ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE MODSEQ PREVIEW SAVEDATE EMAILID THREADID)",
  "a UID FETCH 1:2,4,3:* (BODY.PEEK[1.2.HEADER.FIELDS (SUBJECT FROM)]<0.10> BODY[1] BINARY.PEEK[1] BINARY.SIZE[1])",
  "a UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)",
  "a FETCH 1 (BODY[HEADER.FIELDS.NOT (X)] RFC822.TEXT BODY[1.MIME] BODY[TEXT]<3.4>)",
  "a STORE 1:3 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen \\Deleted $Junk)",
  "a UID STORE 2 FLAGS (\\Flagged)",
  'a SEARCH CHARSET UTF-8 RETURN (MIN MAX) OR (SUBJECT x NOT BODY {3+}\r\nabc) UID 1:* SINCE 1-Feb-2024 HEADER X "y z"',
  "a UID SEARCH RETURN (SAVE COUNT) UNSEEN LARGER 10 MODSEQ 4 OLDER 5",
  "a SORT (REVERSE DATE SUBJECT) UTF-8 ALL",
  "a THREAD REFERENCES UTF-8 TEXT hello",
  "a UID COPY $ INBOX",
  "a MOVE 1 Work",
  "a UID EXPUNGE 1:*",
  "a REPLACE 1 INBOX {7+}\r\nA: 1\r\n\r",
  "a EXPUNGE",
  'a GETQUOTA "User quota"',
  "a GETQUOTAROOT {5+}\r\nINBOX",
  "a COMPRESS LZ4",
  "a NOTIFY SET STATUS (SELECTED (MessageNew (UID BODY.PEEK[HEADER]) MessageExpunge FlagChange)) (SUBTREE (Work {1+}\r\nX) (MessageNew MessageExpunge)) (PERSONAL (MailboxName SubscriptionChange))",
  "a NOTIFY SET (INBOXES NONE) (MAILBOXES INBOX (MessageNew MessageExpunge FlagChange))",
  "a NOTIFY NONE",
  'a SETMETADATA INBOX (/private/comment "x" /shared/a/b {3+}\r\nabc /private/c ~{2+}\r\n\0z /private/d NIL)',
  "a GETMETADATA (MAXSIZE 10 DEPTH infinity) INBOX (/private /shared/a)",
  'a GETMETADATA "" (DEPTH 1) /private/comment',
  'a LIST "" "*" RETURN (METADATA (/private/comment /shared/a/b))',
  `a UNAUTHENTICATE\r\nl LOGIN ${USER} "${PASSWORD}"`,
  "a SETACL Work {4+}\r\nbe@c +lrswipkxtea",
  "a SETACL shared/ben@example.org/Work anyone -cd",
  'a DELETEACL Work "-be@c"',
  "a GETACL shared/ben@example.org/Work",
  "a LISTRIGHTS Work be@c",
  "a MYRIGHTS shared/ben@example.org/Work",
  'a LIST "" "shared/%/*" RETURN (MYRIGHTS)',
  "a SELECT shared/ben@example.org/Work",
  "a UID COPY 1:* shared/ben@example.org/Work",
  "a UID MOVE 1 shared/ben@example.org/Work",
  "a RENAME shared/ben@example.org/Work shared/ben@example.org/Jobs",
  "a CREATE shared/ben@example.org/Work/Sub",
  "a SEARCH RETURN (UPDATE PARTIAL -1:-3 SAVE MIN) OR SEEN FLAGGED",
  'a CANCELUPDATE "a" "b"',
  "a UID FETCH 1:* (FLAGS) (PARTIAL -1:-2)",
  'a ESEARCH IN (personal subtree-one (Work {1+}\r\nX) mailboxes "INBOX") RETURN (COUNT PARTIAL 1:2) CHARSET UTF-8 TEXT hello',
  'a APPEND INBOX (\\Seen) CATENATE (URL "/INBOX;UIDVALIDITY=1001/;UID=1/;SECTION=1.MIME/;PARTIAL=0.5" TEXT {3+}\r\nabc URL {14+}\r\n/INBOX/;UID=99)',
  'a APPEND Work CATENATE (TEXT ~{2+}\r\n\0z) CATENATE (URL "imap://u%40h@mail.example/INBOX/;UID=2") {4+}\r\nA: 1',
  "a ENABLE UIDONLY",
  "a AUTHENTICATE SCRAM-SHA-256 biwsbj1hLHI9Yg==",
  "a CLOSE",
];
const SPICE = [
  "{",
  "}",
  "{99999999+}\r\n",
  "{3}\r\n",
  "(",
  ")",
  '"',
  "\\",
  "*",
  "%",
  "\r",
  "\n",
  "\0",
  "\xff",
  "NIL",
  " ",
  "~{2+}\r\n",
  "4294967296",
  "0",
  "$",
  "[",
  "]",
  "<",
  "=",
];

/** A small fast generator with a seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function damage(line: string, random: () => number): string {
  const pick = (size: number) => Math.floor(random() * size);
  let text = line;
  for (let changes = pick(3); changes >= 0; changes -= 1) {
    const at = pick(text.length + 1);
    const kind = pick(6);
    if (kind === 0) text = text.slice(0, at) + text.slice(at + 1 + pick(4));
    else if (kind === 1) text = text.slice(0, at) + SPICE[pick(SPICE.length)] + text.slice(at);
    else if (kind === 2) text = text.slice(0, at) + String.fromCharCode(pick(256)) + text.slice(at + 1);
    else if (kind === 3)
      text = text.slice(0, at) + text.slice(Math.max(0, at - pick(12)), at) + text.slice(at);
    else if (kind === 4) text += CORPUS[pick(CORPUS.length)]!.slice(pick(10));
    else text = text.slice(0, at);
  }
  return text;
}

describe("hostile bytes", () => {
  it(`${CASES} damaged commands in whole sessions never break one (seed ${SEED})`, async () => {
    const failures: unknown[] = [];
    const log: Log = {
      ...silentLog,
      error: (fields) => void failures.push(fields),
      child: () => log,
    };
    const random = generator(SEED);
    const perSession = 40;
    for (let done = 0; done < CASES; done += perSession) {
      const store = new MemoryStore();
      const account = store.get(USER);
      await account.create("Work");
      const ben = store.get("ben@example.org");
      await ben.create("Work");
      await ben.setAcl("Work", { identifier: USER, mode: "replace", rights: "lrswipkxtea" });
      ben.find("Work").insert([{ bytes: message({ subject: "shared", body: "" }) }]);
      account.find("INBOX").insert(
        ["one", "two", "three", "four"].map((subject) => ({
          bytes: message({ subject, body: "Hello.\r\n" }),
        })),
      );
      let script = `l LOGIN ${USER} "${PASSWORD}"\r\ns SELECT INBOX\r\n`;
      for (let index = 0; index < perSession; index += 1) {
        const line = CORPUS[Math.floor(random() * CORPUS.length)]!;
        script += `${random() < 0.2 ? line : damage(line, random)}\r\n`;
        if (random() < 0.2) script += "s SELECT INBOX\r\n";
      }
      const connection = new ScriptConnection(Buffer.from(script, "latin1"));
      // Not by the clock, which runs on while other programs have the machine.
      const began = process.cpuUsage();
      await serveImap(connection, {
        store,
        authenticator: testAuthenticator,
        hostname: "mail.example",
        log,
        quota: () => ({ bytes: 20_000, messages: 30 }),
        limits: { badCommands: 1000, badBeforeLogin: 1000, message: 100_000, failedLoginDelay: 0 },
      });
      const { user, system } = process.cpuUsage(began);
      assert.ok(user + system < 2_000_000, `a session took too long:\n${script}`);
      assert.deepEqual(failures, [], `the server failed at:\n${script}`);
      assert.ok(connection.closed);
      assert.match(connection.output.toString("latin1"), /\r\n$/, "the last answer is whole");
    }
  });

  it("random bytes before login never break a session", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        const connection = new ScriptConnection(Buffer.from(bytes));
        await serveImap(connection, {
          store: new MemoryStore(),
          authenticator: testAuthenticator,
          hostname: "x",
          log: silentLog,
          limits: { failedLoginDelay: 0 },
        });
        assert.ok(connection.closed);
      }),
      { numRuns: 1000, seed: SEED },
    );
  });

  it("the grammar answers any bytes with a value or a GrammarError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const parse of [
          (cursor: Cursor) => parseSearchProgram(cursor),
          (cursor: Cursor) => parseSequenceSet(cursor),
          (cursor: Cursor) => cursor.skipValue(),
          (cursor: Cursor) => decodeMailboxName(cursor.astring(), false),
        ]) {
          try {
            parse(new Cursor(Buffer.from(bytes)));
          } catch (error) {
            assert.ok(error instanceof GrammarError || error instanceof CharsetError, String(error));
          }
        }
      }),
      { numRuns: 2000, seed: SEED },
    );
  });

  it("mailbox names come back from modified UTF-7 as they went (RFC 3501 §5.1.3)", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }), (text) => {
        const name = text.normalize("NFC").replace(/[\x00-\x1f\x7f]/g, "");
        if (name === "" || /^inbox/i.test(name)) return;
        assert.equal(decodeMailboxName(encodeMailboxName(name, false), false), name);
      }),
      { numRuns: 1000, seed: SEED },
    );
  });

  it("sequence sets come back as they went", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (numbers) => {
        const sorted = [...numbers].sort((a, b) => a - b);
        const set = parseSequenceSet(new Cursor(Buffer.from(formatSet(sorted))));
        assert.ok(set.kind === "ranges");
        const back = set.ranges.flatMap(([first, last]) =>
          Array.from({ length: last - first + 1 }, (_, index) => first + index),
        );
        assert.deepEqual(back, sorted);
      }),
      { numRuns: 500, seed: SEED },
    );
  });

  it("patterns full of wildcards are matched in bounded time", () => {
    const began = performance.now();
    assert.equal(matchesPattern("a".repeat(900), `${"%*".repeat(400)}b`, "/"), false);
    assert.ok(performance.now() - began < 500);
  });

  it("an address list of any bytes is read in time proportional to it", () => {
    for (const piece of ["<@>", "<", "(", '"', "@a:", "a,", ";:", "<@a,@b:c@d>,"]) {
      const began = performance.now();
      parseAddressList(piece.repeat(20_000));
      assert.ok(performance.now() - began < 1000, piece);
    }
  });
});
