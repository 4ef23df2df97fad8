/** What one asks of the queue of a running server; its files are the queue's alone, so without a server there is no answer. */
import type { QueueEntry } from "../queue/queue.ts";
import type { AdminContext, LiveServer, Performers } from "./context.ts";
import { OperationError } from "./context.ts";
import type { OperationAnswer } from "./contract.ts";

export const queueOperations: Performers<
  | "queue.list"
  | "queue.show"
  | "queue.hold"
  | "queue.release"
  | "queue.retry"
  | "queue.bounce"
  | "queue.delete"
  | "metrics"
> = {
  "queue.list": {
    effect: "reads",
    async perform({ select, limit }, context) {
      const { entries, total } = await running(context, "list its queue").queue.list(select, limit);
      return { entries: entries.map(told), total };
    },
  },
  "queue.show": {
    effect: "reads",
    async perform({ id }, context) {
      const found = await running(context, "show a queued message").queue.show(id);
      if (found === undefined) return { headers: "", transcript: [] };
      const { headers, transcript } = found;
      return { entry: told(found), headers: headers.toString("utf8"), transcript: [...transcript] };
    },
  },
  "queue.hold": {
    effect: "reads",
    perform: async ({ select }, context) => ({
      count: await running(context, "hold queued messages").queue.hold(select),
    }),
  },
  "queue.release": {
    effect: "reads",
    perform: async ({ select }, context) => ({
      count: await running(context, "release queued messages").queue.release(select),
    }),
  },
  "queue.retry": {
    effect: "reads",
    perform: async ({ select }, context) => ({
      count: await running(context, "retry deliveries").queue.retry(select),
    }),
  },
  "queue.bounce": {
    effect: "reads",
    perform: async ({ select }, context) => ({
      count: await running(context, "bounce queued messages").queue.bounce(select),
    }),
  },
  "queue.delete": {
    effect: "reads",
    perform: async ({ select }, context) => ({
      count: await running(context, "delete queued messages").queue.remove(select),
    }),
  },
  metrics: {
    effect: "reads",
    perform: async (_request, context) => ({ text: running(context, "measure").metrics.text() }),
  },
};

/** Nothing that the queue's own entries may carry besides. */
function told(entry: QueueEntry): OperationAnswer<"queue.list">["entries"][number] {
  const { id, from, size, queuedAt, nextAttemptAt, attempts, held, account, heldBecause, waitsFor } = entry;
  const recipients = entry.recipients.map(({ address, status, lastReply }) => ({
    address,
    status,
    lastReply,
  }));
  return {
    id,
    from,
    recipients,
    size,
    queuedAt,
    nextAttemptAt,
    attempts,
    held,
    account,
    heldBecause,
    waitsFor,
  };
}

function running({ live, directories }: AdminContext, what: string): LiveServer {
  if (live !== undefined) return live;
  throw new OperationError(
    "not-running",
    `no server runs on ${directories.run}, so there is none to ${what}`,
  );
}
