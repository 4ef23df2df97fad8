/**
 * Mail whose every answer is known without a server: made from a seed, the same for all contestants, each
 * message a file once and a link in every Maildir that holds it.
 */
import { closeSync, futimesSync, linkSync, mkdirSync, openSync, writeSync } from "node:fs";
import * as path from "node:path";

export interface CorpusMessage {
  readonly bytes: Buffer;
  readonly subject: string;
  readonly from: { readonly name: string; readonly local: string };
  readonly messageId: string;
  /** Seconds since the epoch: INTERNALDATE. */
  readonly date: number;
  readonly seen: boolean;
  readonly body: string;
}

const SIZE = 4096;
const FIRST_DATE = 1_700_000_000;
/** Stands in the body of every 2500th message and nowhere else. */
export const RARE_WORD = "quixotrope";

/** Numbers from 0 to below 1, the same in every run. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const SYLLABLES = [
  "ba",
  "ren",
  "to",
  "mi",
  "sel",
  "ka",
  "dor",
  "un",
  "ve",
  "lin",
  "go",
  "ther",
  "is",
  "pra",
  "mon",
  "el",
];

/** Words as a language has them: few of them are most of a text. */
function vocabulary(next: () => number): readonly string[] {
  const syllable = () => SYLLABLES[Math.floor(next() * SYLLABLES.length)]!;
  return Array.from({ length: 8000 }, (_, rank) =>
    Array.from({ length: 1 + (rank > 100 ? 1 : 0) + Math.floor(next() * 3) }, syllable).join(""),
  );
}

/** `count` messages of exactly 4 KiB. */
export function corpus(count: number): readonly CorpusMessage[] {
  const next = random(7);
  const words = vocabulary(next);
  const word = () => words[Math.floor(words.length ** next()) - 1]!;
  return Array.from({ length: count }, (_, index): CorpusMessage => {
    const date = FIRST_DATE + index * 61;
    const from = { name: `${word()} ${word()}`, local: `${word()}${index % 97}` };
    const subject = `${word()} ${word()} ${word()} ${index}`;
    const messageId = `<${index}.${date}@elsewhere.test>`;
    const head = [
      `Return-Path: <${from.local}@elsewhere.test>`,
      `Received: from mx.elsewhere.test (mx.elsewhere.test [192.0.2.7])`,
      `\tby mail.bench.test with ESMTPS id ${index}; ${new Date(date * 1000).toUTCString()}`,
      `DKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.test; s=one; h=from:to:subject:date;`,
      `\tbh=${"A".repeat(43)}=; b=${"B".repeat(60)}`,
      `Date: ${new Date(date * 1000).toUTCString().replace("GMT", "+0000")}`,
      `From: "${from.name}" <${from.local}@elsewhere.test>`,
      `To: mail@bench.test`,
      `Subject: ${subject}`,
      `Message-ID: ${messageId}`,
      `MIME-Version: 1.0`,
      `Content-Type: text/plain; charset=utf-8`,
      "",
      "",
    ].join("\r\n");
    let body = index % 2500 === 7 ? `${RARE_WORD} ` : "";
    for (let line = 0; body.length < SIZE - head.length - 80; line = 0) {
      while (line < 64) {
        const one = word();
        body += `${one} `;
        line += one.length + 1;
      }
      body += "\r\n";
    }
    body = `${body}${"x".repeat(SIZE - head.length - body.length - 2)}\r\n`;
    return { bytes: Buffer.from(head + body), subject, from, messageId, date, seen: index % 3 === 0, body };
  });
}

/** The Maildir of an address. */
export function maildirOf(directory: string, address: string): string {
  const [local, domain] = address.split("@");
  return path.join(directory, "mail", domain!, local!);
}

/** Writes each message once below `directory`; paths in order. */
export function writeCorpus(directory: string, messages: readonly CorpusMessage[]): readonly string[] {
  mkdirSync(directory, { recursive: true });
  return messages.map(({ bytes, date }, index) => {
    const file = path.join(directory, String(index));
    const fd = openSync(file, "wx", 0o644);
    writeSync(fd, bytes);
    futimesSync(fd, date, date);
    closeSync(fd);
    return file;
  });
}

/** Fills a Maildir with `count` messages, which are the corpus again and again. */
export function fillMaildir(
  maildir: string,
  files: readonly string[],
  messages: readonly CorpusMessage[],
  count: number,
): void {
  for (const folder of ["cur", "new", "tmp"]) mkdirSync(path.join(maildir, folder), { recursive: true });
  for (let index = 0; index < count; index += 1) {
    const at = index % files.length;
    const { seen, bytes } = messages[at]!;
    const base = `${FIRST_DATE + index * 61}.M${String(index).padStart(6, "0")}P1.bench,S=${bytes.length},W=${bytes.length}`;
    linkSync(files[at]!, path.join(maildir, "cur", `${base}:2,${seen ? "S" : ""}`));
  }
}
