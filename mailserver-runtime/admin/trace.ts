/**
 * One message's way through this server, read from its log: by Message-ID, then across every transaction and
 * queue id that the lines about it name. Reads the newest part of the file only, so that a question costs
 * the same on a busy server.
 */
import { open } from "node:fs/promises";
import * as path from "node:path";
import { logFileName } from "../net/pino-log.ts";
import type { Performers } from "./context.ts";

/** The newest bytes of the log that are searched. */
const WINDOW = 16 * 1024 * 1024;
/** Log fields that tie lines to each other. */
const idFields = ["id", "queueId"] as const;

export interface TraceEvent {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Events of every message that `about` names: a Message-ID (with or without angle brackets), a transaction or
 * queue id, a sender or a recipient. In the order of time; empty when the log does not know any (any more).
 */
export async function traceMessage(logDirectory: string, about: string): Promise<TraceEvent[]> {
  const lines = await newestLines(path.join(logDirectory, logFileName));
  const wanted = bare(about);
  const ids = new Set<unknown>();
  const collect = (line: LogLine) => {
    for (const field of idFields) if (line[field] !== undefined) ids.add(line[field]);
  };
  const named = lines.filter((line) => isAbout(line, wanted));
  named.forEach(collect);
  // A relayed message has one Message-ID and several ids: what shares one belongs to it.
  const messageIds = new Set<unknown>(
    named.flatMap(({ messageId }) => (messageId === undefined ? [] : [messageId])),
  );
  lines.filter((line) => messageIds.has(line.messageId)).forEach(collect);
  return lines
    .filter((line) => isAbout(line, wanted) || idFields.some((field) => ids.has(line[field])))
    .map(({ time, event, message, ...fields }) => ({
      at: Number(time),
      event: String(event ?? message ?? ""),
      fields,
    }));
}

type LogLine = Record<string, unknown>;

/** Only lines that carry an id are about a message; logins and configuration are not. */
function isAbout(line: LogLine, wanted: string): boolean {
  if (!idFields.some((field) => line[field] !== undefined)) return false;
  const values = [line.messageId, line.from, line.to, ...idFields.map((field) => line[field])].flat();
  return values.some((value) => typeof value === "string" && bare(value) === wanted);
}
function bare(text: string): string {
  return text.replace(/^<|>$/g, "").toLowerCase();
}

export const traceOperations: Performers<"trace"> = {
  trace: {
    effect: "reads",
    async perform({ about }, context) {
      const events = await traceMessage(context.directories.log, about);
      return { events: events.map(({ at, event, fields }) => ({ at, event, fields: { ...fields } })) };
    },
  },
};

async function newestLines(file: string): Promise<Record<string, unknown>[]> {
  let text: string;
  try {
    await using handle = await open(file, "r");
    const { size } = await handle.stat();
    const start = Math.max(0, size - WINDOW);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
    text = buffer.toString("utf8", 0, bytesRead);
    if (start > 0) text = text.slice(text.indexOf("\n") + 1);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  const lines: Record<string, unknown>[] = [];
  for (const line of text.split("\n")) {
    if (!line.startsWith("{")) continue;
    try {
      lines.push(JSON.parse(line) as Record<string, unknown>);
    } catch {
      // The line that is being written while we read, or what a crash left: it says nothing yet.
    }
  }
  return lines;
}
