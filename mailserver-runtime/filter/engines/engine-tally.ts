/** What engines were asked and how it ended, for the metrics. */
import type { MetricFamily } from "../../admin/metrics.ts";
import type { EngineFault } from "./engine.ts";

/** How asking one engine about one message ended. */
export interface Asked {
  readonly engine: string;
  readonly outcome: "answered" | "too large" | EngineFault;
  readonly milliseconds: number;
}

export class EngineTally {
  readonly #counts = new Map<string, { engine: string; outcome: string; count: number; seconds: number }>();

  note({ engine, outcome, milliseconds }: Asked): void {
    const key = `${engine} ${outcome}`;
    const row = this.#counts.get(key) ?? { engine, outcome, count: 0, seconds: 0 };
    row.count += 1;
    row.seconds += milliseconds / 1000;
    this.#counts.set(key, row);
  }

  families(): readonly MetricFamily[] {
    const read = (value: (row: { count: number; seconds: number }) => number) => () =>
      [...this.#counts.values()].map((row) => ({
        labels: { engine: row.engine, outcome: row.outcome },
        value: value(row),
      }));
    return [
      {
        name: "mailkeep_engine_messages_total",
        help: "Messages that engines were asked about, by how it ended.",
        type: "counter",
        read: read(({ count }) => count),
      },
      {
        name: "mailkeep_engine_seconds_total",
        help: "Time that engines took, by how it ended.",
        type: "counter",
        read: read(({ seconds }) => seconds),
      },
    ];
  }
}
