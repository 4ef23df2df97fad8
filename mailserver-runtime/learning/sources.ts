/**
 * Messages that a command names for learning: a file (one message, or an mbox with many), a folder of files, a Maildir.
 *
 * They are given one after the other, so that a folder of any size needs the memory of one message.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type MessageContent, memoryContent } from "../message/content.ts";
import { openStored } from "../store/maildir/stored-content.ts";

/** An mbox is read as a whole. */
const MAX_MBOX_BYTES = 512 * 1024 * 1024;

/** @throws what the file system throws, RangeError for an mbox that is too large. */
export async function* messagesAt(path: string): AsyncIterable<MessageContent> {
  const stats = await stat(path);
  if (stats.isDirectory()) {
    for (const name of (await readdir(path)).sort()) {
      const below = join(path, name);
      const kind = await stat(below);
      if (kind.isFile() && !/^(?:dovecot|maildirsize|subscriptions|\.)/.test(name)) yield* messagesAt(below);
      else if (kind.isDirectory() && (name === "cur" || name === "new")) yield* messagesAt(below);
    }
    return;
  }
  const content = await openStored(path, -1);
  try {
    if ((await content.read(0, 5)).toString("latin1") !== "From ") {
      yield content;
      return;
    }
    if (content.size > MAX_MBOX_BYTES)
      throw new RangeError(`${path} is larger than ${MAX_MBOX_BYTES} bytes; split it, or give a folder`);
    yield* splitMbox(await content.read(0, content.size));
  } finally {
    await content.dispose();
  }
}

/** `From `, an address, and a date as asctime writes it: a sentence that begins so has none. */
const FROM_LINE = /^From \S+ +[A-Z][a-z]{2} [A-Z][a-z]{2} /;
const SEPARATOR = Buffer.from("\r\n\r\nFrom ");

/** The messages of an mbox (RFC 4155): each begins behind a From line that follows an empty line. */
export function* splitMbox(bytes: Buffer): Iterable<MessageContent> {
  for (let start = 0; start < bytes.length; ) {
    const next = separatorAt(bytes, start);
    const end = next === -1 ? bytes.length : next + 2;
    const first = bytes.indexOf("\n", start) + 1;
    if (first > 0 && first < end) yield memoryContent(bytes.subarray(first, end));
    start = next === -1 ? bytes.length : next + 4;
  }
}
function separatorAt(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(SEPARATOR, from); at !== -1; at = bytes.indexOf(SEPARATOR, at + 1))
    if (FROM_LINE.test(bytes.toString("latin1", at + 4, at + 404))) return at;
  return -1;
}
