/**
 * The quarantine: messages that policy keeps from their recipients, as plain files, until somebody looks or they expire.
 *
 * Each message is two files of one name: `<id>.eml`, the message as it would have been delivered, and `<id>.json`, its
 * envelope and the verdict with every reason. The second is written last: a message without it was never acknowledged.
 * Any process may put a message in (names never meet); only the first one lets them expire. Nothing makes room for
 * another message but time and the administrator: who fills the quarantine must not be able to empty it, so a full one
 * throws `QuarantineFull`, and the sender keeps his message.
 */
import { randomBytes } from "node:crypto";
import { open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { makeDirectory, removeDurably, writeDurably } from "../config/durable-file.ts";
import type { MessageContent } from "../message/content.ts";
import type { Log } from "../net/log.ts";
import { openStored } from "../store/maildir/stored-content.ts";

const finding = z.object({ check: z.string(), symbol: z.string(), score: z.number(), reason: z.string() });
const entrySchema = z.object({
  id: z.string(),
  /** ISO 8601, as `expires`. */
  receivedAt: z.string(),
  expires: z.string(),
  /** Reverse-path as the client gave it. */
  from: z.string(),
  recipients: z.array(
    z.object({
      /** What routing had made of the recipient: an account here, or where an alias leads. */
      kind: z.enum(["account", "forward"]),
      address: z.string(),
      /** What RCPT named. */
      original: z.string(),
    }),
  ),
  smtpUtf8: z.boolean().optional(),
  body: z.enum(["7BIT", "8BITMIME"]).optional(),
  client: z.string(),
  helo: z.string(),
  subject: z.string(),
  /** Why it is here. */
  reason: z.string(),
  score: z.number(),
  findings: z.array(finding),
  size: z.number(),
});
export type QuarantineEntry = z.infer<typeof entrySchema>;

/** A message for the quarantine. */
export interface Detained extends Omit<QuarantineEntry, "id" | "expires" | "size"> {
  /** What stands above the message, without Return-Path. */
  readonly prefix: Buffer;
  readonly content: MessageContent;
}

export interface QuarantineLimits {
  /** Days that a message is kept. */
  readonly days: number;
  /** Of all messages together. */
  readonly maxBytes: number;
  readonly maxMessages: number;
}
export class QuarantineFull extends Error {
  override name = "QuarantineFull";
}

export interface Quarantine {
  /** Keeps a message; durable when it resolves with its id. @throws {QuarantineFull}, and what the file system throws */
  detain(message: Detained): Promise<string>;
  /** Oldest first; files that are not understood are left out, and named in the log. */
  list(): Promise<readonly QuarantineEntry[]>;
  find(id: string): Promise<QuarantineEntry | undefined>;
  /** The message's bytes; whoever asked disposes of them. @throws what the file system throws */
  content(entry: QuarantineEntry): Promise<MessageContent>;
  /** Whether there was one. */
  remove(id: string): Promise<boolean>;
  /** Deletes what has expired and what was never finished; the number of messages. */
  expire(): Promise<number>;
}

const DAY_MS = 86_400_000;
/** What is older and has no envelope was left by a process that died before its 250. */
const UNFINISHED_MS = 3_600_000;
/** How long a count of all files is believed. */
const COUNT_MS = 30_000;
const ID = /^[0-9a-z]{8,12}-[0-9a-f]{12}$/;

export interface QuarantineOptions {
  readonly directory: string;
  readonly limits: () => QuarantineLimits;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

export function openQuarantine({ directory, limits, log, clock = Date.now }: QuarantineOptions): Quarantine {
  let counted = { at: Number.NEGATIVE_INFINITY, bytes: 0, messages: 0 };
  const messageFile = (id: string) => join(directory, `${id}.eml`);
  const entryFile = (id: string) => join(directory, `${id}.json`);

  /** What lies there: counted anew now and then, since other processes put messages in as well. */
  async function count(): Promise<typeof counted> {
    if (clock() - counted.at < COUNT_MS) return counted;
    let bytes = 0;
    let messages = 0;
    for (const name of await names(directory)) {
      if (!name.endsWith(".eml")) continue;
      messages += 1;
      bytes += (await stat(join(directory, name)).catch(() => undefined))?.size ?? 0;
    }
    counted = { at: clock(), bytes, messages };
    return counted;
  }

  async function find(id: string): Promise<QuarantineEntry | undefined> {
    if (!ID.test(id)) return undefined;
    const text = await readFile(entryFile(id), "utf8").catch(absent);
    if (text === undefined) return undefined;
    try {
      return { ...entrySchema.parse(JSON.parse(text)), id };
    } catch (error) {
      log.error(
        { event: "quarantine-damaged", file: entryFile(id), reason: String(error) },
        "an entry of the quarantine is damaged; its message lies beside it",
      );
      return undefined;
    }
  }

  async function remove(id: string): Promise<boolean> {
    if (!ID.test(id)) return false;
    // The envelope first: a message without one is nobody's, and swept away.
    const was = await removeDurably(entryFile(id));
    await rm(messageFile(id), { force: true });
    counted.at = Number.NEGATIVE_INFINITY;
    return was;
  }

  return {
    find,
    remove,
    async detain({ prefix, content, ...message }) {
      const { days, maxBytes, maxMessages } = limits();
      const size = prefix.length + content.size;
      const now = await count();
      if (now.messages >= maxMessages || now.bytes + size > maxBytes)
        throw new QuarantineFull(
          `the quarantine ${directory} holds ${now.messages} messages of ${now.bytes} bytes, and its limit is ${maxMessages} messages or ${maxBytes} bytes: release or delete some, or raise quarantine.maxBytes or quarantine.maxMessages`,
        );
      now.messages += 1;
      now.bytes += size;
      const id = `${clock().toString(36)}-${randomBytes(6).toString("hex")}`;
      await makeDirectory(directory, 0o700);
      try {
        await writeMessage(messageFile(id), prefix, content);
        const expires = new Date(clock() + days * DAY_MS).toISOString();
        // Syncs the directory, and with it the name of the message.
        await writeDurably(entryFile(id), `${JSON.stringify({ id, expires, size, ...message }, null, 1)}\n`);
      } catch (error) {
        await rm(messageFile(id), { force: true });
        throw error;
      }
      return id;
    },
    async list() {
      const ids = (await names(directory)).flatMap((name) => /^(.*)\.json$/.exec(name)?.[1] ?? []);
      const entries: QuarantineEntry[] = [];
      for (const id of ids.sort()) {
        const entry = await find(id);
        if (entry !== undefined) entries.push(entry);
      }
      return entries;
    },
    content: ({ id, size }) => openStored(messageFile(id), size),
    async expire() {
      let expired = 0;
      const there = await names(directory);
      const known = new Set(there);
      for (const name of there) {
        const [, id, kind] = /^(.*)\.(eml|json)$/.exec(name) ?? [];
        if (id === undefined || !ID.test(id)) continue;
        if (kind === "json") {
          const entry = await find(id);
          if (entry === undefined || Date.parse(entry.expires) > clock()) continue;
          if (!(await remove(id))) continue;
          expired += 1;
          const { from, recipients, score } = entry;
          const to = recipients.map(({ address }) => address);
          log.info({ event: "quarantine-expired", id, from, to, score }, "a quarantined message has expired");
        } else if (!known.has(`${id}.json`)) {
          const written = (await stat(messageFile(id)).catch(absent))?.mtimeMs ?? Number.POSITIVE_INFINITY;
          if (clock() - written > UNFINISHED_MS) await rm(messageFile(id), { force: true });
        }
      }
      return expired;
    },
  };
}

async function writeMessage(path: string, prefix: Buffer, content: MessageContent): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(prefix);
    for await (const chunk of content.chunks()) await file.writeFile(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function names(directory: string): Promise<readonly string[]> {
  return (await readdir(directory).catch(absent)) ?? [];
}
function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
  throw error;
}
