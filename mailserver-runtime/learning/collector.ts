/**
 * Takes note of what people sort, in the process that serves them, and never lets them wait for it.
 *
 * After the command has been answered, each message is read and left as a file in the lessons' directory, one at a time;
 * the first process learns from there (`teacher.ts`), since a model has one writer. What comes faster than that is
 * dropped beyond a bound: a lesson is worth little, and a client that waits is not.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { MessageContent } from "../message/content.ts";
import type { Log } from "../net/log.ts";
import type { AccountStore, MailStore } from "../store/mail-store.ts";
import { lessonOf, type Purpose, type Sorted } from "./lesson.ts";

export interface CollectorOptions {
  /** Where lessons wait. */
  readonly directory: string;
  readonly store: Pick<MailStore, "account">;
  readonly enabled: () => boolean;
  readonly log: Log;
}
export interface Collector {
  /** Returns at once. */
  sorted(sorted: Sorted): void;
  /** Waits for what has been noted so far. */
  settled(): Promise<void>;
}

/** Messages that may wait to be read, and lessons that may wait to be learnt. */
const MAX_WAITING = 5_000;
/** Nothing is learnt from what stands behind it; larger messages are seldom spam. */
const MAX_LESSON_BYTES = 1_048_576;
export const LESSON = ".lesson";

export function openCollector({ directory, store, enabled, log }: CollectorOptions): Collector {
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();

  async function note(sorted: Sorted): Promise<void> {
    const account = await store.account(sorted.account);
    try {
      const purposes = await purposesOf(account);
      const as = lessonOf(sorted, (mailbox) => purposes.get(mailbox));
      if (as === undefined) return;
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const room = MAX_WAITING - (await readdir(directory)).length;
      if (room < sorted.uids.length)
        log.warn({
          event: "lessons-dropped",
          account: sorted.account,
          count: sorted.uids.length - Math.max(0, room),
        });
      const mailbox = await account.open(sorted.mailbox);
      try {
        for (const uid of sorted.uids.slice(0, Math.max(0, room))) {
          const content = await mailbox.read(uid);
          try {
            await leave(directory, { as, account: sorted.account }, content);
          } finally {
            await content.dispose();
          }
        }
      } finally {
        mailbox.release();
      }
    } finally {
      account.release();
    }
  }

  return {
    sorted(sorted) {
      if (!enabled() || sorted.uids.length === 0) return;
      if (waiting + sorted.uids.length > MAX_WAITING) {
        log.warn({ event: "lessons-dropped", account: sorted.account, count: sorted.uids.length });
        return;
      }
      waiting += sorted.uids.length;
      last = last
        .then(() => note(sorted))
        // A message that is gone already, a folder of somebody else's: no lesson.
        .catch((error: unknown) => log.debug({ event: "lesson-missed", error: String(error) }))
        .then(() => {
          waiting -= sorted.uids.length;
        });
    },
    settled: () => last,
  };
}

export interface LessonHead {
  readonly as: "spam" | "ham";
  readonly account: string;
}

/** A line of JSON, then the message; whole or not there. */
async function leave(directory: string, head: LessonHead, content: MessageContent): Promise<void> {
  const name = `${Date.now().toString(36)}-${randomBytes(8).toString("hex")}`;
  const unfinished = join(directory, `.${name}`);
  const bytes = await content.read(0, MAX_LESSON_BYTES);
  try {
    await writeFile(unfinished, [Buffer.from(`${JSON.stringify(head)}\n`), bytes], { mode: 0o600 });
    await rename(unfinished, join(directory, `${name}${LESSON}`));
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

async function purposesOf(account: AccountStore): Promise<ReadonlyMap<string, Purpose>> {
  const purposes = new Map<string, Purpose>([
    ["Junk", "junk"],
    ["Trash", "trash"],
  ]);
  for (const { name, specialUse } of await account.list())
    if (specialUse === "\\Junk") purposes.set(name, "junk");
    else if (specialUse === "\\Trash") purposes.set(name, "trash");
  return purposes;
}
