/**
 * Mail that leaves unsigned although its domain is here: counted by domain for the metrics, and told in the log, at most once an
 * hour for each domain, since receivers that want DMARC to pass refuse it or put it to spam.
 */
import type { MetricFamily } from "../admin/metrics.ts";
import type { Log } from "../net/log.ts";

const AGAIN_MS = 3_600_000;

export class UnsignedTally {
  readonly #counts = new Map<string, number>();
  readonly #told = new Map<string, number>();
  readonly #log: Log;
  readonly #clock: () => number;

  constructor(log: Log, clock: () => number = Date.now) {
    this.#log = log;
    this.#clock = clock;
  }

  /** A message of this domain could not be signed. Only domains that are here are told of, so the list is bounded. */
  note(domain: string): void {
    const count = (this.#counts.get(domain) ?? 0) + 1;
    this.#counts.set(domain, count);
    const now = this.#clock();
    if (now - (this.#told.get(domain) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return;
    this.#told.set(domain, now);
    this.#log.warn(
      { event: "unsigned", domain, messages: count },
      "mail of a domain here leaves unsigned: it has no DKIM key that can be used",
    );
  }

  family(): MetricFamily {
    return {
      name: "mailkeep_unsigned_messages_total",
      help: "Messages of domains here that no DKIM key could sign, by domain.",
      type: "counter",
      read: () => [...this.#counts].map(([domain, value]) => ({ labels: { domain }, value })),
    };
  }
}
