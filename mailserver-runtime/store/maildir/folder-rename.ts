/**
 * RENAME of a folder with all below it is many renames on disk. They are written down first, durably; if the
 * process ends in the middle, the next opening of the account does the rest. No folder is ever overwritten.
 */
import { existsSync, readFileSync, renameSync, unlinkSync } from "node:fs";
import { errorCode, storeError, syncDirectory, writeFileDurably } from "./durable.ts";

const INTENT = "mailkeep-rename";

/** Folder names on disk, from and to. */
export type FolderPair = readonly [from: string, to: string];

export async function intendRename(account: string, pairs: readonly FolderPair[]): Promise<void> {
  await writeFileDurably(
    `${account}/${INTENT}`,
    Buffer.from(pairs.map((pair) => `${pair.join("\t")}\n`).join(""), "latin1"),
  );
}

/**
 * Does what the intent says and is not done yet; `follow` takes along what is known of the folders elsewhere, before the
 * intent is forgotten, so it may see the same pairs twice. Resolves with the pairs, empty when there was no intent.
 */
export async function finishRename(
  account: string,
  follow: (pairs: readonly FolderPair[]) => Promise<void>,
): Promise<FolderPair[]> {
  let intent: string;
  try {
    intent = readFileSync(`${account}/${INTENT}`, "latin1");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw storeError(error, `Reading ${account}/${INTENT}`);
  }
  const pairs: FolderPair[] = [];
  for (const line of intent.split("\n")) {
    const [from, to] = line.split("\t");
    if (isFolder(from) && isFolder(to)) pairs.push([from, to]);
  }
  try {
    for (const [from, to] of pairs)
      if (existsSync(`${account}/${from}`) && !existsSync(`${account}/${to}`))
        renameSync(`${account}/${from}`, `${account}/${to}`);
    await syncDirectory(account);
    await follow(pairs);
    unlinkSync(`${account}/${INTENT}`);
    await syncDirectory(account);
  } catch (error) {
    throw storeError(error, `Renaming folders in ${account}`);
  }
  return pairs;
}
/** A Maildir++ folder beside the inbox, and nothing that leads elsewhere. */
function isFolder(name: string | undefined): name is string {
  return name !== undefined && /^\.[^./][^/]*$/.test(name);
}
