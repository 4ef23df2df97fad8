/** The text index finds what a search without it finds, whatever happens to its file. */
import assert from "node:assert/strict";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { memoryContent } from "../../message/content.ts";
import { silentLog } from "../../net/log.ts";
import type { Mailbox } from "../../store/mail-store.ts";
import { type MaildirStore, openMaildirStore } from "../../store/maildir/store.ts";
import { Client } from "../test/client.ts";
import { MemoryStore } from "../test/memory-store.ts";
import { startTestServer, type TestServer, USER } from "../test/server.ts";
import { digestOf, mayHold, TokenSet, tokensOf } from "./signature.ts";
import { fold } from "./text.ts";
import { textIndexOf } from "./text-index.ts";

const MESSAGES = 160;

/** Numbers from 0 to below 1, the same in every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
const next = random(42);
const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!;

const LETTERS = [..."abcdeABCDE nrst-0123.éÉßİıΣσςñ漢字日本語ＡＢＣáa\u0301\u{1f600}"];
const phrase = (length: number) =>
  Array.from({ length }, () => pick(LETTERS))
    .join("")
    .trim() || "x";

const base64 = (text: string) => Buffer.from(text).toString("base64").replace(/.{76}/g, "$&\r\n");
const word = (text: string) => `=?utf-8?B?${Buffer.from(text).toString("base64")}?=`;
const quoted = (text: string) =>
  [...Buffer.from(text)]
    .map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`)
    .join("")
    .replace(/(.{72})/g, "$1=\r\n");

const encodings: readonly ((text: string) => string)[] = [
  (text) => `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${text}\r\n`,
  (text) =>
    `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(text)}\r\n`,
  (text) =>
    `Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${quoted(text)}\r\n`,
  (text) =>
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX-Part: ${word(text.slice(0, 20))}\r\n\r\nplain\r\n--b\r\n` +
    `Content-Type: message/rfc822\r\n\r\nSubject: inner ${word(text.slice(5, 15))}\r\n\r\n${text}\r\n--b--\r\n`,
  (text) => `Content-Type: application/octet-stream\r\n\r\n${text}\r\n`,
];

const texts: string[] = [];
function message(index: number): Buffer {
  const subject = phrase(12);
  const name = phrase(6).replace(/[.\-0-9]/g, "");
  // Some bodies are longer than the chunks they are read in.
  const body = index % 80 === 3 ? "lorem ipsum ".repeat(5400) + phrase(200).repeat(40) : phrase(60 + index);
  texts.push(subject, name, body.slice(-300));
  return Buffer.from(
    `From: ${word(name)} <u${index % 7}@ (a comment) example.org>\r\nTo: anna@example.org\r\n` +
      `Subject: ${index % 3 ? word(subject) : subject}\r\nMessage-ID: <${index}@example.org>\r\n${pick(encodings)(body)}`,
  );
}
const messages = Array.from({ length: MESSAGES }, (_, index) => message(index));

/** Search keys that find something now and then. */
function keys(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const text = pick(texts);
    const from = Math.floor(next() * text.length);
    const wanted = text.slice(from, from + 1 + Math.floor(next() * 8));
    const bytes = Buffer.from(index % 5 === 4 ? wanted.toUpperCase() : wanted);
    const literal = `{${bytes.length}+}\r\n${bytes.toString("latin1")}`;
    return pick([
      `TEXT ${literal}`,
      `BODY ${literal}`,
      `SUBJECT ${literal}`,
      `FROM ${literal}`,
      `NOT TEXT ${literal}`,
      `OR SUBJECT ${literal} BODY ${literal}`,
      `HEADER Message-ID ${index % 160}@`,
      `HEADER X-None ${literal}`,
      `FROM u${index % 7}@example.org`,
    ]);
  });
}

async function found(client: Client, key: string, index: number): Promise<string> {
  const answer = await client.command(`s${index} SEARCH CHARSET UTF-8 ${key}`);
  assert.match(answer, new RegExp(`^s${index} OK`, "m"), key);
  return /^\* SEARCH.*$/m.exec(answer)?.[0].trim() ?? "";
}

describe("the text index of a mailbox", () => {
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-text-"));
  const plain = new MemoryStore();
  let plainServer: TestServer;
  let plainClient: Client;
  let store: MaildirStore;
  let server: TestServer;
  let client: Client;
  let mailbox: Mailbox;

  const start = async () => {
    store = await openMaildirStore({
      directories: { mail: join(directory, "mail"), state: join(directory, "state") },
      log: silentLog,
    });
    server = await startTestServer(store);
    client = await Client.open(server.port);
    await client.logIn();
    const account = await store.account(USER);
    mailbox = await account.open("INBOX");
    await client.command("a SELECT INBOX");
  };
  const stop = async () => {
    client.end();
    await server.close();
    await store.close();
  };
  const indexFile = () => {
    const all = readdirSync(join(directory, "state"), { recursive: true, encoding: "utf8" });
    return join(directory, "state", all.find((name) => name.endsWith("/text"))!);
  };
  const complete = () => textIndexOf(mailbox, silentLog)!.complete();
  const agree = async (count: number) => {
    let hits = 0;
    for (const [index, key] of keys(count).entries()) {
      const [one, other] = [await found(client, key, index), await found(plainClient, key, index)];
      assert.equal(one, other, JSON.stringify(key));
      if (one !== "* SEARCH") hits += 1;
    }
    assert.ok(hits > count / 4, `${hits} of ${count} found something`);
  };

  before(async () => {
    plain
      .get(USER)
      .find("INBOX")
      .insert(messages.map((bytes) => ({ bytes })));
    plainServer = await startTestServer(plain);
    plainClient = await Client.open(plainServer.port);
    await plainClient.logIn();
    await plainClient.command("a SELECT INBOX");
    await start();
    await mailbox.appendAll(messages.map((bytes) => ({ content: memoryContent(bytes), flags: [] })));
    await client.command("n NOOP");
  });
  after(async () => {
    await stop();
    plainClient.end();
    await plainServer.close();
    rmSync(directory, { recursive: true });
  });

  test("searches find the same without it, while it is made, and with it (RFC 9051 §6.4.4)", async () => {
    await agree(30);
    await complete();
    assert.equal((await mailbox.digests!.uids()).size, MESSAGES);
    await agree(120);
  });

  test("it spares the reading of messages that do not match", async () => {
    const box = mailbox as { read: Mailbox["read"] };
    const { read } = box;
    let reads = 0;
    box.read = (uid) => {
      reads += 1;
      return read.call(mailbox, uid);
    };
    await found(client, 'TEXT "nothing has these words"', 0);
    box.read = read;
    assert.ok(reads < MESSAGES / 20, `${reads} messages were read`);
  });

  test("messages that come later are found at once and are in it soon", async () => {
    const bytes = Buffer.from("Subject: a latecomer\r\n\r\nzyzzyva\r\n");
    await mailbox.append({ content: memoryContent(bytes), flags: [] });
    plain.get(USER).find("INBOX").insert([{ bytes }]);
    for (const one of [client, plainClient]) await one.command("n NOOP");
    assert.equal(await found(client, "BODY zyzzyva", 0), `* SEARCH ${MESSAGES + 1}`);
    await complete();
    assert.equal((await mailbox.digests!.uids()).size, MESSAGES + 1);
  });

  test("it outlives a restart", async () => {
    await stop();
    await start();
    assert.equal((await mailbox.digests!.uids()).size, MESSAGES + 1);
    await agree(20);
  });

  const damages: readonly (readonly [string, (file: string) => void])[] = [
    [
      "a flipped bit",
      (file) => {
        const bytes = readFileSync(file);
        bytes[bytes.length >> 1]! ^= 4;
        writeFileSync(file, bytes);
      },
    ],
    ["an end that is torn off", (file) => truncateSync(file, (readFileSync(file).length >> 1) + 3)],
    ["foreign bytes", (file) => writeFileSync(file, Buffer.alloc(70_001, 0x77))],
    ["its loss", (file) => unlinkSync(file)],
  ];
  for (const [what, damage] of damages)
    test(`${what} loses nothing, and what is missing is made again`, async () => {
      await stop();
      damage(indexFile());
      await start();
      await agree(10);
      await complete();
      assert.equal((await mailbox.digests!.uids()).size, MESSAGES + 1);
      await agree(20);
    });
});

describe("signatures", () => {
  test("rule out no text that contains the words", () => {
    for (let round = 0; round < 500; round += 1) {
      const text = fold(phrase(5 + Math.floor(next() * 200)));
      const from = Math.floor(next() * text.length);
      const tokens = new TokenSet();
      tokens.add(text, 7);
      const wanted = text.slice(from, from + 1 + Math.floor(next() * 20));
      assert.ok(mayHold(digestOf([new TokenSet(), tokens]), 0, 1, 2, tokensOf(wanted, 7)), wanted);
    }
  });

  test("rule out nearly every text that does not", () => {
    const tokens = new TokenSet();
    tokens.add("the quick brown fox jumps over the lazy dog, and much else besides");
    const digest = digestOf([tokens]);
    let kept = 0;
    for (let round = 0; round < 1000; round += 1)
      if (mayHold(digest, 0, 0, 1, tokensOf(`unrelated ${round} words`))) kept += 1;
    assert.ok(kept < 20, `${kept} of 1000`);
  });

  test("of a text without bound rule out nothing", () => {
    const tokens = new TokenSet();
    for (let at = 0; at < 200_000; at += 1) tokens.add(String.fromCharCode(at % 30_000, at >> 3, at % 77));
    assert.ok(mayHold(digestOf([tokens]), 0, 0, 1, tokensOf("whatever")));
  });
});
