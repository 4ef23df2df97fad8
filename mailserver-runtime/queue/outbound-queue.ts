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
import { QueueOperator } from "./operator.ts";
import type { QueueOptions } from "./options.ts";
import type { OutboundQueue, Prepared, QueueSubmission } from "./queue.ts";
import { type QueueCounts, zeroCounts } from "./queue-counts.ts";
import { Receivers } from "./receivers.ts";
import { RestingSessions } from "./resting-sessions.ts";
import { Rounds } from "./rounds.ts";
import { type SendingOptions, sendOne } from "./sending.ts";
import { SourceAddresses } from "./source-addresses.ts";
import { QueueError, queuedFields, Spool } from "./spool.ts";
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
  readonly #warmUp: WarmUp;
  readonly #rounds: Rounds;
  readonly #sending: SendingOptions;
  readonly #stop = new AbortController();
  readonly #working = new Set<Promise<unknown>>();
  /** End the wait for word about a prepared message. */
  readonly #undecided = new Set<() => void>();
  readonly #counts = zeroCounts();
  #closing = false;

  /** What an operator may see and do. */
  readonly operator: QueueOperator;
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
      sources: new SourceAddresses({ resolver: options.resolver, clock }),
      sessions: new RestingSessions(),
      overflow: (entry, lane) => this.#overflow(entry, lane),
      destination: (state, recipient) => this.#destination(state, recipient),
      record: (...results) => this.#rounds.record(...results),
    };
    this.#lanes = new Lanes({
      clock,
      ceilings: (name) => receivers.ceilings(name),
      rest: (session) => this.#sending.sessions.rest(session),
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
    this.operator = new QueueOperator({
      ...shared,
      log,
      rounds: this.#rounds,
      loaded: () => this.loaded,
      wake: () => {
        receivers.wake();
        this.#lanes.wake();
      },
    });
    this.loaded = this.#load([...found]);
    this.#track(this.loaded);
  }

  /** Every message in a few words, for metrics. */
  entries(): Iterable<Entry> {
    return this.#index.entries();
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
    const prepared = await this.prepare(submission);
    prepared.commit();
    return prepared;
  }

  async prepare(submission: QueueSubmission): Promise<Prepared> {
    if (this.#closing) throw new QueueError("closed", "the queue is closing");
    const begin = performance.now();
    const header = await this.#spool.write(submission, this.#clock());
    const ms = Math.round((performance.now() - begin) * 10) / 10;
    const { id } = header;
    const decided = Promise.withResolvers<void>();
    this.#undecided.add(decided.resolve);
    this.#track(decided.promise.finally(() => this.#undecided.delete(decided.resolve)));
    return {
      id,
      commit: () => {
        decided.resolve();
        this.#counts.enqueued += 1;
        this.#log.info({ ...queuedFields(header, submission), ms }, "queued");
        const state = replay(header, []);
        const entry = this.#index.admit(state);
        if (entry.dueAt <= this.#clock()) this.#index.keepFresh(entry, state, submission);
      },
      withdraw: async () => {
        try {
          await this.#spool.remove(id).durable;
        } finally {
          decided.resolve();
        }
      },
    };
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

  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#index.close();
    this.#lanes.close();
    const patience = setTimeout(() => {
      this.#stop.abort();
      for (const end of this.#undecided) end();
    }, graceMs);
    while (this.#working.size > 0) await Promise.allSettled([...this.#working]);
    this.#sending.sessions.close();
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
