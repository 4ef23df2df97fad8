/** What `mailbox stat | check | rebuild | undelete` answers, in words, a line each. */
import type { OperationAnswer } from "./contract.ts";

/** The actions, with what each does. */
export const mailboxExaminations = {
  stat: {
    operation: "mailbox.stat",
    summary: "mailboxes, messages, sizes, quota, UIDVALIDITY, state of the index",
  },
  check: {
    operation: "mailbox.check",
    summary: "also reads every message, and names what does not fit, with the way out",
  },
  rebuild: { operation: "mailbox.rebuild", summary: "makes the indexes anew; nothing is lost" },
} as const;
export type MailboxExamination = keyof typeof mailboxExaminations;

export function isMailboxExamination(name: string): name is MailboxExamination {
  return Object.hasOwn(mailboxExaminations, name);
}

/** The account, then its mailboxes, then what is wrong. */
export function examinationLines(answer: OperationAnswer<"mailbox.stat">): string[] {
  const { address, bytes, messages, quotaBytes, mailboxes, problems } = answer;
  const limit = quotaBytes > 0 ? ` of ${quotaBytes} (${Math.round((100 * bytes) / quotaBytes)} %)` : "";
  return [
    `${address}: ${messages} messages, ${bytes} bytes${limit}`,
    ...mailboxes.map(
      (box) =>
        `  ${box.name}: ${box.messages} messages, ${box.unseen} unseen, ${box.bytes} bytes, UIDVALIDITY ${box.uidValidity}, ` +
        `UIDNEXT ${box.uidNext}, HIGHESTMODSEQ ${box.highestModSeq}, index ${box.index}`,
    ),
    ...problems.map(
      ({ mailbox, file, reason }) => `! ${mailbox}${file === undefined ? "" : `, ${file}`}: ${reason}`,
    ),
  ];
}

/** What `mailbox undelete` is told on a command line: which messages, and whether they are only to be listed. */
export const undeleteOptions = {
  mailbox: { value: "name", summary: "those that were expunged from this mailbox" },
  since: { value: "date", summary: "those expunged then or later, as 2026-11-26 or 2026-11-26T08:00:00Z" },
  subject: { value: "words", summary: "those whose subject has these words" },
} as const;

/** A line for each message that can be brought back. */
export function expungedLines({ messages }: OperationAnswer<"mailbox.expunged">): string[] {
  if (messages.length === 0) return ["Nothing can be brought back."];
  return messages.map(
    ({ mailbox, expungedAt, bytes, from, subject }) =>
      `${expungedAt}  ${mailbox}  ${bytes} bytes  ${JSON.stringify(from)}  ${JSON.stringify(subject)}`,
  );
}
export function undeletedLines({ mailboxes }: OperationAnswer<"mailbox.undelete">): string[] {
  if (mailboxes.length === 0) return ["Nothing was brought back."];
  return mailboxes.map(
    ({ mailbox, messages }) =>
      `${messages} ${messages === 1 ? "message is" : "messages are"} back in ${mailbox}`,
  );
}
