/**
 * The queue as a worker has it: a message is written into the spool here, durable, and the first process, which keeps the
 * schedule, is told its id. Should that one end before it hears, it reads the spool at its next start.
 */
import type { Log } from "../net/log.ts";
import type { OutboundQueue, QueueSubmission } from "./queue.ts";
import { QueueError, Spool } from "./spool.ts";

export interface SpoolWriterOptions {
  readonly directory: string;
  /** Tells the queue that a message is in its spool. */
  readonly queued: (id: string) => Promise<unknown>;
  /** Asks the queue to take a message back; whether it was there. */
  readonly remove: (id: string) => Promise<boolean>;
  readonly log: Log;
}

export async function openSpoolWriter(
  options: SpoolWriterOptions,
): Promise<Pick<OutboundQueue, "enqueue" | "remove">> {
  const spool = await Spool.join(options.directory);
  /** Messages that the queue is being told of. */
  const telling = new Map<string, Promise<void>>();
  return {
    async enqueue(submission: QueueSubmission) {
      const { recipients, from } = submission.envelope;
      if (recipients.length === 0)
        throw new QueueError("no recipients", "a message without recipients cannot be queued");
      const { id, contentSize } = await spool.write(submission, Date.now());
      const { account } = submission;
      options.log.info({ id, from, recipients: recipients.length, size: contentSize, account }, "queued");
      const told = options
        .queued(id)
        .then(
          () => {},
          (error: unknown) =>
            options.log.error({ id, error: String(error) }, "the queue hears of a message at its next start"),
        )
        .finally(() => telling.delete(id));
      telling.set(id, told);
      return { id };
    },
    async remove(id) {
      // Who is asked to forget a message must have heard of it, or would take it on afterwards.
      await telling.get(id);
      return options.remove(id);
    },
  };
}
