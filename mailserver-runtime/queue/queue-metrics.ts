/** The queue's rows of the metrics (admin/metrics.ts). */
import type { MetricFamily } from "../admin/metrics.ts";
import { destinationName } from "./destination.ts";
import type { Entry } from "./message-index.ts";
import type { QueueCounts } from "./queue-counts.ts";

/** Destinations with a row of their own; the rest is one row. */
const TOP = 20;

export interface MeasuredQueue {
  counts(): QueueCounts;
  entries(): Iterable<Pick<Entry, "held" | "open" | "dueAt" | "destinations" | "heldBecause" | "holdUntil">>;
}

/** Gauges are counted when they are asked for. `clock` is in milliseconds. */
export function queueMetrics(queue: MeasuredQueue, clock: () => number): readonly MetricFamily[] {
  const counter = (name: string, help: string, key: keyof QueueCounts): MetricFamily => ({
    name: `mailkeep_queue_${name}_total`,
    help,
    type: "counter",
    read: () => [{ value: queue.counts()[key] }],
  });
  return [
    {
      name: "mailkeep_queue_messages",
      help: "Messages in the outbound queue, by state.",
      type: "gauge",
      read: () => byState(queue, clock()),
    },
    {
      name: "mailkeep_queue_deferred",
      help: `Messages that wait for a later attempt, by destination: the ${TOP} with the most, and the rest.`,
      type: "gauge",
      read: () => byDestination(queue, clock()),
    },
    {
      name: "mailkeep_queue_connections",
      help: "Connections to other servers that are open or being opened.",
      type: "gauge",
      read: () => [{ value: queue.counts().connections }],
    },
    {
      name: "mailkeep_queue_deliveries_total",
      help: "Attempts for a recipient, by outcome.",
      type: "counter",
      read: () => {
        const { delivered, deferred, failed } = queue.counts();
        return Object.entries({ delivered, temporary: deferred, permanent: failed }).map(
          ([outcome, value]) => ({ labels: { outcome }, value }),
        );
      },
    },
    counter("enqueued", "Messages taken into the queue.", "enqueued"),
    counter("removed", "Messages that left the queue.", "removed"),
    counter("reports", "Reports made for senders (RFC 3464).", "reports"),
    counter("bounces", "Reports of failures among them.", "bounces"),
    counter(
      "double_bounces",
      "Failures of messages from the null reverse-path, told nobody.",
      "doubleBounces",
    ),
    counter(
      "uncertain",
      "Transactions whose connection was lost after the final dot (RFC 1047).",
      "uncertain",
    ),
  ];
}

function byState(queue: MeasuredQueue, now: number) {
  const states = { active: 0, due: 0, deferred: 0, held: 0 };
  for (const entry of queue.entries()) states[stateOf(entry, now)] += 1;
  return Object.entries(states).map(([state, value]) => ({ labels: { state }, value }));
}

function byDestination(queue: MeasuredQueue, now: number) {
  const found = new Map<string, number>();
  for (const entry of queue.entries()) {
    if (stateOf(entry, now) !== "deferred") continue;
    for (const name of new Set(entry.destinations.map(destinationName)))
      found.set(name, (found.get(name) ?? 0) + 1);
  }
  const sorted = [...found].sort(([, a], [, b]) => b - a);
  const rest = sorted.slice(TOP).reduce((sum, [, value]) => sum + value, 0);
  const rows = sorted.slice(0, TOP).map(([destination, value]) => ({ labels: { destination }, value }));
  return rest === 0 ? rows : [...rows, { labels: { destination: "" }, value: rest }];
}

function stateOf(
  entry: Pick<Entry, "held" | "open" | "dueAt" | "heldBecause" | "holdUntil">,
  now: number,
): "active" | "due" | "deferred" | "held" {
  if (entry.held || (entry.heldBecause !== undefined && entry.holdUntil > now)) return "held";
  if (entry.open > 0) return "active";
  return entry.dueAt <= now ? "due" : "deferred";
}
