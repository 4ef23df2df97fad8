/**
 * Annotations (RFC 5464) in a small plain file: `mailkeep-metadata` beside a folder's mail, and
 * `mailkeep-account-metadata` for those of the account, as INBOX lies in the same directory.
 *
 *     mailkeep 1
 *     <entry>\t<value in base64>
 *
 * So they go with the folder where it goes, by RENAME, rsync or a backup. A line that cannot be read is
 * passed over; the others are not lost by it.
 */
import { readFile, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode, storeError, syncDirectory, writeFileDurably } from "./durable.ts";

const FOLDER_FILE = "mailkeep-metadata";
const ACCOUNT_FILE = "mailkeep-account-metadata";
const HEADER = "mailkeep 1\n";

/** Values by entry name. */
export type Metadata = ReadonlyMap<string, Buffer>;

export const folderMetadata = (directory: string): string => `${directory}/${FOLDER_FILE}`;
export const accountMetadata = (directory: string): string => `${directory}/${ACCOUNT_FILE}`;

export async function readMetadata(path: string): Promise<Metadata> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return new Map();
    throw storeError(error, `Reading ${path}`);
  }
  const found = new Map<string, Buffer>();
  for (const line of text.split("\n")) {
    const tab = line.indexOf("\t");
    if (tab > 0 && line.startsWith("/"))
      found.set(line.slice(0, tab), Buffer.from(line.slice(tab + 1), "base64"));
  }
  return found;
}

/** Sets entries, and removes those that are null; all or none. */
export async function changeMetadata(
  path: string,
  changes: ReadonlyMap<string, Buffer | null>,
): Promise<void> {
  const metadata = new Map(await readMetadata(path));
  for (const [entry, value] of changes) {
    if (value === null) metadata.delete(entry);
    else metadata.set(entry, value);
  }
  await writeMetadata(path, metadata);
}

/** Writes all of it durably; without entries there is no file. */
async function writeMetadata(path: string, metadata: Metadata): Promise<void> {
  if (metadata.size > 0) {
    const lines = [...metadata].map(([entry, value]) => `${entry}\t${value.toString("base64")}\n`);
    return writeFileDurably(path, HEADER + lines.join(""));
  }
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    throw storeError(error, `Removing ${path}`);
  }
  await syncDirectory(dirname(path));
}
