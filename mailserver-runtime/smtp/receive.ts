/**
 * Takes a message's bytes from the connection, for DATA and BDAT alike: small ones stay in memory, large ones
 * go to a spool file as they arrive. What is refused is still read to its end, without being kept, so that
 * the client hears why; but nobody may go on for ever, nor so slowly that it comes to the same.
 */
import { fullDisk, isFull } from "../disk/full-disk.ts";
import type { MessageContent } from "../message/content.ts";
import { SpoolWriter } from "../message/spooled-content.ts";
import { ConnectionError } from "../net/connection.ts";
import { type DataFault, DataScanner } from "./data-scanner.ts";
import { closing, type Reply, replies } from "./reply.ts";
import type { MessageInProgress, Session, Transaction } from "./session.ts";

const CHUNK = 65_536;
/** Who sends more than this many times the size limit after having been told the limit is not answered any more. */
const OVERSIZE = 8;

const faultReplies: Readonly<Record<DataFault, Reply>> = {
  "bare-lf": replies.bareLf,
  "bare-cr": replies.bareCr,
  "hidden-end": replies.hiddenEnd,
  "line-too-long": replies.longLine,
};

export function beginMessage(session: Session): MessageInProgress {
  return {
    writer: new SpoolWriter(session.services.spool),
    scanner: new DataScanner(session.limits.messageLine),
    received: 0,
    refusal: undefined,
    startedAt: session.now(),
  };
}

/** Reads DATA to its end mark. Throws ConnectionError; nothing is left behind then. */
export async function receiveData(
  session: Session,
  transaction: Transaction,
): Promise<MessageContent | Reply> {
  const message = beginMessage(session);
  const { connection, limits } = session;
  const keep = (piece: Buffer) => {
    if (message.refusal === undefined) message.writer.add(piece);
  };
  try {
    for (;;) {
      const chunk = await connection.readChunk(CHUNK, limits.dataMs);
      const end = message.scanner.scan(chunk, keep);
      message.received += chunk.length;
      if (end !== -1) {
        if (end < chunk.length) connection.unread(chunk.subarray(end));
        break;
      }
      if (message.writer.full || message.received > CHUNK) await settle(session, transaction, message);
      checkPace(session, transaction, message);
    }
  } catch (error) {
    await message.writer.discard();
    throw error;
  }
  checkSize(transaction, message);
  return finishMessage(session, message);
}

/** Reads `size` bytes of BDAT into the message; undefined: reads and forgets them. Throws ConnectionError. */
export async function receiveChunk(
  session: Session,
  size: number,
  transaction: Transaction | undefined,
  message: MessageInProgress | undefined,
): Promise<void> {
  const { connection, limits } = session;
  for (let left = size; left > 0; ) {
    const chunk = await connection.readChunk(Math.min(CHUNK, left), limits.dataMs);
    left -= chunk.length;
    if (transaction === undefined || message === undefined) continue;
    message.received += chunk.length;
    message.scanner.check(chunk);
    if (message.refusal === undefined) message.writer.add(chunk);
    await settle(session, transaction, message);
    checkPace(session, transaction, message);
  }
}

/** The message as it has come, or why it is refused. */
export async function finishMessage(
  session: Session,
  message: MessageInProgress,
): Promise<MessageContent | Reply> {
  const { scanner, writer } = message;
  if (scanner.fault !== undefined && message.refusal === undefined)
    message.refusal = faultReplies[scanner.fault];
  if (scanner.unclearEnd || scanner.fault === "hidden-end")
    session.abuse("smuggling", faultReplies[scanner.fault ?? "hidden-end"]);
  if (message.refusal !== undefined) {
    await writer.discard();
    return scanner.unclearEnd ? closing(message.refusal) : message.refusal;
  }
  try {
    // The scanner has seen every byte: a bare LF would have been refused.
    return await writer.finish("crlf");
  } catch (error) {
    fullDisk.note("Receiving a message", error);
    return storageReply(error);
  }
}

function checkSize(transaction: Transaction, message: MessageInProgress): void {
  if (message.writer.size > transaction.sizeLimit) message.refusal ??= replies.tooLarge;
}
/** Between two chunks: what is refused is dropped, what is too much for memory is written. */
async function settle(session: Session, transaction: Transaction, message: MessageInProgress): Promise<void> {
  const { writer, scanner } = message;
  checkSize(transaction, message);
  if (scanner.fault !== undefined) message.refusal ??= faultReplies[scanner.fault];
  try {
    if (message.refusal !== undefined) await writer.discard();
    else if (writer.full) await writer.relieve();
  } catch (error) {
    fullDisk.note("Receiving a message", error);
    if (!isFull(error))
      session.log.error({ event: "spool-failed", id: transaction.id, err: error }, "cannot spool a message");
    message.refusal = storageReply(error);
    await writer.discard();
  }
}
function checkPace(session: Session, transaction: Transaction, message: MessageInProgress): void {
  const { limits } = session;
  const allowed = limits.messageMs + (message.received / limits.slowestBytesPerSecond) * 1000;
  if (session.now() - message.startedAt > allowed) {
    session.abuse("slow", replies.timeout);
    throw new ConnectionError("timeout", "the message came too slowly");
  }
  if (message.received > OVERSIZE * transaction.sizeLimit + CHUNK)
    throw new ConnectionError("closed", "the client did not stop sending an oversized message");
}
function storageReply(error: unknown): Reply {
  return isFull(error) ? replies.noSpace : replies.storeFailed;
}
