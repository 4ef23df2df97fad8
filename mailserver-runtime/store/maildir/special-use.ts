/**
 * Special use of folders (RFC 6154): the usual names have theirs by themselves; what CREATE ... USE said of
 * others stands in `mailkeep-special-use`, one `<attribute>\t<name on disk without its dot>` a line.
 */
import { existsSync, readFileSync } from "node:fs";
import { errorCode, storeError, writeFileDurably } from "./durable.ts";

/** Folders made at the first listing, with their attribute: those of DMS's 15-mailboxes.conf. */
export const SPECIAL_FOLDERS: Readonly<Record<string, string>> = {
  Drafts: "\\Drafts",
  Junk: "\\Junk",
  Trash: "\\Trash",
  Sent: "\\Sent",
};
const FILE = "mailkeep-special-use";

/** Attribute by name on disk without its dot. */
export function readSpecialUse(
  account: string,
  usual: Readonly<Record<string, string>>,
): Map<string, string> {
  const uses = new Map(Object.entries(usual));
  try {
    for (const line of readFileSync(`${account}/${FILE}`, "utf8").split("\n")) {
      const [use, name] = line.split("\t");
      if (use !== undefined && name !== undefined) uses.set(name, use);
    }
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw storeError(error, `Reading ${account}/${FILE}`);
  }
  return uses;
}

export async function writeSpecialUse(
  account: string,
  usual: Readonly<Record<string, string>>,
  uses: ReadonlyMap<string, string>,
): Promise<void> {
  const lines = [...uses].flatMap(([name, use]) => (usual[name] === use ? [] : [`${use}\t${name}\n`]));
  const path = `${account}/${FILE}`;
  if (lines.length > 0 || existsSync(path)) await writeFileDurably(path, lines.join(""));
}
