/**
 * Size and date of a message file: from its name where the name says it, else from the file once.
 */
import { statSync } from "node:fs";
import { errorCode, storeError } from "./durable.ts";
import { dateOf, field, pathOf } from "./file-name.ts";
import { openStored } from "./stored-content.ts";

export interface MessageFacts {
  /** Bytes with CRLF line ends. */
  readonly size: number;
  /** INTERNALDATE in milliseconds. */
  readonly date: number;
}

/** `file` is relative to the folder. Undefined when it vanished or is no regular file. */
export async function factsOf(
  directory: string,
  file: string,
  base: string,
): Promise<MessageFacts | undefined> {
  let size = field(base, "W");
  let date = dateOf(base);
  if (size >= 0 && date >= 0) return { size, date };
  const path = pathOf(directory, file);
  try {
    // Without the thread pool: a hundred thousand of them are a second, not ten.
    const stats = statSync(path);
    if (!stats.isFile()) return undefined;
    if (date < 0) date = 1000 * Math.floor(stats.mtimeMs / 1000);
    if (size < 0) {
      const content = await openStored(path, -1);
      size = content.size;
      await content.dispose();
    }
    return { size, date };
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") return undefined;
    // A file nobody may read still has its place: its claimed or raw size, and an error when it is read.
    if (code === "EACCES" || code === "EPERM") return { size: Math.max(size, 0), date: Math.max(date, 0) };
    throw storeError(error, `Looking at ${String(path)}`);
  }
}
