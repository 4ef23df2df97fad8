/**
 * The outbound queue at work: takes messages, keeps the time, sends them on, tells their senders.
 *
 * In memory stands an index entry of a few words for each message: its identifier, when it is due, and for which
 * destinations. All else is read from the spool when a message's turn comes and forgotten afterwards, so a hundred
 * thousand messages that wait for a dead host cost a few megabytes.
 *
 * A *round* takes a message once to each of its destinations (lane.ts). When the last one has ended, the round is closed:
 * senders are told (notices.ts), the message leaves or gets its next time (schedule.ts). What happened is in the journal
 * before anything follows from it. After a crash a round begins again with those recipients that the journal does not
 * settle; a message is delivered twice only where the process died between a server's 2xx to the final dot and the
 * journal's line for it, which SMTP cannot avoid (RFC 5321 §6.1).
 */
import { setMaxListeners } from "node:events";
import { domainOf } from "../message/address.ts";
import type { ReportedRecipient } from "../message/report.ts";
import type { Log } from "../net/log.ts";
import { Agenda } from "./agenda.ts";
import { type SmtpSession, standardTimeouts } from "./client/session.ts";
import { opportunisticDemand } from "./client/tls-policy.ts";
import { attempt, type DeliveryContext } from "./delivery.ts";
import { type Destination, destinationKey, wishOf } from "./destination.ts";
import { FreshBytes } from "./fresh-bytes.ts";
import { Lane } from "./lane.ts";
import {
  applyRecord,
  isSettled,
  type JournalRecord,
  lifeBegan,
  type MessageState,
  type RecipientState,
  type Result,
  replay,
  type StoredHeader,
  wantsSmtpUtf8,
} from "./message-state.ts";
import { delayNotices, finalNotices } from "./notices.ts";
import type { QueueOptions } from "./options.ts";
import type { OutboundQueue, QueueEntry, QueueSubmission } from "./queue.ts";
import { type QueueCounts, zeroCounts } from "./queue-counts.ts";
import { expiresAt, isLate, nextAttempt } from "./schedule.ts";
import { reportFor } from "./sender-report.ts";
import { QueueError, Spool } from "./spool.ts";

export type { LocalDelivery, QueueOptions } from "./options.ts";

/** Connections in total. */
const MAX_CONNECTIONS = 100;
/** How long a connection waits for another message. */
const LINGER_MS = 1000;
/** A connection makes room after so many messages where other destinations wait for one. */
const FAIR_SHARE = 50;
/** Octets of just queued messages kept in memory for their first attempt. */
const FRESH_BYTES = 8 * 1024 * 1024;
/** Attempted again when telling the sender failed, or the spool could not be read. */
const REPAIR_MS = 60_000;

interface Entry {
  readonly id: string;
  dueAt: number;
  held: boolean;
  /** Why it was held as it came; before `holdUntil` only a release or a retry of this one message sends it. */
  heldBecause: string | undefined;
  readonly holdUntil: number;
  /** Destinations of this round that have not ended yet; 0 between rounds. */
  open: number;
  /** Where the next round goes, as far as it was known when this was written. */
  destinations: readonly Destination[] | undefined;
  /** Read when the first destination of a round begins, dropped when the last has ended. */
  state: MessageState | undefined;
}

/**
 * Opens the queue. What an earlier process left in it is read and delivered from now on, beside new mail: a server with a
 * full queue is not later at its ports than one with an empty one. `loaded` says when all of it is known.
 */
export async function openQueue(options: QueueOptions): Promise<RunningQueue> {
  const spool = await Spool.open(options.directory);
  return new RunningQueue(options, spool, await spool.ids());
}

export class RunningQueue implements OutboundQueue {
  readonly #options: QueueOptions;
  readonly #spool: Spool;
  readonly #log: Log;
  readonly #clock: () => number;
  readonly #random: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #agenda: Agenda<Entry>;
  readonly #lanes = new Map<string, Lane<Entry>>();
  readonly #stop = new AbortController();
  readonly #working = new Set<Promise<unknown>>();
  readonly #counts = zeroCounts();
  #closing = false;
  #pruneAt = 256;
  /** The bytes of small messages that are being delivered, or came in a moment ago and will be at once. */
  readonly #fresh = new FreshBytes();

  /** Resolves when what an earlier process left is in the index. */
  readonly loaded: Promise<void>;

  constructor(options: QueueOptions, spool: Spool, found: readonly string[]) {
    this.#options = options;
    this.#spool = spool;
    this.#log = options.log;
    this.#clock = options.clock ?? Date.now;
    this.#random = options.random ?? Math.random;
    this.#agenda = new Agenda(this.#clock, (entry, at) => this.#onDue(entry, at));
    // Every connection listens for the end.
    setMaxListeners(0, this.#stop.signal);
    this.loaded = this.#load([...found]);
    this.#track(this.loaded);
  }

  /** The figures as they are now; the object does not change. */
  counts(): QueueCounts {
    return {
      ...this.#counts,
      messages: this.#entries.size,
      held: [...this.#entries.values()].filter((entry) => entry.held).length,
      destinations: this.#lanes.size,
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
      { id, from: envelope.from, recipients: envelope.recipients.length, size: contentSize, account, ms },
      "queued",
    );
    const entry = this.#admit(replay(header, []));
    if (entry.dueAt <= this.#clock()) this.#keepFresh(entry, header, submission);
    return { id };
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
    const entry = this.#entries.get(id);
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
      ...(this.#waitsForRelease(state) ? { heldBecause: state.heldBecause } : {}),
      transcript: state.transcript,
    };
  }

  async retry(id?: string): Promise<number> {
    await this.loaded;
    const entries = id === undefined ? [...this.#entries.values()] : [this.#entries.get(id)];
    let count = 0;
    for (const lane of this.#lanes.values()) lane.wake();
    const now = this.#clock();
    for (const entry of entries) {
      if (entry === undefined || entry.held || entry.open > 0) continue;
      if (id === undefined && entry.heldBecause !== undefined && entry.holdUntil > now) continue;
      this.#schedule(entry, this.#clock());
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

  /** Takes a message out without telling its sender. One that is being sent right now may still arrive. */
  async remove(id: string): Promise<boolean> {
    await this.loaded;
    if (!this.#entries.delete(id)) return false;
    this.#fresh.drop(id);
    this.#counts.removed += 1;
    this.#log.warn({ id }, "removed from the queue by an operator");
    return this.#spool.remove(id);
  }

  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#agenda.close();
    for (const lane of this.#lanes.values()) lane.dismiss();
    const patience = setTimeout(() => this.#stop.abort(), graceMs);
    while (this.#working.size > 0) await Promise.allSettled([...this.#working]);
    clearTimeout(patience);
    await this.#spool.close();
  }

  /** Reads the index. Messages that cannot be read are named in the log and left where they are. */
  async #load(ids: string[]): Promise<void> {
    const read = async (id: string): Promise<void> => {
      try {
        const state = await this.#spool.state(id);
        if (state === undefined)
          this.#log.error({ id }, "a file in the queue is no message of ours; left alone");
        else this.#admit(state);
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
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    const imposed = entry.heldBecause !== undefined && entry.holdUntil > this.#clock();
    if (entry.held === held && (held || !imposed)) return false;
    entry.held = held;
    if (!held) entry.heldBecause = undefined;
    await this.#note(entry, { type: "held", held }, "durable");
    if (!held) this.#schedule(entry, this.#clock());
    return true;
  }

  #admit(state: MessageState): Entry {
    const { id } = state.header;
    const entry: Entry = {
      id,
      dueAt: state.nextAttemptAt,
      held: state.held,
      heldBecause: state.heldBecause,
      holdUntil: state.header.holdUntil ?? 0,
      open: 0,
      destinations: this.#destinations(state),
      state: undefined,
    };
    this.#entries.set(id, entry);
    this.#schedule(entry, entry.dueAt);
    return entry;
  }

  #keepFresh(entry: Entry, header: StoredHeader, { prefix, content }: QueueSubmission): void {
    const size = header.prefixSize + header.contentSize;
    if (content.buffer === undefined || this.#fresh.size + size > FRESH_BYTES) return;
    entry.state = replay(header, []);
    this.#fresh.set(entry.id, [prefix, content.buffer]);
  }

  #schedule(entry: Entry, at: number): void {
    entry.dueAt = at;
    this.#agenda.add(at, entry);
  }

  #onDue(entry: Entry, at: number): void {
    // Rescheduled since, removed, or under way: this mark in the agenda is out of date.
    const current = this.#entries.get(entry.id) === entry && entry.dueAt === at;
    if (current && !entry.held && entry.open === 0) this.#track(this.#beginRound(entry));
  }

  /** Puts a message before each of its destinations. */
  async #beginRound(entry: Entry): Promise<void> {
    const destinations = entry.destinations ?? [];
    entry.open = destinations.length + 1;
    this.#prune();
    for (const destination of destinations) {
      const key = destinationKey(destination);
      const lane = this.#lanes.get(key) ?? new Lane<Entry>(key, destination);
      this.#lanes.set(key, lane);
      lane.add(entry);
      this.#staff(lane);
    }
    await this.#endLane(entry);
  }

  /** Forgets destinations at rest, once there are many more than there were after the last time. */
  #prune(): void {
    if (this.#lanes.size < this.#pruneAt) return;
    for (const lane of this.#lanes.values()) if (this.#isIdle(lane)) this.#lanes.delete(lane.key);
    this.#pruneAt = 256 + 2 * this.#lanes.size;
  }

  #isIdle(lane: Lane<Entry>): boolean {
    return lane.workers === 0 && lane.length === 0 && lane.unreachable(this.#clock()) === undefined;
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

  #staff(lane: Lane<Entry>): void {
    while (lane.wantsWorker && this.#counts.connections < MAX_CONNECTIONS && !this.#closing) {
      lane.workers += 1;
      this.#counts.connections += 1;
      this.#track(this.#work(lane));
    }
  }

  async #work(lane: Lane<Entry>): Promise<void> {
    let session: SmtpSession | undefined;
    try {
      for (let done = 0; !this.#closing; done += 1) {
        if (done >= FAIR_SHARE && this.#counts.connections >= MAX_CONNECTIONS) break;
        const entry = await lane.take(session === undefined ? 0 : LINGER_MS);
        if (entry === undefined) break;
        if (lane.wantsWorker) this.#staff(lane);
        session = await this.#deliver(entry, lane, session);
      }
    } finally {
      session?.close();
      lane.workers -= 1;
      this.#counts.connections -= 1;
      if (this.#isIdle(lane)) this.#lanes.delete(lane.key);
      if (!this.#closing) for (const other of this.#lanes.values()) if (other.wantsWorker) this.#staff(other);
    }
  }

  /** One message to one destination; gives the connection back when it can be used again. */
  async #deliver(
    entry: Entry,
    lane: Lane<Entry>,
    open: SmtpSession | undefined,
  ): Promise<SmtpSession | undefined> {
    let session = open;
    try {
      const state =
        entry.held || this.#entries.get(entry.id) !== entry ? undefined : await this.#stateOf(entry);
      const recipients = (state?.recipients ?? []).filter(
        (recipient) =>
          recipient.status === "waiting" &&
          state !== undefined &&
          destinationKey(this.#destination(state, recipient)) === lane.key,
      );
      if (state === undefined || recipients.length === 0) return session;
      const { destination } = lane;
      if (destination.kind === "local") {
        await this.#record(entry, recipients, await this.#deliverHere(state, recipients));
        return session;
      }
      const now = this.#clock();
      const resting = lane.unreachable(now);
      if (resting !== undefined) {
        const result: Result = { ...resting, outcome: "temporary", replied: false };
        await this.#record(
          entry,
          recipients,
          recipients.map(() => result),
        );
        return session;
      }
      const done = await attempt(
        destination,
        this.#outgoing(state, recipients),
        recipients,
        session,
        this.#context(entry.id),
      );
      session = done.session;
      if (this.#stop.signal.aborted && done.results.every(({ outcome }) => outcome === "temporary"))
        return session;
      if (done.unreachable !== undefined) lane.failed(this.#clock(), done.unreachable);
      else if (session === undefined) lane.slowed();
      else lane.succeeded();
      if (done.uncertain) this.#counts.uncertain += 1;
      await this.#record(entry, recipients, done.results);
    } catch (error) {
      this.#log.error(
        { id: entry.id, error: String(error) },
        "an attempt broke off; the message stays queued",
      );
    } finally {
      await this.#endLane(entry);
    }
    return session;
  }

  async #deliverHere(state: MessageState, recipients: readonly RecipientState[]): Promise<readonly Result[]> {
    const { header } = state;
    const results: Result[] = [];
    for (const { address, notify, orcpt } of recipients) {
      const common = { replied: false, withoutDsn: true } as const;
      try {
        const refusal = await this.#options.local?.deliver({
          envelope: { ...header.envelope, recipients: [{ address, notify, orcpt }] },
          prefix: Buffer.alloc(0),
          content: this.#spool.content(header),
          hops: header.hops,
        });
        results.push(
          refusal === undefined
            ? { ...common, outcome: "delivered", status: "2.0.0", text: "stored here" }
            : { ...common, outcome: "permanent", status: refusal.status, text: refusal.text },
        );
      } catch (error) {
        const text = `the mailbox cannot be written now: ${error instanceof Error ? error.message : String(error)}`;
        results.push({ ...common, outcome: "temporary", status: "4.3.0", text });
      }
    }
    return results;
  }

  #outgoing(state: MessageState, recipients: readonly RecipientState[]) {
    const { header } = state;
    const { from, ret, envid, requireTls } = header.envelope;
    return {
      from,
      ret,
      envid,
      requireTls,
      size: header.prefixSize + header.contentSize,
      eightBit: header.eightBit,
      smtpUtf8: wantsSmtpUtf8(header, recipients),
      chunks: () => this.#fresh.get(header.id) ?? this.#spool.chunks(header),
    };
  }

  #context(id: string): DeliveryContext {
    const { resolver, isOurself, tlsDemand, onTls, ca, timeouts } = this.#options;
    const { hostname, delivery } = this.#options.settings();
    return {
      resolver,
      hostname,
      port: delivery.port,
      localAddresses: delivery.addresses,
      isOurself: isOurself ?? (() => false),
      tlsDemand: tlsDemand ?? (async () => opportunisticDemand),
      onTls,
      ca,
      timeouts: timeouts ?? standardTimeouts,
      signal: this.#stop.signal,
      onHosts: (domain, targets, ms) => {
        const hosts = targets.map(({ host, address, port }) => `${host}[${address}]:${port}`).join(", ");
        this.#log.info(
          { event: "mx-lookup", id, domain, hosts, ms: Math.round(ms * 10) / 10 },
          "hosts found",
        );
      },
    };
  }

  async #record(
    entry: Entry,
    recipients: readonly RecipientState[],
    results: readonly Result[],
  ): Promise<void> {
    const byIndex: Record<string, Result> = {};
    for (const [place, { index, address }] of recipients.entries()) {
      const result = results[place]!;
      byIndex[index] = result;
      const count = { delivered: "delivered", temporary: "deferred", permanent: "failed" } as const;
      this.#counts[count[result.outcome]] += 1;
      const { outcome, status, text, remote, tls } = result;
      this.#log.info(
        { id: entry.id, to: address, remote, tls, outcome, status, reply: text },
        "delivery attempt",
      );
    }
    const record: JournalRecord = { type: "attempt", at: this.#clock(), results: byIndex };
    if (entry.state === undefined) return;
    const after = applyRecord(entry.state, record);
    entry.state = after;
    // What leaves the queue at once needs no journal: its file's removal says the same.
    if (isSettled(after) && finalNotices(after).length === 0) return;
    const settles = results.some(({ outcome }) => outcome !== "temporary");
    await this.#spool.append(entry.id, record, settles ? "durable" : "soon");
  }

  async #note(entry: Entry, record: JournalRecord, durable: "durable" | "soon"): Promise<void> {
    await this.#spool.append(entry.id, record, durable);
    if (entry.state !== undefined) entry.state = applyRecord(entry.state, record);
  }

  /** The state of an entry whose round is open; entries that cannot be read wait, and those that are gone are dropped. */
  async #stateOf(entry: Entry): Promise<MessageState | undefined> {
    if (entry.state !== undefined) return entry.state;
    const loaded = await this.#spool.load(entry.id);
    if (this.#entries.get(entry.id) !== entry) return undefined;
    if (loaded === undefined) {
      this.#log.warn({ id: entry.id }, "a queued message's file is gone");
      this.#entries.delete(entry.id);
    }
    // Another destination of the same round may have read it meanwhile, and gone on from there.
    if (entry.state !== undefined || loaded === undefined) return entry.state;
    entry.state = loaded.state;
    if (loaded.bytes !== undefined) this.#fresh.set(entry.id, [loaded.bytes]);
    return entry.state;
  }

  /** One destination of the round has ended; the last one closes the round. */
  async #endLane(entry: Entry): Promise<void> {
    entry.open -= 1;
    if (entry.open > 0) return;
    if (this.#entries.get(entry.id) !== entry) return;
    entry.open = 1;
    try {
      const state = await this.#stateOf(entry);
      if (state !== undefined && !this.#stop.signal.aborted) await this.#closeRound(entry, state);
    } catch (error) {
      this.#log.error({ id: entry.id, error: String(error) }, "a round could not be closed; tried again");
      this.#schedule(entry, this.#clock() + REPAIR_MS);
    } finally {
      entry.open = 0;
      entry.state = undefined;
      this.#fresh.drop(entry.id);
    }
  }

  async #closeRound(entry: Entry, ended: MessageState): Promise<void> {
    const now = this.#clock();
    const { delivery } = this.#options.settings();
    const { queuedAt } = ended.header;
    const begin = lifeBegan(ended.header);
    const state = now >= expiresAt(delivery, begin) ? await this.#expire(entry, ended) : ended;
    const notices = finalNotices(state);
    if (notices.length > 0) {
      await this.#tell(state, notices);
      const told = state.recipients.filter(({ status }) => status !== "waiting").map(({ index }) => index);
      await this.#note(entry, { type: "reported", recipients: told }, "durable");
    }
    if (isSettled(state)) {
      this.#entries.delete(entry.id);
      await this.#spool.remove(entry.id);
      this.#counts.removed += 1;
      this.#log.info({ id: entry.id, seconds: (now - queuedAt) / 1000 }, "finished");
      return;
    }
    if (!state.warned && isLate(delivery, begin, now)) {
      const delayed = delayNotices(state, expiresAt(delivery, begin));
      if (delayed.length > 0) await this.#tell(state, delayed);
      await this.#note(entry, { type: "warned" }, "durable");
    }
    entry.destinations = this.#destinations(state);
    if (entry.held) return;
    const at = nextAttempt(delivery, begin, state.attempts + 1, now, this.#random());
    await this.#note(entry, { type: "next", at }, "soon");
    this.#schedule(entry, at);
  }

  /** Gives up what still waits (RFC 5321 §4.5.4.1). */
  async #expire(entry: Entry, state: MessageState): Promise<MessageState> {
    const results: Record<string, Result> = {};
    for (const { index, status, last } of state.recipients) {
      if (status !== "waiting") continue;
      const text = `not delivered in time; the last attempt: ${last?.text ?? "none"}`;
      results[index] = { outcome: "permanent", status: "4.4.7", text, replied: false, remote: last?.remote };
    }
    const record: JournalRecord = { type: "attempt", at: this.#clock(), results };
    if (Object.keys(results).length === 0) return state;
    this.#counts.failed += Object.keys(results).length;
    await this.#spool.append(entry.id, record, "durable");
    entry.state = applyRecord(state, record);
    return entry.state;
  }

  /** Tells a message's sender; durable when it resolves. */
  async #tell(state: MessageState, recipients: readonly ReportedRecipient[]): Promise<void> {
    const { id, envelope } = state.header;
    const submission = await reportFor(state, recipients, this.#spool.content(state.header), {
      hostname: this.#options.settings().hostname,
      now: this.#clock(),
    });
    if (this.#options.report === undefined) await this.enqueue(submission);
    else await this.#options.report(submission);
    this.#counts.reports += 1;
    this.#log.info({ id, to: envelope.from, actions: recipients.map(({ action }) => action) }, "sender told");
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
