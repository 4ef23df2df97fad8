/** Bringing expunged messages back: which are meant, what they are, and how they become messages of a mailbox again. */
import { decodeHeaderValue } from "../../message/mime/encoded-words.ts";
import { envelopeFields } from "../../message/mime/envelope.ts";
import { Flag, KEYWORD_SHIFT } from "../mail-store.ts";
import type { ExpungedMessage, ExpungedSelection, MailboxCount } from "../retention.ts";
import { type FlaggedLink, linkFile } from "./copying.ts";
import { errorCode } from "./durable.ts";
import type { ExpungedMail, KeptFile } from "./expunged-mail.ts";
import { baseName, flagsOf, pathOf } from "./file-name.ts";
import { systemNames } from "./flag-changes.ts";
import { readKeywords } from "./keywords.ts";
import type { MaildirMailbox } from "./mailbox.ts";
import { factsOf } from "./message-facts.ts";
import { removeQuietly } from "./message-writer.ts";
import { openStored } from "./stored-content.ts";

/** Messages that come back in one step. */
const STEP = 500;
/** Bytes of a message in which its From and Subject are looked for. */
const LOOKED_AT = 64 * 1024;

type NameOf = (disk: string) => string;

/** Those that are meant, the longest kept first. */
export async function* selected(
  expunged: ExpungedMail,
  { mailbox, since, subject }: ExpungedSelection,
  nameOf: NameOf,
): AsyncGenerator<KeptFile> {
  const words = subject?.toLowerCase();
  for await (const kept of expunged.files()) {
    if (mailbox !== undefined && nameOf(kept.disk) !== mailbox) continue;
    if (since !== undefined && kept.expungedAt < since) continue;
    if (words === undefined || (await describe(kept, nameOf)).subject.toLowerCase().includes(words))
      yield kept;
  }
}

/** What it is, in a few words. One that cannot be read has none. */
export async function describe(kept: KeptFile, nameOf: NameOf): Promise<ExpungedMessage> {
  const about = { mailbox: nameOf(kept.disk), expungedAt: kept.expungedAt };
  try {
    const content = await openStored(pathOf(kept.directory, kept.file), -1);
    try {
      const { from = "", subject = "" } = envelopeFields(
        await content.read(0, Math.min(LOOKED_AT, content.size)),
      );
      return {
        ...about,
        bytes: content.size,
        from: decodeHeaderValue(from),
        subject: decodeHeaderValue(subject),
      };
    } finally {
      await content.dispose();
    }
  } catch {
    return { ...about, bytes: 0, from: "", subject: "" };
  }
}

export interface Mailboxes {
  readonly nameOf: NameOf;
  /** The mailbox of a folder, made where it is missing, held for the caller. */
  readonly open: (disk: string) => Promise<MaildirMailbox>;
}

/** Links messages into their mailboxes under new names, and then gives up what was kept. Resolves with how many, by mailbox. */
export async function bringBack(
  expunged: ExpungedMail,
  selection: ExpungedSelection,
  mailboxes: Mailboxes,
): Promise<MailboxCount[]> {
  const byFolder = new Map<string, KeptFile[]>();
  for await (const kept of selected(expunged, selection, mailboxes.nameOf))
    byFolder.set(kept.disk, [...(byFolder.get(kept.disk) ?? []), kept]);
  const counts: MailboxCount[] = [];
  for (const [disk, files] of byFolder) {
    const mailbox = await mailboxes.open(disk);
    let messages = 0;
    try {
      for (let at = 0; at < files.length; at += STEP) {
        const back = await admitAgain(mailbox, files.slice(at, at + STEP));
        await expunged.release(back);
        messages += back.length;
      }
    } finally {
      mailbox.release();
    }
    counts.push({ mailbox: mailbox.name, messages });
  }
  return counts;
}

/** Resolves with those that are in the mailbox now, durably. */
async function admitAgain(mailbox: MaildirMailbox, files: readonly KeptFile[]): Promise<KeptFile[]> {
  const back: KeptFile[] = [];
  const links: FlaggedLink[] = [];
  const keywords = new Map<string, readonly string[]>();
  try {
    for (const kept of files) {
      const { directory, file } = kept;
      const name = file.slice(file.lastIndexOf("/") + 1);
      const facts = await factsOf(directory, file, baseName(name));
      if (facts === undefined) continue;
      const letters = keywords.get(directory) ?? readKeywords(directory);
      keywords.set(directory, letters);
      try {
        const link = await linkFile(pathOf(directory, file), baseName(name), facts.date, mailbox.directory);
        links.push({ ...link, flags: flagNames(flagsOf(name), letters) });
        back.push(kept);
      } catch (error) {
        // Its window was over a moment ago.
        if (errorCode(error) !== "ENOENT") throw error;
      }
    }
    await mailbox.admit(links);
    return back;
  } catch (error) {
    for (const { temporary } of links) removeQuietly(temporary);
    throw error;
  }
}

/** Without \Deleted, which would take it away again. */
function flagNames(bits: number, keywords: readonly string[]): string[] {
  const named = keywords.filter((name, i) => name !== "" && bits & (1 << (KEYWORD_SHIFT + i)));
  return [...systemNames(bits & ~Flag.Deleted), ...named];
}
