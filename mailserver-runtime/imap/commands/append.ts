import type { AppendMessage } from "../../store/mail-store.ts";
import { StoreError } from "../../store/mail-store.ts";
import { type Catenated, catenate } from "../catenate.ts";
import type { Cursor } from "../grammar/cursor.ts";
import { parseDateTime } from "../grammar/dates.ts";
import { parseFlagList } from "../grammar/flags.ts";
import { formatSet } from "../grammar/sequence-set.ts";
import { overQuota, withRoom } from "../quota.ts";
import { receiveMessage } from "../receive-message.ts";
import type { Session } from "../session.ts";
import { bad, type Completion, command, loggedIn, no, ok } from "./command.ts";

/** What stands in front of one message. */
export interface MessageOptions {
  readonly flags: readonly string[];
  readonly internalDate: Date | undefined;
  /** `UTF8 (` stood before the literal, so `)` follows it (RFC 6855 §4). */
  readonly wrapped: boolean;
  /** CATENATE stood before the literal: what its parts are is read from here (RFC 4469). */
  readonly parts: Cursor | undefined;
}

/** `[SP flags] [SP date] SP`, up to the literal that the reader has left on the wire. */
export function parseMessageOptions(cursor: Cursor): MessageOptions {
  cursor.space();
  let flags: string[] = [];
  let internalDate: Date | undefined;
  if (cursor.sees("(")) {
    flags = parseFlagList(cursor);
    cursor.space();
  }
  if (cursor.sees('"')) {
    internalDate = parseDateTime(cursor);
    cursor.space();
  }
  if (cursor.atEnd) return { flags, internalDate, wrapped: false, parts: undefined };
  const kind = cursor.keyword();
  if (kind !== "UTF8" && kind !== "CATENATE") cursor.fail("a literal with the message");
  cursor.space();
  cursor.expect("(");
  if (kind === "CATENATE") return { flags, internalDate, wrapped: false, parts: cursor };
  cursor.end();
  return { flags, internalDate, wrapped: true, parts: undefined };
}

/** Behind a message: what has to be closed, and whether another one follows. */
export async function afterMessage(session: Session, options: MessageOptions): Promise<Cursor> {
  const rest = await session.wire.rest();
  if (options.wrapped) rest.expect(")");
  return rest;
}

/** APPEND (RFC 9051 §6.3.12) of one message or several, all or none (RFC 3502); UIDs in the answer. */
export const append = command({
  name: "APPEND",
  states: loggedIn,
  messageAfter: 1,
  parse(cursor, session) {
    cursor.space();
    return { name: session.mailboxName(cursor), first: parseMessageOptions(cursor) };
  },
  async run(session, { name, first }): Promise<Completion> {
    if (!session.wire.literal && !first.parts) return bad("APPEND: expected a literal with the message.");
    const messages: AppendMessage[] = [];
    try {
      // Asked before the literal is let in: a client need not send 10 MB to hear that the name is wrong.
      const missing = await whyNot(session, name);
      if (missing) return missing;
      let bytes = 0;
      let options: MessageOptions = first;
      for (;;) {
        if (messages.length >= session.limits.appendMessages) {
          return no("Too many messages in one APPEND.", "LIMIT");
        }
        bytes += options.parts ? 0 : session.wire.literal!.size;
        const full = await overQuota(session, name, { bytes, messages: messages.length + 1 });
        if (full) return full;
        const received = await receive(session, options);
        if ("refused" in received) return received.refused;
        const { content, rest } = received;
        if (options.parts) bytes += content.size;
        messages.push({ content, flags: options.flags, internalDate: options.internalDate });
        if (rest.atEnd && !session.wire.literal) break;
        options = parseMessageOptions(rest);
        if (!session.wire.literal && !options.parts)
          return bad("APPEND: expected a literal with the message.");
      }
      const growth = { bytes, messages: messages.length };
      return await withRoom(session, name, growth, () => store(session, name, messages));
    } finally {
      for (const { content } of messages) await content.dispose();
    }
  },
});

/** One message, as a literal or put together, and the command from behind it. */
async function receive(session: Session, options: MessageOptions): Promise<Catenated> {
  if (options.parts) return catenate(session, options.parts);
  const received = await receiveMessage(session);
  if ("refused" in received) return received;
  try {
    return { content: received.content, rest: await afterMessage(session, options) };
  } catch (error) {
    await received.content.dispose();
    throw error;
  }
}

/** Why a message cannot go to that mailbox, asked before its literal is let in. */
export async function whyNot(session: Session, name: string): Promise<Completion | undefined> {
  try {
    await session.mail.insertable(name);
    return undefined;
  } catch (error) {
    if (error instanceof StoreError && error.code === "nonexistent") {
      return no("There is no such mailbox; it could be created.", "TRYCREATE");
    }
    throw error;
  }
}

async function store(
  session: Session,
  name: string,
  messages: readonly AppendMessage[],
): Promise<Completion> {
  const mailbox = await session.mail.open(name);
  try {
    const { uids } = await mailbox.appendAll(messages);
    return ok("Stored.", `APPENDUID ${mailbox.uidValidity} ${formatSet(uids)}`);
  } finally {
    mailbox.release();
  }
}
