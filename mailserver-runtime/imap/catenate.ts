/**
 * CATENATE (RFC 4469): a message put together of literals and of parts of messages that are here already, named
 * by URLs; so a draft's attachment need not travel again.
 */
import type { MessageContent } from "../message/content.ts";
import { SpoolWriter } from "../message/spooled-content.ts";
import { ConnectionError } from "../net/connection.ts";
import { positionOf, StoreError } from "../store/mail-store.ts";
import { FatalError } from "./command-reader.ts";
import { type Completion, no } from "./commands/command.ts";
import { FetchMessage, Need } from "./fetch/fetch-message.ts";
import { findSection, sectionNeeds } from "./fetch/section.ts";
import { type Cursor, GrammarError } from "./grammar/cursor.ts";
import { type MessageUrl, parseMessageUrl } from "./grammar/imap-url.ts";
import { Selected } from "./selected.ts";
import type { Session } from "./session.ts";

/** Parts of one message at most. */
const MAX_PARTS = 500;
const MAX_URL = 4096;

export type Catenated =
  | { readonly content: MessageContent; readonly rest: Cursor }
  | { readonly refused: Completion };

/** Reads the list behind CATENATE, from behind its "(", and puts the message together. Throws GrammarError. */
export async function catenate(session: Session, from: Cursor): Promise<Catenated> {
  const writer = new SpoolWriter(
    session.dependencies.spool ?? { directory: "", memoryLimit: Number.POSITIVE_INFINITY },
  );
  try {
    const read = await readParts(session, from, writer);
    if ("refused" in read) {
      await writer.discard();
      return read;
    }
    if (writer.size === 0) {
      await writer.discard();
      return { refused: no("The message is empty.", "CANNOT") };
    }
    return { content: await writer.finish(), rest: read.rest };
  } catch (error) {
    await writer.discard();
    if (isTheClients(error)) throw error;
    session.log.error({ event: "spool-failed", err: error }, "an arriving message could not be kept");
    return { refused: no("The message cannot be taken at the moment; try again later.", "UNAVAILABLE") };
  }
}

const isTheClients = (error: unknown) =>
  error instanceof ConnectionError ||
  error instanceof FatalError ||
  error instanceof GrammarError ||
  error instanceof StoreError;

async function readParts(
  session: Session,
  from: Cursor,
  writer: SpoolWriter,
): Promise<{ readonly rest: Cursor } | { readonly refused: Completion }> {
  const { wire } = session;
  let cursor = from;
  for (let parts = 1; parts <= MAX_PARTS; parts += 1) {
    const kind = cursor.keyword();
    cursor.space();
    if (kind === "TEXT") {
      if (!cursor.atEnd || !wire.literal) throw new GrammarError("expected a literal behind TEXT");
      const refused = await addText(session, writer);
      if (refused) return { refused };
      cursor = await wire.rest();
    } else if (kind === "URL") {
      const read = await readUrl(session, cursor);
      cursor = read.rest;
      const refused = await addUrl(session, read.url, writer);
      if (refused) return { refused };
    } else throw new GrammarError("a message is made of TEXT and URL");
    if (cursor.take(")")) return { rest: cursor };
    cursor.space();
  }
  return { refused: no("The message is made of too many parts.", "LIMIT") };
}

async function readUrl(
  session: Session,
  cursor: Cursor,
): Promise<{ readonly url: string; readonly rest: Cursor }> {
  const { wire } = session;
  if (!cursor.atEnd) return { url: cursor.astring().toString("utf8"), rest: cursor };
  if (!wire.literal || wire.literal.size > MAX_URL) throw new GrammarError("expected a URL");
  const pieces: Buffer[] = [];
  await wire.receive(async (chunk) => void pieces.push(Buffer.from(chunk)));
  return { url: Buffer.concat(pieces).toString("utf8"), rest: await wire.rest() };
}

async function addText(session: Session, writer: SpoolWriter): Promise<Completion | undefined> {
  const { wire, limits } = session;
  const { size, binary } = wire.literal!;
  if (writer.size + size > limits.message) return tooBig(limits.message);
  let nul = false;
  await wire.receive(async (chunk) => {
    nul ||= !binary && chunk.includes(0);
    if (!nul) await add(writer, chunk);
  });
  return nul ? no("NUL may come in a binary literal only (RFC 3516).", "CANNOT") : undefined;
}

async function add(writer: SpoolWriter, chunk: Buffer): Promise<void> {
  writer.add(chunk);
  if (writer.full) await writer.relieve();
}

const tooBig = (limit: number) => no(`The message is larger than ${limit} bytes.`, "TOOBIG");

/** Adds what a URL names, or says that it names nothing the user may read (RFC 4469 §3). */
async function addUrl(session: Session, text: string, writer: SpoolWriter): Promise<Completion | undefined> {
  const badUrl = no("That URL names nothing here.", `BADURL "${text.replace(/[^\x20-\x7e]|["\\]/g, "?")}"`);
  const url = parseMessageUrl(text);
  if (!url || !isOurs(session, url)) return badUrl;
  try {
    return (await addPart(session, url, writer)) ?? undefined;
  } catch (error) {
    if (error instanceof StoreError && error.code !== "unavailable" && error.code !== "no-space")
      return badUrl;
    throw error;
  }

  async function addPart(
    { mail, limits }: Session,
    { mailbox: name, uidValidity, uid, section, partial }: MessageUrl,
    into: SpoolWriter,
  ): Promise<Completion | undefined> {
    const mailbox = await mail.openToRead(name);
    try {
      if (uidValidity !== undefined && uidValidity !== mailbox.uidValidity) return badUrl;
      const box = new Selected(mailbox, true);
      const position = positionOf(box.known, uid);
      if (position < 0) return badUrl;
      const message = new FetchMessage(box, position);
      try {
        await message.load(sectionNeeds(section) | Need.Content);
        const found = await findSection(message, section);
        if (!found) return badUrl;
        const whole =
          found.kind === "range" ? found.end - found.start : Buffer.concat([...found.pieces]).length;
        const start = Math.min(whole, partial?.start ?? 0);
        const end = Math.min(whole, start + (partial?.length ?? whole));
        if (into.size + end - start > limits.message) return tooBig(limits.message);
        if (found.kind === "pieces") await add(into, Buffer.concat([...found.pieces]).subarray(start, end));
        else {
          for await (const chunk of message.content!.chunks(found.start + start, found.start + end))
            await add(into, Buffer.from(chunk));
        }
        return undefined;
      } finally {
        await message.dispose();
      }
    } finally {
      mailbox.release();
    }
  }
}

/** An absolute URL must be of this server and this user. */
function isOurs(session: Session, { host, user }: MessageUrl): boolean {
  const { hostname } = session.dependencies;
  const isHere = host === undefined || host.replace(/:\d+$/, "").toLowerCase() === hostname.toLowerCase();
  return isHere && (user === undefined || user.toLowerCase() === session.mail.address);
}
