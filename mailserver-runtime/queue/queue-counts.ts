/** The queue's live figures, for metrics. Totals grow from the start of the process. */
export interface QueueCounts {
  /** Messages on disk, held ones among them. */
  messages: number;
  held: number;
  /** Destinations with mail that is ready or under way. */
  destinations: number;
  connections: number;
  /** Recipients, in total. */
  delivered: number;
  deferred: number;
  failed: number;
  /** Messages, in total. */
  enqueued: number;
  removed: number;
  /** Reports made for senders, in total. */
  reports: number;
  /** Reports of failures among them. */
  bounces: number;
  /** Failed messages from the null reverse-path: nobody is told (RFC 5321 §4.5.5). */
  doubleBounces: number;
  /** Transactions whose connection was lost after the final dot: possible duplicates. */
  uncertain: number;
}

export const zeroCounts = (): QueueCounts => ({
  messages: 0,
  held: 0,
  destinations: 0,
  connections: 0,
  delivered: 0,
  deferred: 0,
  failed: 0,
  enqueued: 0,
  removed: 0,
  reports: 0,
  bounces: 0,
  doubleBounces: 0,
  uncertain: 0,
});
