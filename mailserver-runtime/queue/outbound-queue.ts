/**
 * The outbound queue at work: takes messages, keeps the time, sends them on, tells their senders.
 *
 * What waits stands in an index (message-index.ts). A message that is due begins a round (rounds.ts): it is put before
 * each of its destinations (lanes.ts), whose connections send it (sending.ts).
 *
 * After a crash a round begins again with those recipients that the journal does not settle; a message is delivered twice
 * only where the process died between a server's 2xx to the final dot and its reading that answer, which SMTP cannot
 * avoid (RFC 5321 §6.1).
 */
import { setMaxListeners } from "node:events";
import { domainOf } from "../message/address.ts";
import type { Log } from "../net/log.ts";
import { type Destination, destinationKey, wishOf } from "./destination.ts";
import type { Lane } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import { type Entry, MessageIndex } from "./message-index.ts";
import { type MessageState, type RecipientState, replay } from "./message-state.ts";
import type { QueueOptions } from "./options.ts";
import type { OutboundQueue, QueueEntry, QueueSubmission } from "./queue.ts";
import { type QueueCounts, zeroCounts } from "./queue-counts.ts";
import { Receivers } from "./receivers.ts";
import { Rounds } from "./rounds.ts";
import { type SendingOptions, sendOne } from "./sending.ts";
import { QueueError, Spool } from "./spool.ts";
import { WarmUp } from "./warm-up.ts";

export type { LocalDelivery, QueueOptions } from "./options.ts";

/**
 * Opens the queue. What an earlier process left in it is read and delivered from now on, beside new mail: a server with a
 * full queue is not later at its ports than one with an empty one. `loaded` says when all of it is known.
 */
export async function openQueue(options: QueueOptions): Promise<RunningQueue> {
  const spool = await Spool.open(options.directory);
  const warmUp = await WarmUp.open(options.warmUpFile, options.log);
  return new RunningQueue(options, spool, warmUp, await spool.ids());
}

export class RunningQueue implements OutboundQueue {
  readonly #options: QueueOptions;
  readonly #spool: Spool;
  readonly #log: Log;
  readonly #clock: () => number;
  readonly #index: MessageIndex;
  readonly #lanes: Lanes<Entry>;
  readonly #receivers: Receivers;
  readonly #warmUp: WarmUp;
  readonly #rounds: Rounds;
  readonly #sending: SendingOptions;
  readonly #stop = new AbortController();
  readonly #working = new Set<Promise<unknown>>();
  readonly #counts = zeroCounts();
  #closing = false;

  /** Resolves when what an earlier process left is in the index. */
  readonly loaded: Promise<void>;

  constructor(options: QueueOptions, spool: Spool, warmUp: WarmUp, found: readonly string[]) {
    const { log, clock = Date.now, random = Math.random } = options;
    this.#options = options;
    this.#spool = spool;
    this.#warmUp = warmUp;
    this.#log = log;
    this.#clock = clock;
    const stop = this.#stop.signal;
    // Every connection listens for the end.
    setMaxListeners(0, stop);
    const destinations = (state: MessageState) => this.#destinations(state);
    const onDue = (entry: Entry): void => this.#track(this.#beginRound(entry));
    const index = new MessageIndex({ spool, log, clock, onDue, destinations });
    const shared = { queue: options, spool, index, counts: this.#counts, clock, stop };
    this.#index = index;
    const delivery = () => options.settings().delivery;
    const receivers = new Receivers(delivery, clock);
    this.#receivers = receivers;
    this.#rounds = new Rounds({
      ...shared,
      random,
      destinations,
      report: options.report ?? ((submission) => this.enqueue(submission)),
    });
    this.#sending = {
      ...shared,
      log,
      delivery,
      receivers,
      warmUp,
      overflow: (entry, lane) => this.#overflow(entry, lane),
      destination: (state, recipient) => this.#destination(state, recipient),
      record: (...results) => this.#rounds.record(...results),
    };
    this.#lanes = new Lanes({
      clock,
      ceilings: (name) => receivers.ceilings(name),
      track: (work) => this.#track(work),
      send: async (entry, lane, connection) => {
        try {
          const turn = await sendOne(this.#sending, entry, lane, connection);
          if (turn.kind !== "done") return turn;
        } catch (error) {
          log.error({ id: entry.id, error: String(error) }, "an attempt broke off; the message stays queued");
        }
        await this.#rounds.endDestination(entry);
        return { kind: "done" };
      },
    });
    this.loaded = this.#load([...found]);
    this.#track(this.loaded);
  }

  /** The figures as they are now; the object does not change. */
  counts(): QueueCounts {
    return {
      ...this.#counts,
      messages: this.#index.size,
      held: [...this.#index.entries()].filter((entry) => entry.held).length,
      destinations: this.#lanes.size,
      connections: this.#lanes.connections,
    };
  }

  async enqueue(submission: QueueSubmission): Promise<{ readonly id: string }> {
    if (this.#closing) throw new QueueError("closed", "the queue is closing");
    if (submission.envelope.recipients.length === 0)
      throw new QueueError("no recipients", "a message without recipients cannot be queued");
    const begin = performance.now();
    const header = await this.#spool.write(submission, this.#clock());
    const ms = Math.round((performance.now() - begin) * 10) / 10;
    const { envelope, contentSize, account, id } = header;
    this.#counts.enqueued += 1;
    this.#log.info(
      {
        event: "queued",
        id,
        cause: submission.cause,
        from: envelope.from,
        recipients: envelope.recipients.length,
        size: contentSize,
        account,
        ms,
      },
      "queued",
    );
    const state = replay(header, []);
    const entry = this.#index.admit(state);
    if (entry.dueAt <= this.#clock()) this.#index.keepFresh(entry, state, submission);
    return { id };
  }

  /** Takes on a message that another process of this server has put into the spool; whether it is there. */
  async take(id: string): Promise<boolean> {
    if (this.#closing || this.#index.get(id) !== undefined) return true;
    const state = await this.#spool.state(id);
    if (state === undefined) return false;
    this.#counts.enqueued += 1;
    this.#index.admit(state);
    return true;
  }
  /** The same after the death of the process that was putting it there: it may not have come so far. */
  async recover(id: string): Promise<void> {
    if (!(await this.take(id))) await this.#spool.abandon(id);
  }

  async list(): Promise<readonly QueueEntry[]> {
    const ids = await this.#spool.ids();
    const shown: QueueEntry[] = [];
    for (let at = 0; at < ids.length; at += 16) {
      const batch = await Promise.all(ids.slice(at, at + 16).map((id) => this.show(id)));
      for (const entry of batch) if (entry !== undefined) shown.push(entry);
    }
    return shown;
  }

  #waitsForRelease({ held, heldBecause, header }: MessageState): boolean {
    return heldBecause !== undefined && (held || (header.holdUntil ?? 0) > this.#clock());
  }

  /** One message, with a transcript line for each attempt and recipient. */
  async show(id: string): Promise<(QueueEntry & { readonly transcript: readonly string[] }) | undefined> {
    const entry = this.#index.get(id);
    const state = entry?.state ?? (await this.#spool.state(id));
    if (state === undefined) return undefined;
    const delivering = entry !== undefined && entry.open > 0;
    return {
      id,
      from: state.header.envelope.from,
      recipients: state.recipients.map(({ address, status, last }) => ({
        address,
        status: status === "waiting" && delivering ? "delivering" : status,
        ...(last === undefined ? {} : { lastReply: last.text }),
      })),
      size: state.header.prefixSize + state.header.contentSize,
      queuedAt: state.header.queuedAt,
      nextAttemptAt: entry?.dueAt ?? state.nextAttemptAt,
      attempts: state.attempts,
      held: state.held,
      ...(entry?.waits === undefined ? {} : { waitsFor: entry.waits.why }),
      ...(this.#waitsForRelease(state) ? { heldBecause: state.heldBecause } : {}),
      transcript: state.transcript,
    };
  }

  async retry(id?: string): Promise<number> {
    await this.loaded;
    const entries = id === undefined ? [...this.#index.entries()] : [this.#index.get(id)];
    let count = 0;
    this.#receivers.wake();
    this.#lanes.wake();
    const now = this.#clock();
    for (const entry of entries) {
      if (entry === undefined || entry.held || entry.open > 0) continue;
      if (id === undefined && entry.heldBecause !== undefined && entry.holdUntil > now) continue;
      this.#index.schedule(entry, now);
      count += 1;
    }
    return count;
  }

  hold(id: string): Promise<boolean> {
    return this.#setHeld(id, true);
  }

  release(id: string): Promise<boolean> {
    return this.#setHeld(id, false);
  }

  /** Takes a message out, durably, without telling its sender. One that is being sent right now may still arrive. */
  async remove(id: string): Promise<boolean> {
    await this.loaded;
    const entry = this.#index.get(id);
    if (entry === undefined || !this.#index.drop(entry)) return false;
    this.#counts.removed += 1;
    this.#log.warn({ id }, "removed from the queue by an operator");
    const { there, durable } = this.#spool.remove(id);
    await durable;
    return there;
  }

  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#index.close();
    this.#lanes.close();
    const patience = setTimeout(() => this.#stop.abort(), graceMs);
    while (this.#working.size > 0) await Promise.allSettled([...this.#working]);
    clearTimeout(patience);
    await this.#warmUp.close();
    await this.#spool.close();
  }

  /** Reads the index. Messages that cannot be read are named in the log and left where they are. */
  async #load(ids: string[]): Promise<void> {
    const read = async (id: string): Promise<void> => {
      try {
        const state = await this.#spool.state(id);
        if (state === undefined)
          this.#log.error({ id }, "a file in the queue is no message of ours; left alone");
        else this.#index.admit(state);
      } catch (error) {
        this.#log.error(
          { id, error: String(error) },
          "a queued message cannot be read; left until the next start",
        );
      }
    };
    const readers = Array.from({ length: 8 }, async () => {
      for (let id = ids.shift(); id !== undefined && !this.#closing; id = ids.shift()) await read(id);
    });
    await Promise.all(readers);
  }

  async #setHeld(id: string, held: boolean): Promise<boolean> {
    await this.loaded;
    const entry = this.#index.get(id);
    if (entry === undefined) return false;
    const imposed = entry.heldBecause !== undefined && entry.holdUntil > this.#clock();
    if (entry.held === held && (held || !imposed)) return false;
    entry.held = held;
    if (!held) entry.heldBecause = undefined;
    this.#index.note(entry, { type: "held", held });
    await this.#index.harden(entry);
    if (!held) this.#index.schedule(entry, this.#clock());
    return true;
  }

  /** Puts a message before each of its destinations. */
  async #beginRound(entry: Entry): Promise<void> {
    const { destinations } = entry;
    entry.open = destinations.length + 1;
    entry.waits = undefined;
    for (const destination of destinations) this.#lanes.add(destination, entry);
    await this.#rounds.endDestination(entry);
  }

  /** Sends a message's mail for one domain by the relay that is declared for what is too much. */
  #overflow(entry: Entry, { key, destination }: Lane<Entry>): boolean {
    const relay = this.#options.overflowRelay?.();
    if (relay === undefined || destination.kind !== "mx") return false;
    const { tls, domain } = destination;
    const other: Destination = { kind: "relay", relay, tls };
    entry.redirected = new Map([...entry.redirected, [key, other]]);
    this.#log.info({ event: "warm-up-overflow", id: entry.id, domain, relay: relay.host }, "sent by a relay");
    entry.open += 1;
    this.#lanes.add(other, entry);
    return true;
  }

  /** Each destination of the recipients that wait, once. */
  #destinations(state: MessageState): readonly Destination[] {
    const found = new Map<string, Destination>();
    for (const recipient of state.recipients) {
      if (recipient.status !== "waiting") continue;
      const destination = this.#destination(state, recipient);
      found.set(destinationKey(destination), destination);
    }
    return [...found.values()];
  }

  #destination(state: MessageState, recipient: RecipientState): Destination {
    const domain = domainOf(recipient.address);
    if (this.#options.local?.hosts(domain)) return { kind: "local" };
    const { envelope } = state.header;
    const relay = this.#options.relayFor?.(envelope.from, recipient.address);
    const tls = wishOf(envelope);
    return relay === undefined ? { kind: "mx", domain, tls } : { kind: "relay", relay, tls };
  }

  #track(work: Promise<unknown>): void {
    const tracked = work
      .catch((error: unknown) =>
        this.#log.error({ error: String(error) }, "the queue met an unexpected error"),
      )
      .finally(() => this.#working.delete(tracked));
    this.#working.add(tracked);
  }
}
