/** Takes one message literal off the wire, within APPENDLIMIT (RFC 7889). */
import { fullDisk, isFull } from "../disk/full-disk.ts";
import type { MessageContent } from "../message/content.ts";
import { SpoolWriter } from "../message/spooled-content.ts";
import { ConnectionError } from "../net/connection.ts";
import { FatalError } from "./command-reader.ts";
import { type Completion, no } from "./commands/command.ts";
import type { Session } from "./session.ts";

const NO_ROOM = no("The server's disk has no room for more messages; try again later.", "UNAVAILABLE");

/** Receives the waiting literal, or says why the message is refused; the reader then clears the wire. */
export async function receiveMessage(
  session: Session,
): Promise<{ readonly content: MessageContent } | { readonly refused: Completion }> {
  const { wire, limits, dependencies } = session;
  const literal = wire.literal!;
  if (literal.size > limits.message) {
    return { refused: no(`The message is larger than ${limits.message} bytes.`, "TOOBIG") };
  }
  // A message has at least a header field; an empty one is a client's accident.
  if (literal.size === 0) return { refused: no("The message is empty.", "CANNOT") };
  if (dependencies.hasRoomFor?.(literal.size) === false) return { refused: NO_ROOM };
  const writer = new SpoolWriter(
    dependencies.spool ?? { directory: "", memoryLimit: Number.POSITIVE_INFINITY },
  );
  let nul = false;
  try {
    await wire.receive(async (chunk) => {
      if (!literal.binary && !nul) nul = chunk.includes(0);
      if (nul) return;
      writer.add(chunk);
      if (writer.full) await writer.relieve();
    });
    if (!nul) return { content: await writer.finish() };
  } catch (error) {
    await writer.discard();
    if (error instanceof ConnectionError || error instanceof FatalError) throw error;
    fullDisk.note("Receiving a message", error);
    if (isFull(error)) return { refused: NO_ROOM };
    session.log.error({ event: "spool-failed", err: error }, "an arriving message could not be kept");
    return { refused: no("The message cannot be taken at the moment; try again later.", "UNAVAILABLE") };
  }
  await writer.discard();
  return { refused: no("NUL may come in a binary literal only (RFC 3516).", "CANNOT") };
}
