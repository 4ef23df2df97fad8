/**
 * The server's log with what logrotate made of it: `mail.log`, then `mail.log.1`, `mail.log.2.gz` or `mail.log-20260801.gz`,
 * newest first. Read as a stream and bounded, so that a question costs no more memory on a server with years of logs.
 */
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { logFileName } from "../net/pino-log.ts";

export interface LogFile {
  readonly path: string;
  /** On disk. */
  readonly bytes: number;
  readonly modifiedAt: number;
}

/** The log's files, the one that is being written first. */
export async function logFiles(directory: string): Promise<readonly LogFile[]> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  const ours = names.filter((name) => name === logFileName || isRotated(name));
  const files = await Promise.all(
    ours.map(async (name): Promise<LogFile | undefined> => {
      const path = join(directory, name);
      const found = await stat(path).catch(() => undefined);
      return found?.isFile() ? { path, bytes: found.size, modifiedAt: found.mtimeMs } : undefined;
    }),
  );
  const current = join(directory, logFileName);
  return files
    .filter((file) => file !== undefined)
    .sort((a, b) => Number(b.path === current) - Number(a.path === current) || b.modifiedAt - a.modifiedAt);
}

const isRotated = (name: string): boolean =>
  name.startsWith(logFileName) && /^[.-]\d{1,14}(?:\.gz)?$/.test(name.slice(logFileName.length));

/** Longer lines are none of ours. */
const LONGEST_LINE = 1024 * 1024;

/**
 * The lines of a file, at most `limit` bytes of text: its last ones where it is plain, its first ones where it is packed.
 * A file that breaks off ends there.
 */
export async function* linesOf(file: LogFile, limit: number): AsyncGenerator<string> {
  const packed = file.path.endsWith(".gz");
  const start = packed ? 0 : Math.max(0, file.bytes - limit);
  const raw = createReadStream(file.path, { start });
  const stream: Readable = packed ? raw.pipe(createGunzip()) : raw;
  if (packed) raw.on("error", (error) => stream.destroy(error));
  let rest = "";
  let read = 0;
  let cut = start > 0;
  try {
    stream.setEncoding("utf8");
    for await (const chunk of stream as AsyncIterable<string>) {
      read += chunk.length;
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > LONGEST_LINE) rest = "";
      if (cut) {
        lines.shift();
        cut = false;
      }
      yield* lines;
      if (read > limit) return;
      await setImmediate();
    }
    if (rest !== "") yield rest;
  } catch {
    // Rotated away or cut off while it was read: what was read is what there is.
  } finally {
    raw.destroy();
    stream.destroy();
  }
}
