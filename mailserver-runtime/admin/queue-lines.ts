/**
 * A queue's messages as lines for a terminal, and the words that name them. Pure: the stack's command line and the one on
 * the host say the same.
 */
import type { OperationAnswer, OperationName, OperationRequest } from "./contract.ts";

type Entry = OperationAnswer<"queue.list">["entries"][number];
type Select = OperationRequest<"queue.hold">["select"];

/** What can be done with selected messages: the operation, and what is said of those it was done to. */
export const queueActions = {
  hold: {
    operation: "queue.hold",
    done: "held",
    summary: "leave messages alone until they are released",
  },
  release: { operation: "queue.release", done: "released", summary: "let held messages go" },
  retry: { operation: "queue.retry", done: "tried now", summary: "try messages now" },
  bounce: {
    operation: "queue.bounce",
    done: "returned to their senders",
    summary: "give messages up and tell their senders",
  },
  delete: {
    operation: "queue.delete",
    done: "deleted",
    summary: "take messages out without telling their senders",
  },
} as const satisfies Readonly<Record<string, { operation: OperationName; done: string; summary: string }>>;
export type QueueAction = keyof typeof queueActions;

/** What a person writes: an identifier, a sender or recipient, `<>` for reports, or a recipient's domain. */
export function selectionOf(words: readonly string[]): Select {
  const ids = words.filter((word) => /^[0-9a-z]{9}-[0-9a-f]{10}$/.test(word));
  const addresses = words.filter((word) => word.includes("@"));
  const domains = words.filter((word) => !ids.includes(word) && !word.includes("@") && word !== "<>");
  return {
    ids,
    senders: [...addresses, ...(words.includes("<>") ? [""] : [])],
    recipients: addresses,
    recipientDomains: domains,
  };
}

/** "3 messages held" */
export function countLine(action: QueueAction, count: number): string {
  return `${count === 0 ? "no message" : count === 1 ? "1 message" : `${count} messages`} ${queueActions[action].done}`;
}

export function entryLine(entry: Entry): string {
  const waiting = entry.recipients.filter(({ status }) => status === "waiting" || status === "delivering");
  const named = (waiting.length > 0 ? waiting : entry.recipients).map(({ address }) => address);
  const to =
    named.length > 3 ? `${named.slice(0, 3).join(", ")} and ${named.length - 3} more` : named.join(", ");
  const next = entry.held ? "held" : `next ${new Date(entry.nextAttemptAt).toISOString()}`;
  const why = [
    entry.heldBecause === undefined ? undefined : `held because ${entry.heldBecause}`,
    entry.waitsFor,
    waiting.find(({ lastReply }) => lastReply !== undefined)?.lastReply,
  ].find((reason) => reason !== undefined);
  return `${entry.id}  ${entry.from || "<>"} → ${to}  ${entry.size} bytes, ${entry.attempts} attempts, ${next}${why === undefined ? "" : `\n    ${why}`}`;
}

/** A message with its recipients, headers and transcript. */
export function shownLines({ entry, headers, transcript }: OperationAnswer<"queue.show">): readonly string[] {
  if (entry === undefined) return [];
  return [
    entryLine(entry),
    `  queued ${new Date(entry.queuedAt).toISOString()}${entry.account === undefined ? "" : ` by ${entry.account}`}`,
    ...entry.recipients.map(
      ({ address, status, lastReply }) =>
        `  ${status.padEnd(10)} ${address}${lastReply ? `: ${lastReply}` : ""}`,
    ),
    ...transcript.map((line) => `  | ${line}`),
    ...headers
      .split(/\r?\n/)
      .filter((line) => line !== "")
      .map((line) => `  > ${printable(line)}`),
  ];
}

/** What a sender wrote must not reach the terminal as commands to it. */
const printable = (text: string): string => text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, "\ufffd");
