/**
 * A *round* takes a message once to each of its destinations. When the last one has ended, the round is closed: senders
 * are told (notices.ts), the message leaves or gets its next time (schedule.ts). What happened is in the journal before
 * anything follows from it.
 */
import type { ReportedRecipient } from "../message/report.ts";
import type { Entry, MessageIndex } from "./message-index.ts";
import {
  applyRecord,
  isSettled,
  type JournalRecord,
  lifeBegan,
  type MessageState,
  type RecipientState,
  type Result,
} from "./message-state.ts";
import { delayNotices, finalNotices } from "./notices.ts";
import type { QueueOptions } from "./options.ts";
import type { QueueSubmission } from "./queue.ts";
import type { QueueCounts } from "./queue-counts.ts";
import { deliveryOf, expiresAt, isLate, nextAttempt } from "./schedule.ts";
import { reportFor } from "./sender-report.ts";
import type { Spool } from "./spool.ts";

/** Attempted again when telling the sender failed, or the spool could not be read. */
const REPAIR_MS = 60_000;

export interface RoundsOptions {
  readonly queue: QueueOptions;
  readonly spool: Spool;
  readonly index: MessageIndex;
  readonly counts: QueueCounts;
  readonly clock: () => number;
  readonly random: () => number;
  readonly stop: AbortSignal;
  readonly destinations: (state: MessageState) => Entry["destinations"];
  /** Takes a report for a message's sender; durable when it resolves. */
  readonly report: (submission: QueueSubmission) => Promise<unknown>;
}

export class Rounds {
  readonly #options: RoundsOptions;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Writes results down, before it returns; whoever dies afterwards does not send again. */
  record(entry: Entry, recipients: readonly RecipientState[], results: readonly Result[]): void {
    const { index, spool, clock, counts, queue } = this.#options;
    const byIndex = Object.fromEntries(recipients.map((each, place) => [each.index, results[place]!]));
    const record: JournalRecord = { type: "attempt", at: clock(), results: byIndex };
    const after = entry.state === undefined ? undefined : applyRecord(entry.state, record);
    // What leaves the queue at once needs no journal: its file's removal says the same.
    if (after !== undefined && isSettled(after) && finalNotices(after).length === 0) {
      spool.leave(entry.id);
      entry.state = after;
    } else index.note(entry, record);
    for (const [place, { address }] of recipients.entries()) {
      const { outcome, status, text, remote, tls } = results[place]!;
      counts[({ delivered: "delivered", temporary: "deferred", permanent: "failed" } as const)[outcome]] += 1;
      queue.log.info(
        { id: entry.id, to: address, remote, tls, outcome, status, reply: text },
        "delivery attempt",
      );
    }
  }

  /** Fails what still waits of a message between rounds, and closes it. @throws {QueueError} */
  async giveUp(entry: Entry, why: string): Promise<void> {
    const { index } = this.#options;
    entry.open = 1;
    const state = await index.stateOf(entry).catch((error: unknown) => {
      entry.open = 0;
      throw error;
    });
    const waiting = (state?.recipients ?? []).filter(({ status }) => status === "waiting");
    const failure: Result = { outcome: "permanent", status: "5.0.0", text: why, replied: false };
    this.record(
      entry,
      waiting,
      waiting.map(() => failure),
    );
    await this.endDestination(entry);
  }

  /** One destination of the round has ended; the last one closes the round. */
  async endDestination(entry: Entry): Promise<void> {
    const { index, clock, stop, queue } = this.#options;
    if (entry.open > 1) {
      entry.open -= 1;
      return;
    }
    try {
      if (!index.has(entry) || this.#putOff(entry)) return;
      await index.harden(entry);
      const state = await index.stateOf(entry);
      if (state !== undefined && !stop.aborted) await this.#close(entry, state);
    } catch (error) {
      queue.log.error({ id: entry.id, error: String(error) }, "a round could not be closed; tried again");
      index.schedule(entry, clock() + REPAIR_MS);
    } finally {
      entry.open = 0;
      index.forget(entry);
    }
  }

  /** Where nothing was tried because nothing was to be tried yet, a message only gets its time. */
  #putOff(entry: Entry): boolean {
    const { index, clock, queue, stop, random } = this.#options;
    if (entry.touched || entry.waits === undefined || stop.aborted) return false;
    const delivery = deliveryOf(entry, queue.settings().delivery);
    const end = expiresAt(delivery, entry.begin);
    const now = clock();
    if (now >= end || (!entry.warned && isLate(delivery, entry.begin, now))) return false;
    // Spread a little: what waited for the same hour or day does not come back in one moment.
    index.schedule(entry, Math.min(end, entry.waits.until + 10_000 * random()));
    return true;
  }

  async #close(entry: Entry, ended: MessageState): Promise<void> {
    const { index, clock, random, counts, queue, spool } = this.#options;
    const now = clock();
    const delivery = deliveryOf(ended.header, queue.settings().delivery);
    const { queuedAt } = ended.header;
    const begin = lifeBegan(ended.header);
    const state = now >= expiresAt(delivery, begin) ? this.#expire(entry, ended) : ended;
    const notices = finalNotices(state);
    if (notices.length > 0) {
      await this.#tell(state, notices);
      const told = state.recipients.filter(({ status }) => status !== "waiting").map(({ index: at }) => at);
      index.note(entry, { type: "reported", recipients: told });
    }
    if (isSettled(state)) {
      if (state.header.envelope.from === "" && state.recipients.some(({ status }) => status === "failed")) {
        counts.doubleBounces += 1;
        queue.log.warn({ event: "double-bounce", id: entry.id }, "a report or reply could not be delivered");
      }
      index.drop(entry);
      spool.leave(entry.id);
      counts.removed += 1;
      queue.log.info({ id: entry.id, seconds: (now - queuedAt) / 1000 }, "finished");
      return;
    }
    if (!state.warned && isLate(delivery, begin, now)) {
      const delayed = delayNotices(state, expiresAt(delivery, begin), entry.waits?.why);
      if (delayed.length > 0) await this.#tell(state, delayed);
      index.note(entry, { type: "warned" });
      entry.warned = true;
    }
    await index.harden(entry);
    entry.destinations = this.#options.destinations(state);
    if (!entry.held) {
      const waiting = state.recipients.filter(({ status }) => status === "waiting");
      const refusals = waiting.flatMap(({ last }) => (last?.outcome === "temporary" ? [last.text] : []));
      const usual = nextAttempt(delivery, begin, state.attempts + 1, now, random(), refusals);
      const at = Math.min(usual, entry.waits?.until ?? usual);
      index.note(entry, { type: "next", at });
      index.schedule(entry, at);
    }
  }

  /** Gives up what still waits (RFC 5321 §4.5.4.1). */
  #expire(entry: Entry, state: MessageState): MessageState {
    const results: Record<string, Result> = {};
    for (const { index, status, last } of state.recipients) {
      if (status !== "waiting") continue;
      const text = `not delivered in time; the last attempt: ${last?.text ?? entry.waits?.why ?? "none"}`;
      results[index] = { outcome: "permanent", status: "4.4.7", text, replied: false, remote: last?.remote };
    }
    if (Object.keys(results).length === 0) return state;
    this.#options.counts.failed += Object.keys(results).length;
    this.#options.index.note(entry, { type: "attempt", at: this.#options.clock(), results });
    return entry.state ?? state;
  }

  /** Tells a message's sender; durable when it resolves. */
  async #tell(state: MessageState, recipients: readonly ReportedRecipient[]): Promise<void> {
    const { queue, clock, counts, spool, report } = this.#options;
    const { id, envelope } = state.header;
    const submission = await reportFor(state, recipients, spool.content(state.header), {
      hostname: queue.settings().hostname,
      now: clock(),
    });
    await report(submission);
    counts.reports += 1;
    if (recipients.some(({ action }) => action === "failed")) counts.bounces += 1;
    queue.log.info({ id, to: envelope.from, actions: recipients.map(({ action }) => action) }, "sender told");
  }
}
