/**
 * Messages and Maildirs that mean harm, or were harmed: each is served or named, none is lost, and nothing
 * stalls the loop that serves everybody else.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { memoryContent } from "../message/content.ts";
import { silentLog } from "../net/log.ts";
import { openMaildirStore } from "../store/maildir/store.ts";
import { Client } from "./test/client.ts";
import { watchTurns } from "./test/longest-turn.ts";
import { message } from "./test/messages.ts";
import { startTestServer, USER } from "./test/server.ts";

/** Header of the largest message; MAILKEEP_LARGE_HEADER asks for more (104857600 is 100 MiB). */
const LARGE_HEADER = Number(process.env.MAILKEEP_LARGE_HEADER ?? 8 * 1024 * 1024);
/** Nothing may keep others waiting longer (milliseconds of processor time). */
const MAX_STALL = 50;

async function serve(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "mailkeep-hostile-"));
  const directories = { mail: join(root, "mail"), state: join(root, "state") };
  const store = await openMaildirStore({ directories, log: silentLog });
  const server = await startTestServer(store, { limits: { message: 200 * 1024 * 1024 } });
  t.after(async () => {
    await server.close();
    await store.close();
    rmSync(root, { recursive: true, force: true });
  });
  const client = await Client.open(server.port);
  t.after(() => client.end());
  await client.logIn();
  return { store, client, inbox: join(directories.mail, "example.org/anna") };
}

async function deliver(store: Awaited<ReturnType<typeof serve>>["store"], bytes: Buffer): Promise<void> {
  const [outcome] = await store.deliver({
    content: memoryContent(bytes),
    receivedAt: new Date(),
    recipients: [{ account: USER, prefix: Buffer.alloc(0), mailbox: "INBOX" }],
  });
  assert.ok(outcome?.stored);
}

/** Everything a client may ask of one message. */
const EVERYTHING =
  "(UID FLAGS ENVELOPE BODYSTRUCTURE RFC822.SIZE PREVIEW EMAILID BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[1]<0.10> BODY.PEEK[HEADER]<4.10> BODY.PEEK[TEXT]<0.10> BINARY.SIZE[1])";

function wide(parts: number): Buffer {
  const lines = ['Content-Type: multipart/mixed; boundary="b"', "Subject: wide", ""];
  for (let index = 0; index < parts; index += 1)
    lines.push("--b", "Content-Type: text/plain", "", `part ${index}`);
  return Buffer.from([...lines, "--b--", ""].join("\r\n"));
}
function deep(levels: number): Buffer {
  const lines = ["Subject: deep"];
  for (let level = 0; level < levels; level += 1)
    lines.push(`Content-Type: multipart/mixed; boundary="b${level}"`, "", `--b${level}`);
  lines.push("Content-Type: text/plain", "", "at the bottom");
  for (let level = levels - 1; level >= 0; level -= 1) lines.push(`--b${level}--`);
  return Buffer.from([...lines, ""].join("\r\n"));
}
function nested(levels: number): Buffer {
  const lines: string[] = [];
  for (let level = 0; level < levels; level += 1)
    lines.push(`Subject: letter ${level}`, "Content-Type: message/rfc822", "");
  return Buffer.from([...lines, "Subject: inmost", "", "body", ""].join("\r\n"));
}
const CHARSETS = [
  "no-such-charset",
  "utf-7",
  "iso-2022-jp",
  "utf-16",
  "",
  "x".repeat(500),
  "utf-8\u0000",
  "unicode-1-1",
].map((charset) =>
  Buffer.concat([
    Buffer.from(
      `Subject: =?${charset}?B?/////w==?= =?${charset}?Q?=FF=FE=00?=\r\nContent-Type: text/plain; charset="${charset}"\r\n\r\n`,
      "latin1",
    ),
    Buffer.from([0xff, 0xfe, 0x1b, 0x24, 0x42, 0x80, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0x0d, 0x0a]),
  ]),
);

describe("hostile mail", () => {
  for (const [what, bytes] of [
    ["10,000 parts", wide(10_000)],
    ["1,000 levels of multipart", deep(1000)],
    ["1,000 letters in letters", nested(1000)],
    [
      `a header of ${LARGE_HEADER} bytes in one field`,
      Buffer.from(`Subject: large\r\nX-Long: ${"x".repeat(LARGE_HEADER)}\r\n\r\nbody\r\n`),
    ],
    [
      `a header of ${LARGE_HEADER} bytes in many fields`,
      Buffer.from(`Subject: large\r\n${"X-A: b\r\n".repeat(LARGE_HEADER / 8)}\r\nbody\r\n`),
    ],
    [
      `${LARGE_HEADER} bytes of addresses`,
      Buffer.from(`Subject: large\r\nTo: ${"a@b, ".repeat(LARGE_HEADER / 5)}z@z\r\n\r\nbody\r\n`),
    ],
  ] as const) {
    it(`a message with ${what} is listed, searched and sorted, and stalls nobody`, async (t) => {
      const { store, client } = await serve(t);
      await deliver(store, bytes);
      await deliver(store, message({ subject: "after", body: "hello\r\n" }));
      await client.command("a SELECT INBOX");
      const stalls: Record<string, number> = {};
      let seen = "";
      for (const command of [
        `b UID FETCH 1:* ${EVERYTHING}`,
        "c UID SEARCH TEXT hello",
        "d UID SORT (SUBJECT TO DISPLAYFROM) UTF-8 ALL",
        "e UID THREAD REFERENCES UTF-8 ALL",
      ]) {
        const turns = watchTurns();
        seen += await client.endOf(command, 120_000);
        stalls[command.split(" ", 3)[2]!] = Math.round(turns.end());
      }
      for (const tag of ["b", "c", "d", "e"]) assert.match(seen, new RegExp(`^${tag} OK`, "m"));
      assert.match(seen, /^\* SEARCH 2\r$/m);
      t.diagnostic(`longest turns: ${JSON.stringify(stalls)} ms`);
      for (const [command, stall] of Object.entries(stalls))
        assert.ok(stall <= MAX_STALL, `${command} keeps others waiting for ${stall} ms`);
    });
  }

  it("texts in broken and unknown charsets are served as they are, and searched as far as they can be read", async (t) => {
    const { store, client } = await serve(t);
    for (const bytes of CHARSETS) await deliver(store, bytes);
    await client.command("a SELECT INBOX");
    const fetched = await client.command(`b FETCH 1:* ${EVERYTHING}`);
    assert.match(fetched, /^b OK/m);
    assert.equal(fetched.match(/^\* \d+ FETCH/gm)?.length, CHARSETS.length);
    for (const command of [
      "c SEARCH CHARSET UTF-8 TEXT zzz",
      "d SORT (SUBJECT) UTF-8 ALL",
      "e THREAD ORDEREDSUBJECT UTF-8 ALL",
    ])
      assert.match(await client.command(command), /^[cde] OK/m);
  });

  it("files of a Maildir that are empty, unreadable, of the same name or none of mail's are served or named, and none is lost", async (t) => {
    const { store, client, inbox } = await serve(t);
    await deliver(store, message({ subject: "good", body: "hello\r\n" }));
    const cur = join(inbox, "cur");
    const letter = (subject: string) => `Subject: ${subject}\n\nhello\n`;
    writeFileSync(join(cur, "1600000000.M1P1.host:2,S"), "");
    writeFileSync(join(cur, "1600000001.M1P1.host:2,"), letter("twice"));
    writeFileSync(join(inbox, "new", "1600000001.M1P1.host"), letter("twice again"));
    writeFileSync(join(cur, "1600000002.M1P1.host:2,"), letter("locked"));
    chmodSync(join(cur, "1600000002.M1P1.host:2,"), 0);
    writeFileSync(join(cur, "without any form"), letter("odd name"));
    writeFileSync(join(cur, ".hidden"), "not mail");
    mkdirSync(join(cur, "directory"));
    symlinkSync("/nonexistent/mailkeep", join(cur, "1600000003.M1P1.host:2,"));
    const before = readdirSync(cur).length + readdirSync(join(inbox, "new")).length;

    assert.match(await client.command("a SELECT INBOX"), /^a OK/m);
    const sizes = await client.command("b FETCH 1:* (UID RFC822.SIZE)");
    assert.match(sizes, /^b OK/m);
    const subjects = await client.command("c FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    for (const subject of ["good", "odd name"]) assert.match(subjects, new RegExp(`Subject: ${subject}`));
    assert.match(subjects, /Subject: twice/);
    assert.match(await client.command("d UID SEARCH SUBJECT good"), /^\* SEARCH \d+\r$/m);
    assert.equal(readdirSync(cur).length + readdirSync(join(inbox, "new")).length, before, "no file went");
  });
});
