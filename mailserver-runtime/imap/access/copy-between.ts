/** COPY and MOVE where the store cannot do it in one step: from one account to another, or with flags left out. */
import {
  type AppendMessage,
  type CopyResult,
  Flag,
  KEYWORD_SHIFT,
  type Mailbox,
  type MailboxView,
  positionOf,
  StoreError,
} from "../../store/mail-store.ts";
import { GuardedMailbox } from "./guarded-mailbox.ts";

/** Messages of one step of a copy between accounts: so many files are open at once. */
const STEP = 64;

/**
 * Copies between accounts, or into a mailbox where not every flag may be set: all messages or none, in the
 * order of the UIDs. Messages that are gone are passed over.
 */
export async function copyBetween(
  source: Mailbox,
  uids: readonly number[],
  target: Mailbox,
): Promise<CopyResult> {
  const sourceUids: number[] = [];
  const targetUids: number[] = [];
  try {
    for (let at = 0; at < uids.length; at += STEP) {
      const read = await readSome(source, uids.slice(at, at + STEP));
      try {
        if (read.messages.length === 0) continue;
        const { uids: stored } = await target.appendAll(read.messages);
        sourceUids.push(...read.uids);
        targetUids.push(...stored);
      } finally {
        for (const { content } of read.messages) await content.dispose();
      }
    }
  } catch (error) {
    if (targetUids.length > 0) await takeBack(target, targetUids);
    throw error;
  }
  return { uidValidity: target.uidValidity, sourceUids, targetUids };
}

async function readSome(
  source: Mailbox,
  uids: readonly number[],
): Promise<{ readonly uids: readonly number[]; readonly messages: readonly AppendMessage[] }> {
  const found: number[] = [];
  const messages: AppendMessage[] = [];
  try {
    for (const uid of uids) {
      const view = source.view();
      const at = positionOf(view, uid);
      if (at < 0) continue;
      const content = await source.read(uid).catch((error: unknown) => {
        if (error instanceof StoreError && error.code === "expunged") return undefined;
        throw error;
      });
      if (!content) continue;
      found.push(uid);
      messages.push({ content, flags: flagsOf(view, at), internalDate: new Date(view.dates[at]!) });
    }
  } catch (error) {
    for (const { content } of messages) await content.dispose();
    throw error;
  }
  return { uids: found, messages };
}

async function takeBack(target: Mailbox, uids: readonly number[]): Promise<void> {
  const mailbox = target instanceof GuardedMailbox ? target.unguarded : target;
  await mailbox.setFlags({ uids, mode: "add", flags: ["\\Deleted"] });
  await mailbox.expunge(uids);
}

const SYSTEM: readonly (readonly [bit: number, name: string])[] = [
  [Flag.Seen, "\\Seen"],
  [Flag.Answered, "\\Answered"],
  [Flag.Flagged, "\\Flagged"],
  [Flag.Deleted, "\\Deleted"],
  [Flag.Draft, "\\Draft"],
];

/** Names of the flags of one message, without \Recent. */
function flagsOf(view: MailboxView, position: number): string[] {
  const bits = view.flags[position]!;
  const system = SYSTEM.filter(([bit]) => bits & bit).map(([, name]) => name);
  const keywords = view.keywords.filter(
    (name, index) => name !== "" && bits & (1 << (index + KEYWORD_SHIFT)),
  );
  return [...system, ...keywords];
}
