/**
 * The queue as a worker has it: a message is written into the spool here, durable, and the first process, which keeps the
 * schedule, is told of it.
 *
 * It is told of the id before the message has its name in the spool. So it takes on what a worker left there that died
 * before it could say more, and an acknowledged message never waits for the next start.
 */
import type { Log } from "../net/log.ts";
import type { OutboundQueue, QueueSubmission } from "./queue.ts";
import { newId, QueueError, Spool } from "./spool.ts";

/** The queue of the first process, as the writer tells it what happens. */
export interface SpoolKeeper {
  /** A message with this id is being written. */
  announced(id: string): Promise<unknown>;
  /** It is in the spool. */
  queued(id: string): Promise<unknown>;
  /** It could not be written. */
  failed(id: string): Promise<unknown>;
  /** Asks to take a message back; whether it was there. */
  remove(id: string): Promise<boolean>;
}

export async function openSpoolWriter(
  directory: string,
  keeper: SpoolKeeper,
  log: Log,
): Promise<Pick<OutboundQueue, "enqueue" | "remove">> {
  const spool = await Spool.join(directory);
  /** Messages that the queue is being told of. */
  const telling = new Map<string, Promise<void>>();
  return {
    async enqueue(submission: QueueSubmission) {
      const { envelope, account } = submission;
      if (envelope.recipients.length === 0)
        throw new QueueError("no recipients", "a message without recipients cannot be queued");
      const now = Date.now();
      const id = newId(now);
      const announcing = keeper.announced(id);
      try {
        const { contentSize } = await spool.write(submission, now, id);
        await announcing;
        const { from, recipients } = envelope;
        log.info(
          {
            event: "queued",
            id,
            cause: submission.cause,
            from,
            recipients: recipients.length,
            size: contentSize,
            account,
          },
          "queued",
        );
      } catch (error) {
        keeper.failed(id).catch(() => {});
        announcing.catch(() => {});
        throw error;
      }
      const told = keeper
        .queued(id)
        .then(
          () => {},
          (error: unknown) => log.error({ id, error: String(error) }, "the queue did not take a message on"),
        )
        .finally(() => telling.delete(id));
      telling.set(id, told);
      return { id };
    },
    async remove(id) {
      // Who is asked to forget a message must have taken it on, or would do so afterwards.
      await telling.get(id);
      return keeper.remove(id);
    },
  };
}
