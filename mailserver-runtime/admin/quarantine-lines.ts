/** Quarantined messages as lines for a terminal. Pure: the stack's command line and the one on the host say the same. */
import type { OperationAnswer, OperationName } from "./contract.ts";

type Shown = OperationAnswer<"quarantine.show">;
type Entry = OperationAnswer<"quarantine.list">["entries"][number];

/** What can be done with messages: the operation, and what is said of those it was done to. */
export const quarantineActions = {
  release: {
    operation: "quarantine.release",
    done: "released",
    summary: "deliver messages to those they were meant for",
  },
  learn: {
    operation: "quarantine.learn",
    done: "learnt as ham",
    summary: "teach the filter that messages are no spam",
  },
  delete: { operation: "quarantine.delete", done: "deleted", summary: "delete messages" },
} as const satisfies Readonly<Record<string, { operation: OperationName; done: string; summary: string }>>;
export type QuarantineAction = keyof typeof quarantineActions;
export const isQuarantineAction = (name: string): name is QuarantineAction =>
  Object.hasOwn(quarantineActions, name);

export function quarantineCountLine(action: QuarantineAction, count: number): string {
  const what = count === 0 ? "no message" : count === 1 ? "1 message" : `${count} messages`;
  return `${what} ${quarantineActions[action].done}`;
}
export function quarantinedLine({ id, receivedAt, from, recipients, score, subject, reason }: Entry): string {
  const to = recipients.map(({ original }) => original).join(", ");
  return `${id}  ${receivedAt}  score ${score.toFixed(1)}  <${printable(from)}> to ${printable(to)}  ${JSON.stringify(subject)}  ${printable(reason)}`;
}
/** A message with its envelope, every reason, and its header section. */
export function quarantinedText({ entry, headers }: Shown): readonly string[] {
  if (entry === undefined) return [];
  return [
    quarantinedLine(entry),
    `  from ${entry.client} (${printable(entry.helo)}), ${entry.size} bytes, kept until ${entry.expires}`,
    ...entry.recipients.map(({ kind, address, original }) =>
      printable(
        `  for ${original}${address === original ? "" : ` -> ${address}`}${kind === "forward" ? " (elsewhere)" : ""}`,
      ),
    ),
    ...entry.findings.map(
      ({ score, symbol, reason }) => `  ${score.toFixed(2).padStart(7)}  ${symbol}  ${printable(reason)}`,
    ),
    "",
    ...headers.split(/\r?\n/).map(printable),
  ];
}
/** What came from outside commands no terminal. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\p{Bidi_Control}]/gu, (found) => (found === "\t" ? found : "?"));
}
