/**
 * One message's way through this server, read from its log: from a Message-ID, an id, a sender or a recipient to every
 * transaction and queue id that belongs to the same message. A forward, a report to its sender and a copy that had to wait
 * in the queue name in `cause` what they come from; a message that passes through the server twice keeps its Message-ID.
 *
 * The newest part of the log answers most questions. Older and packed files are read where that part knows nothing of
 * what was asked, or not how it began.
 */
import type { Performers } from "./context.ts";
import { type LogFile, linesOf, logFiles } from "./log-files.ts";
import { traceText } from "./trace-text.ts";

/** The newest bytes of the log that are read at first. */
const NEWEST = 16 * 1024 * 1024;
/** And at most, packed files counted by their text. */
const MOST = 256 * 1024 * 1024;
/** Messages told of one question, the newest. */
const MOST_MESSAGES = 50;
/** Lines kept of one question. */
const MOST_LINES = 20_000;
/** Log fields that tie lines to each other. */
const idFields = ["id", "queueId", "cause"] as const;
/** How a message begins here. */
const BEGINNINGS: ReadonlySet<unknown> = new Set(["accepted", "submitted", "refused"]);

export interface TraceEvent {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}
type LogLine = Record<string, unknown>;

/** The events of every message that `about` names, a message after the other, each in the order of time. */
export async function traceMessages(
  logDirectory: string,
  about: string,
): Promise<readonly (readonly TraceEvent[])[]> {
  const files = await logFiles(logDirectory);
  const newest = await messagesIn(files.slice(0, 1), NEWEST, about);
  const known = newest.length > 0 && newest.every(begins);
  // Whose mail it is says nothing of how much of it there is: one message is no answer to that.
  const enough =
    known && (!/^[^<].*@/.test(about) || newest.length >= MOST_MESSAGES || isMessageId(newest, about));
  const found = enough ? newest : await messagesIn(files, MOST, about);
  return found.slice(-MOST_MESSAGES).map((lines) => lines.map(eventOf));
}

/** The events of all messages in the order of time. */
export async function traceMessage(logDirectory: string, about: string): Promise<TraceEvent[]> {
  return (await traceMessages(logDirectory, about)).flat().sort((a, b) => a.at - b.at);
}

async function messagesIn(files: readonly LogFile[], limit: number, about: string): Promise<LogLine[][]> {
  const wanted = bare(about);
  const ids = new Set<string>();
  const messageIds = new Set<string>();
  let lines: LogLine[] = [];
  // Each pass may find ids that tie further lines; a way through forwards and reports is a few steps long.
  for (let before = -1; before !== ids.size + messageIds.size && ids.size < MOST_LINES; ) {
    before = ids.size + messageIds.size;
    lines = [];
    const words = [wanted, ...[...ids, ...messageIds].slice(0, MOST_LINES)];
    const mayMatter = someOf(words);
    for await (const line of matching(files, limit, mayMatter)) {
      const own = idsOf(line);
      const { messageId } = line;
      const mine =
        isAbout(line, wanted) ||
        own.some((id) => ids.has(id)) ||
        (typeof messageId === "string" && messageIds.has(bare(messageId)));
      if (!mine) continue;
      if (lines.length < MOST_LINES) lines.push(line);
      for (const id of own) ids.add(id);
      if (typeof messageId === "string" && messageId !== "") messageIds.add(bare(messageId));
    }
  }
  return apart(lines.sort((a, b) => Number(a.time) - Number(b.time)));
}

/** Lines that may matter, parsed; only those that carry an id are about a message. */
async function* matching(
  files: readonly LogFile[],
  limit: number,
  mayMatter: (line: string) => boolean,
): AsyncGenerator<LogLine> {
  let left = limit;
  for (const file of files) {
    for await (const text of linesOf(file, left)) {
      left -= text.length + 1;
      if (!text.startsWith("{") || !mayMatter(text)) continue;
      const line = parsed(text);
      if (line !== undefined && idsOf(line).length > 0) yield line;
    }
    if (left <= 0) return;
  }
}

/** A test for any of the words, without regard to case. */
function someOf(words: readonly string[]): (line: string) => boolean {
  if (words.length > 200) return () => true;
  const pattern = words
    .map((word) => JSON.stringify(word).slice(1, -1))
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("|");
  const expression = new RegExp(pattern, "i");
  return (line) => expression.test(line);
}

/** Lines of each message together, in the order in which the messages began. */
function apart(lines: readonly LogLine[]): LogLine[][] {
  const groupOf = new Map<string, LogLine[]>();
  for (const line of lines) {
    const keys = keysOf(line);
    const groups = [...new Set(keys.map((key) => groupOf.get(key)))].filter((one) => one !== undefined);
    const group = groups[0] ?? [];
    for (const other of groups.slice(1)) group.push(...other);
    group.push(line);
    const all = groups.length > 1 ? group.flatMap(keysOf) : keys;
    for (const key of all) groupOf.set(key, group);
  }
  const groups = [...new Set(groupOf.values())];
  for (const group of groups) group.sort((a, b) => Number(a.time) - Number(b.time));
  return groups.sort((a, b) => Number(a[0]?.time) - Number(b[0]?.time));
}

function keysOf(line: LogLine): string[] {
  const { messageId } = line;
  const keys = idsOf(line).map((id) => `id ${id}`);
  return typeof messageId === "string" && messageId !== "" ? [...keys, `message ${bare(messageId)}`] : keys;
}

const begins = (lines: readonly LogLine[]): boolean => lines.some(({ event }) => BEGINNINGS.has(event));

const isMessageId = (messages: readonly (readonly LogLine[])[], about: string): boolean =>
  messages.every((lines) =>
    lines.some(({ messageId }) => typeof messageId === "string" && bare(messageId) === bare(about)),
  );

function isAbout(line: LogLine, wanted: string): boolean {
  const { messageId, from, to, forwards, copies } = line;
  return [messageId, from, to, forwards, copies, ...idsOf(line)]
    .flat()
    .some((value) => typeof value === "string" && bare(value) === wanted);
}
function idsOf(line: LogLine): string[] {
  return idFields.flatMap((field) => {
    const value = line[field];
    return typeof value === "string" ? [value] : [];
  });
}
function bare(text: string): string {
  return text.trim().replace(/^<|>$/g, "").toLowerCase();
}
function parsed(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    // The line that is being written while we read, or what a crash left: it says nothing yet.
    return undefined;
  }
}
function eventOf({ time, event, message, ...fields }: LogLine): TraceEvent {
  return { at: Number(time), event: String(event ?? message ?? ""), fields };
}

export const traceOperations: Performers<"trace"> = {
  trace: {
    effect: "reads",
    async perform({ about }, context) {
      const messages = await traceMessages(context.directories.log, about);
      const events = messages
        .flat()
        .sort((a, b) => a.at - b.at)
        .map(({ at, event, fields }) => ({ at, event, fields: { ...fields } }));
      return { events, lines: [...traceText(messages)] };
    },
  },
};
