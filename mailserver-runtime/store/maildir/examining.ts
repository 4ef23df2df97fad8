/** Looks at one mailbox for an administrator (`store/examination.ts`): its index, and each of its files. */
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import type { IndexCondition, MailboxProblem } from "../examination.ts";
import { StoreError } from "../mail-store.ts";
import { baseName, pathOf } from "./file-name.ts";
import type { MaildirMailbox } from "./mailbox.ts";
import { readModSeqCeiling } from "./mailbox-file.ts";
import { readIndex, stampsOf } from "./mailbox-index.ts";
import { passOver } from "./scan.ts";
import { ABANDONED_MS } from "./temporary-files.ts";
import { readUidList } from "./uid-list.ts";

/** Where the index of a mailbox that is not in memory stands. */
export async function indexCondition(directory: string, indexPath: string): Promise<IndexCondition> {
  const index = await readIndex(indexPath);
  if (index?.names() === undefined) return existsSync(indexPath) ? "damaged" : "absent";
  const { list, keywords, cur, new: inNew } = await stampsOf(directory);
  const made = index.stamps;
  const isCurrent =
    index.view.highestModSeq === readModSeqCeiling(directory) &&
    made.list === list &&
    made.keywords === keywords &&
    made.cur === cur &&
    made.new === inNew;
  return isCurrent ? "current" : "stale";
}

/** What only shows before the mailbox is opened, because opening mends it. */
export function problemsBefore(mailbox: string, directory: string, index: IndexCondition): MailboxProblem[] {
  const problems: MailboxProblem[] = [];
  if (index === "damaged")
    problems.push({
      mailbox,
      reason: "the index is damaged; it is made anew from the mail, nothing is lost",
    });
  const list = readUidList(directory);
  if (list === "damaged")
    problems.push({
      mailbox,
      file: "dovecot-uidlist",
      reason: "cannot be read; the mailbox gets a new UIDVALIDITY, and clients fetch it anew",
    });
  else if (list !== undefined && !list.appendable)
    problems.push({
      mailbox,
      file: "dovecot-uidlist",
      reason: "is torn or of an old version; it is written anew with the UIDs it has",
    });
  return problems;
}

/** Reads every message of an open mailbox, and names what does not fit or cannot be read. */
export async function problemsOf(mailbox: MaildirMailbox): Promise<MailboxProblem[]> {
  await mailbox.refresh();
  const { name, directory } = mailbox;
  const problems: MailboxProblem[] = [];
  const report = (file: string, reason: string) => problems.push({ mailbox: name, file, reason });
  const list = readUidList(directory);
  const listed = new Map<number, string>();
  if (list !== undefined && list !== "damaged")
    for (const [i, uid] of list.uids.entries()) listed.set(uid, list.names[i]!);
  const view = mailbox.view();
  const known = new Set<string>();
  for (let i = 0; i < view.count; i++) {
    const uid = view.uids[i]!;
    const file = mailbox.fileOf(uid);
    if (file === undefined) continue;
    const base = baseName(file.slice(4));
    known.add(base);
    if (listed.get(uid) !== base)
      report(file, `dovecot-uidlist does not say that it is message ${uid}; rebuild`);
    const { size, failure } = await sizeOf(mailbox, uid);
    if (failure !== undefined) report(file, failure);
    else if (size === 0) report(file, "is empty; restore it from a backup, or expunge it");
    else if (size !== undefined && size !== view.sizes[i])
      report(file, `has ${size} bytes where the index said ${view.sizes[i]}; it is corrected now`);
  }
  const { files, duplicates } = await passOver(directory);
  for (const file of duplicates)
    report(file, "is a second file of one base name and not shown; give it another name");
  for (const [base, file] of files) {
    if (known.has(base)) continue;
    const found = await stat(pathOf(directory, file)).catch(() => undefined);
    if (found !== undefined && !found.isFile()) report(file, "is not a regular file; move it elsewhere");
  }
  for (const file of await readdir(`${directory}/tmp`)) {
    const found = await stat(`${directory}/tmp/${file}`).catch(() => undefined);
    if (found !== undefined && found.ctimeMs < Date.now() - ABANDONED_MS)
      report(`tmp/${file}`, "was left half written by some program; it goes when the account is next opened");
  }
  return problems;
}

async function sizeOf(mailbox: MaildirMailbox, uid: number): Promise<{ size?: number; failure?: string }> {
  try {
    const content = await mailbox.read(uid);
    await content.dispose();
    return { size: content.size };
  } catch (error) {
    if (error instanceof StoreError && error.code === "expunged") return {};
    return { failure: `cannot be read: ${(error as Error).message}` };
  }
}
