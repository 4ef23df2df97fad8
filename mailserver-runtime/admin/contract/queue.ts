/** What waits to be sent. */
import { z } from "zod";

const queueId = z.string().min(1).max(100);
const queueEntry = z.strictObject({
  id: z.string(),
  from: z.string(),
  recipients: z.array(
    z.strictObject({ address: z.string(), status: z.string(), lastReply: z.string().optional() }),
  ),
  size: z.number(),
  /** Milliseconds since the epoch, as `nextAttemptAt`. */
  queuedAt: z.number(),
  nextAttemptAt: z.number(),
  attempts: z.int(),
  held: z.boolean(),
  /** Why it was held as it came. */
  heldBecause: z.string().optional(),
  /** Why it is not tried at the moment: a ceiling, or a receiver that asked for less. */
  waitsFor: z.string().optional(),
  /** The account that submitted it. */
  account: z.string().optional(),
});
/** Messages that any of these names. */
const queueSelection = z.strictObject({
  ids: z.array(queueId).optional(),
  /** Reverse-paths; "" is the null reverse-path. */
  senders: z.array(z.string().max(1000)).optional(),
  recipients: z.array(z.string().max(1000)).optional(),
  recipientDomains: z.array(z.string().max(255)).optional(),
  /** Every message. */
  all: z.boolean().optional(),
});
const queueAction = {
  request: z.strictObject({ select: queueSelection }),
  /** Messages to which something was done. */
  answer: z.strictObject({ count: z.int() }),
};

export const queueOperations = {
  /** Queued messages, oldest first: at most `limit` of `total`. */
  "queue.list": {
    request: z.strictObject({
      select: queueSelection.default({ all: true }),
      limit: z.int().min(1).max(100_000).default(10_000),
    }),
    answer: z.strictObject({ entries: z.array(queueEntry), total: z.int() }),
  },
  /** One queued message: its header section, and a transcript line for each attempt and recipient. */
  "queue.show": {
    request: z.strictObject({ id: queueId }),
    answer: z.strictObject({
      entry: queueEntry.optional(),
      headers: z.string(),
      transcript: z.array(z.string()),
    }),
  },
  /** Leaves messages alone until they are released. */
  "queue.hold": queueAction,
  /** Lets held messages go, whoever or whatever held them. */
  "queue.release": queueAction,
  /** Tries messages now that are not held. */
  "queue.retry": queueAction,
  /** Gives messages up and tells their senders (RFC 3464). */
  "queue.bounce": queueAction,
  /** Takes messages out of the queue without telling their senders. */
  "queue.delete": queueAction,
} as const;
