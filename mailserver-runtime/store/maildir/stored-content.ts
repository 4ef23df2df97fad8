/**
 * A stored file as a message: its own bytes where they have CRLF line ends already, else (bare LF is what
 * Dovecot writes by default) converted, and gzip or zstd unpacked first. The sizes in a file's name are only
 * claims: what is served is what the file holds, and the caller learns its true size.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip, zstdDecompress } from "node:zlib";
import { type MessageContent, memoryContent } from "../../message/content.ts";
import { StoreError } from "../mail-store.ts";

/** Files up to this size are read at once. */
const SMALL = 64 * 1024;
/** What a compressed or LF file may unpack to in memory. */
const MAX_CONVERTED = 128 * 1024 * 1024;
const unzip = promisify(gunzip);
const unzstd = promisify(zstdDecompress);

/**
 * Opens a message file. Throws ENOENT as the operating system says it. A file of exactly `crlfSize` bytes is
 * known to be plain and without bare LF; -1 where nothing is known.
 */
export async function openStored(path: string | Buffer, crlfSize: number): Promise<MessageContent> {
  const fd = openSync(path, "r");
  let bytes: Buffer;
  let isAsIs = false;
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile())
      throw new StoreError("unavailable", `${String(path)} is not a regular file; move it elsewhere.`);
    isAsIs = stats.size === crlfSize;
    if (stats.size > SMALL) return await openLarge(path, stats.size, isAsIs);
    bytes = Buffer.allocUnsafe(stats.size);
    let at = 0;
    for (let got = 1; got > 0 && at < bytes.length; at += got)
      got = readSync(fd, bytes, at, bytes.length - at, at);
    bytes = bytes.subarray(0, at);
  } finally {
    closeSync(fd);
  }
  return memoryContent(isAsIs ? bytes : withCrlf(await unpacked(bytes, path)));
}

async function openLarge(path: string | Buffer, size: number, isAsIs: boolean): Promise<MessageContent> {
  const handle = await open(path, "r");
  try {
    const start = Buffer.alloc(4);
    await handle.read(start, 0, 4, 0);
    if (isAsIs || (!isPacked(start) && !(await hasBareLf(handle, size)))) return fileContent(handle, size);
    if (size > MAX_CONVERTED)
      throw new StoreError("unavailable", `${String(path)} is too large to convert (${size} bytes).`);
    const bytes = Buffer.allocUnsafe(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await handle.read(bytes, at, size - at, at);
      if (bytesRead === 0)
        throw new StoreError("unavailable", `${String(path)} became shorter while it was read.`);
      at += bytesRead;
    }
    await handle.close();
    return memoryContent(withCrlf(await unpacked(bytes, path)));
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error;
  }
}

function isPacked(bytes: Buffer): "gzip" | "zstd" | undefined {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return "gzip";
  if (bytes.length >= 4 && bytes.readUInt32LE(0) === 0xfd2fb528) return "zstd";
  return undefined;
}
async function unpacked(bytes: Buffer, path: string | Buffer): Promise<Buffer> {
  const how = isPacked(bytes);
  if (how === undefined) return bytes;
  try {
    return await (how === "gzip" ? unzip : unzstd)(bytes, { maxOutputLength: MAX_CONVERTED });
  } catch (error) {
    throw new StoreError(
      "unavailable",
      `${String(path)} is a damaged or too large ${how} file: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

/** How many LFs have no CR before them. `previous` is the byte before the first. */
export function countBareLf(bytes: Buffer, previous = 0): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if ((at === 0 ? previous : bytes[at - 1]) !== 13) count++;
  }
  return count;
}

/** The same bytes when every LF has its CR, else a copy where it has. */
export function withCrlf(bytes: Buffer): Buffer {
  const bare = countBareLf(bytes);
  if (bare === 0) return bytes;
  const converted = Buffer.allocUnsafe(bytes.length + bare);
  let from = 0;
  let to = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (at > 0 && bytes[at - 1] === 13) continue;
    to += bytes.copy(converted, to, from, at);
    converted[to++] = 13;
    from = at;
  }
  bytes.copy(converted, to, from);
  return converted;
}

async function hasBareLf(handle: FileHandle, size: number): Promise<boolean> {
  const chunk = Buffer.allocUnsafe(SMALL);
  let previous = 0;
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(chunk, 0, SMALL, at);
    if (bytesRead === 0) return false;
    if (countBareLf(chunk.subarray(0, bytesRead), previous) > 0) return true;
    previous = chunk[bytesRead - 1]!;
    at += bytesRead;
  }
  return false;
}

/** A large file with CRLF line ends, read as it is asked for. The descriptor outlives a rename of the file. */
export function fileContent(handle: FileHandle, size: number): MessageContent {
  let readers = 0;
  let disposed = false;
  const left = async (): Promise<void> => {
    readers--;
    if (disposed && readers === 0) await handle.close();
  };
  const content: MessageContent = {
    size,
    buffer: undefined,
    async *chunks(start = 0, end = size) {
      readers++;
      try {
        for (let at = start; at < end; ) {
          const chunk = Buffer.allocUnsafe(Math.min(SMALL, end - at));
          const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
          if (bytesRead === 0)
            throw new StoreError("unavailable", "A message file became shorter while it was read.");
          yield chunk.subarray(0, bytesRead);
          at += bytesRead;
        }
      } finally {
        await left();
      }
    },
    async read(start, length) {
      readers++;
      try {
        const wanted = Math.max(0, Math.min(length, size - start));
        const bytes = Buffer.allocUnsafe(wanted);
        let at = 0;
        while (at < wanted) {
          const { bytesRead } = await handle.read(bytes, at, wanted - at, start + at);
          if (bytesRead === 0) break;
          at += bytesRead;
        }
        return bytes.subarray(0, at);
      } finally {
        await left();
      }
    },
    async dispose() {
      if (disposed) return;
      disposed = true;
      if (readers === 0) await handle.close();
    },
  };
  return content;
}
