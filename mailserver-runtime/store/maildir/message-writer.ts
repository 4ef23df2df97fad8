/**
 * Writes a message once into a folder's `tmp` and syncs it. Where its bytes lie in memory that is one open,
 * one vectored write and one fsync; the rename into place is the caller's, who knows which name is next.
 */
import { closeSync, futimesSync, linkSync, openSync, unlinkSync, writevSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import type { MessageContent } from "../../message/content.ts";
import { storeError, syncDescriptor, writeAll } from "./durable.ts";
import { newBaseName } from "./file-name.ts";
import { countBareLf } from "./stored-content.ts";

export interface WrittenMessage {
  /** Where it lies until it is renamed. */
  readonly temporary: string;
  readonly base: string;
  /** Bytes of the file. */
  readonly size: number;
  /** Bytes with CRLF line ends: RFC822.SIZE. */
  readonly crlfSize: number;
  /** INTERNALDATE, milliseconds. */
  readonly date: number;
}

/** Writes and syncs. On failure nothing is left. The mtime is set where it would differ from `date`: Dovecot reads it. */
export async function writeMessage(
  directory: string,
  prefix: Buffer | undefined,
  content: MessageContent,
  date: number,
): Promise<WrittenMessage> {
  const now = Date.now();
  const size = (prefix?.length ?? 0) + content.size;
  const bareLf = await bareLfOf(content);
  const base = newBaseName(now, date, size, size + bareLf);
  const temporary = `${directory}/tmp/${base}`;
  let made = false;
  try {
    const fd = openSync(temporary, "wx", 0o600);
    made = true;
    try {
      if (content.buffer !== undefined) {
        writeParts(
          fd,
          prefix === undefined || prefix.length === 0 ? [content.buffer] : [prefix, content.buffer],
        );
      } else {
        if (prefix !== undefined) writeAll(fd, prefix);
        let written = 0;
        for await (const chunk of content.chunks()) {
          writeAll(fd, chunk);
          written += chunk.length;
        }
        if (written !== content.size)
          throw new Error(`the message ended after ${written} of ${content.size} bytes`);
      }
      if (Math.abs(now - date) >= 1000) futimesSync(fd, now / 1000, Math.max(0, Math.floor(date / 1000)));
      await syncDescriptor(fd, size);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (made) removeQuietly(temporary);
    throw storeError(error, `Writing a message into ${directory}`);
  }
  return {
    temporary,
    base,
    size,
    crlfSize: size + bareLf,
    date: 1000 * Math.max(0, Math.floor(date / 1000)),
  };
}

function writeParts(fd: number, parts: Buffer[]): void {
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  const written = writevSync(fd, parts);
  if (written === total) return;
  // The kernel took less (a signal, a nearly full disk): the rest, which fails loudly if it cannot be.
  writeAll(fd, Buffer.concat(parts).subarray(written));
}

/** How many bytes the message is longer with CRLF line ends; a file is read for it only where nobody knows. */
function bareLfOf(content: MessageContent): number | Promise<number> {
  if (content.lineEnds === "crlf") return 0;
  return content.buffer === undefined ? countStreamed(content) : countBareLf(content.buffer);
}

async function countStreamed(content: MessageContent): Promise<number> {
  let count = 0;
  let previous = 0;
  for await (const chunk of content.chunks()) {
    if (chunk.length === 0) continue;
    count += countBareLf(chunk, previous);
    previous = chunk[chunk.length - 1]!;
  }
  return count;
}

/** A copy of a written message in another folder's `tmp`, under the same base name; synced. On failure nothing is left. */
export async function copyMessage(written: WrittenMessage, directory: string): Promise<string> {
  const temporary = `${directory}/tmp/${written.base}`;
  try {
    await copyFile(written.temporary, temporary);
    const fd = openSync(temporary, "r+");
    try {
      futimesSync(fd, Date.now() / 1000, written.date / 1000);
      await syncDescriptor(fd, written.size);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    removeQuietly(temporary);
    throw storeError(error, `Copying a message into ${directory}`);
  }
  return temporary;
}

/** A second name for the same bytes. Throws what the operating system says; the caller copies then. */
export function linkMessage(from: string, to: string): void {
  linkSync(from, to);
}
export function removeQuietly(path: string | Buffer): void {
  try {
    unlinkSync(path);
  } catch {
    // Already gone, or left for the sweep of old temporary files.
  }
}
