/**
 * The queue as a worker has it: a message is written into the spool here, durable, and the first process, which keeps the
 * schedule, is told of it.
 *
 * It is told of the id before the message has its name in the spool. So it takes on what a worker left there that died
 * before it could say more, and an acknowledged message never waits for the next start.
 */
import type { Log } from "../net/log.ts";
import type { StoredHeader } from "./message-state.ts";
import type { OutboundQueue, Prepared, QueueSubmission } from "./queue.ts";
import { newId, queuedFields, Spool } from "./spool.ts";

/** The queue of the first process, as the writer tells it what happens. */
export interface SpoolKeeper {
  /** A message with this id is being written. */
  announced(id: string): Promise<unknown>;
  /** It is in the spool, and to be sent. */
  queued(id: string): Promise<unknown>;
  /** It could not be written, or was taken back. */
  failed(id: string): Promise<unknown>;
}

export async function openSpoolWriter(
  directory: string,
  keeper: SpoolKeeper,
  log: Log,
): Promise<Pick<OutboundQueue, "enqueue" | "prepare"> & { close(): Promise<void> }> {
  const spool = await Spool.join(directory);
  const prepare = async (submission: QueueSubmission): Promise<Prepared> => {
    const now = Date.now();
    const id = newId(now);
    const giveUp = () => void keeper.failed(id).catch(() => {});
    const takeBack = async () => {
      try {
        await spool.remove(id).durable;
      } finally {
        giveUp();
      }
    };
    const announcing = keeper.announced(id);
    announcing.catch(() => {});
    let header: StoredHeader;
    try {
      header = await spool.write(submission, now, id);
    } catch (error) {
      giveUp();
      throw error;
    }
    try {
      await announcing;
    } catch (error) {
      // The first process is gone: what is refused now must not be found by the next one.
      await takeBack();
      throw error;
    }
    return {
      id,
      commit() {
        log.info(queuedFields(header, submission), "queued");
        keeper
          .queued(id)
          .catch((error: unknown) =>
            log.error({ id, error: String(error) }, "the queue did not take a message on"),
          );
      },
      withdraw: takeBack,
    };
  };
  return {
    prepare,
    async enqueue(submission) {
      const prepared = await prepare(submission);
      prepared.commit();
      return prepared;
    },
    close: () => spool.close(),
  };
}
