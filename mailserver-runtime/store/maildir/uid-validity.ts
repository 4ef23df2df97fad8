/**
 * The account's UIDVALIDITY counter, in Dovecot's own place: `dovecot-uidvalidity` holds eight hexadecimal
 * digits, and an empty file with them as its suffix is a second witness. It never goes back: with both lost,
 * the next value is above every mailbox's own and not below the clock's seconds.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { errorCode, storeError, syncDirectory, writeFileDurably } from "./durable.ts";
import { readUidList } from "./uid-list.ts";

const FILE = "dovecot-uidvalidity";

/** The next value, durable when it resolves. Calls for one account must not overlap. */
export async function nextUidValidity(account: string, now: number): Promise<number> {
  let highest = 0;
  let witness: string | undefined;
  let entries: string[];
  try {
    highest = parse(readFileSync(`${account}/${FILE}`, "latin1"));
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw storeError(error, `Reading ${account}/${FILE}`);
  }
  try {
    entries = readdirSync(account, "latin1");
  } catch (error) {
    throw storeError(error, `Listing ${account}`);
  }
  for (const entry of entries) {
    if (!entry.startsWith(`${FILE}.`) || entry.endsWith(".tmp")) continue;
    witness = entry;
    highest = Math.max(highest, parse(entry.slice(FILE.length + 1)));
  }
  if (highest === 0) {
    highest = Math.floor(now / 1000) - 1;
    for (const entry of ["", ...entries.filter((name) => name.startsWith("."))]) {
      if (entry === "." || entry === "..") continue;
      const list = tryUidList(entry === "" ? account : `${account}/${entry}`);
      highest = Math.max(highest, list);
    }
  }
  const next = highest + 1;
  const digits = next.toString(16).padStart(8, "0");
  await writeFileDurably(`${account}/${FILE}`, digits);
  try {
    if (witness === undefined) writeFileSync(`${account}/${FILE}.${digits}`, "", { mode: 0o600 });
    else renameSync(`${account}/${witness}`, `${account}/${FILE}.${digits}`);
  } catch (error) {
    throw storeError(error, `Writing ${account}/${FILE}.${digits}`);
  }
  await syncDirectory(account);
  return next;
}
function parse(digits: string): number {
  return /^[0-9a-f]{8}$/.test(digits) ? Number.parseInt(digits, 16) : 0;
}
function tryUidList(directory: string): number {
  try {
    const list = readUidList(directory);
    return list === undefined || list === "damaged" ? 0 : list.uidValidity;
  } catch {
    return 0;
  }
}
