/**
 * Every message of the queue in a few words: its identifier, when it is due, and for which destinations. All else is read
 * from the spool when a message's turn comes and forgotten afterwards, so a hundred thousand messages that wait for a dead
 * host cost a few megabytes.
 *
 * What happens to a message goes through `note`: into its journal at once, then into what is known of it here.
 */
import type { Log } from "../net/log.ts";
import { Agenda } from "./agenda.ts";
import type { Destination } from "./destination.ts";
import { FreshBytes } from "./fresh-bytes.ts";
import { applyRecord, type JournalRecord, lifeBegan, type MessageState } from "./message-state.ts";
import type { QueueSubmission } from "./queue.ts";
import type { Spool } from "./spool.ts";

/** Octets of just queued messages kept in memory for their first attempt. */
const FRESH_BYTES = 8 * 1024 * 1024;

export interface Entry {
  readonly id: string;
  dueAt: number;
  held: boolean;
  /** Why it was held as it came; before `holdUntil` only a release or a retry of this one message sends it. */
  heldBecause: string | undefined;
  readonly holdUntil: number;
  /** When the message's lifetime began; milliseconds. */
  readonly begin: number;
  /** How long it is tried, where that is not the general time. */
  readonly lifetimeSeconds: number | undefined;
  /** The sender has been told of a delay. */
  warned: boolean;
  /** Destinations of this round that have not ended yet; 0 between rounds. */
  open: number;
  /** Where the next round goes, as far as it was known when this was written. */
  destinations: readonly Destination[];
  /** Read when the first destination of a round begins, dropped when the last has ended. */
  state: MessageState | undefined;
  /** Something of this round was tried, or otherwise recorded. */
  touched: boolean;
  /** Why what is left waits without being tried, and until when. */
  waits: { readonly until: number; readonly why: string } | undefined;
  /** Recipients that a connection is sending to at the moment, by their places in the envelope. */
  readonly underWay: Set<number>;
  /** Destinations of this round whose mail goes another way, by their keys. */
  redirected: ReadonlyMap<string, Destination>;
  /** Records that the disk did not take; they are written with the next one, and `state` stays until then. */
  unwritten: readonly JournalRecord[];
  /** The journal has something that a power loss must not take back, and may still. */
  unsynced: boolean;
}
export interface IndexOptions {
  readonly spool: Spool;
  readonly log: Log;
  readonly clock: () => number;
  /** Told of each message when it is due, is not held and has no round under way. */
  readonly onDue: (entry: Entry) => void;
  /** Where a message's waiting recipients are to go. */
  readonly destinations: (state: MessageState) => readonly Destination[];
}

export class MessageIndex {
  readonly #options: IndexOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #agenda: Agenda<Entry>;
  /** The bytes of small messages that are being delivered, or came in a moment ago and will be at once. */
  readonly #fresh = new FreshBytes();

  constructor(options: IndexOptions) {
    this.#options = options;
    this.#agenda = new Agenda(options.clock, (entry, at) => {
      // Rescheduled since, removed, or under way: this mark in the agenda is out of date.
      const current = this.has(entry) && entry.dueAt === at;
      if (current && !entry.held && entry.open === 0) options.onDue(entry);
    });
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  /** Whether the message is still in the queue. */
  has(entry: Entry): boolean {
    return this.#entries.get(entry.id) === entry;
  }

  admit(state: MessageState): Entry {
    const entry: Entry = {
      id: state.header.id,
      dueAt: state.nextAttemptAt,
      held: state.held,
      heldBecause: state.heldBecause,
      holdUntil: state.header.holdUntil ?? 0,
      begin: lifeBegan(state.header),
      lifetimeSeconds: state.header.lifetimeSeconds,
      warned: state.warned,
      open: 0,
      touched: false,
      waits: undefined,
      underWay: new Set(),
      redirected: nowhereElse,
      destinations: this.#options.destinations(state),
      state: undefined,
      unwritten: [],
      unsynced: false,
    };
    this.#entries.set(entry.id, entry);
    this.schedule(entry, entry.dueAt);
    return entry;
  }

  /** Keeps a small message that has just come in, where there is room, so that its first attempt reads nothing. */
  keepFresh(entry: Entry, state: MessageState, { prefix, content }: QueueSubmission): void {
    const size = state.header.prefixSize + state.header.contentSize;
    if (content.buffer === undefined || this.#fresh.size + size > FRESH_BYTES) return;
    entry.state = state;
    this.#fresh.set(entry.id, [prefix, content.buffer]);
  }

  /** The message's bytes, where they are in memory. */
  freshBytes(id: string): readonly Buffer[] | undefined {
    return this.#fresh.get(id);
  }

  schedule(entry: Entry, at: number): void {
    // The same number in both: the agenda's mark counts only while it is the entry's.
    entry.dueAt = Math.round(at);
    this.#agenda.add(entry.dueAt, entry);
  }

  /** Takes a message out of the index; false where it was not there. */
  drop(entry: Entry): boolean {
    this.#fresh.drop(entry.id);
    return this.has(entry) && this.#entries.delete(entry.id);
  }

  /** Ends a round in memory. */
  forget(entry: Entry): void {
    if (entry.unwritten.length === 0) entry.state = undefined;
    this.#fresh.drop(entry.id);
    entry.touched = false;
    entry.redirected = nowhereElse;
  }

  /** The state of an entry whose round is open; entries whose files are gone are dropped. @throws {QueueError} */
  async stateOf(entry: Entry): Promise<MessageState | undefined> {
    if (entry.state !== undefined) return entry.state;
    const loaded = await this.#options.spool.load(entry.id);
    if (!this.has(entry)) return undefined;
    if (loaded === undefined) {
      this.#options.log.warn({ id: entry.id }, "a queued message's file is gone");
      this.drop(entry);
    }
    // Another destination of the same round may have read it meanwhile, and gone on from there.
    if (entry.state !== undefined || loaded === undefined) return entry.state;
    entry.state = loaded.state;
    if (loaded.bytes !== undefined) this.#fresh.set(entry.id, [loaded.bytes]);
    return entry.state;
  }

  /**
   * Writes down what happened. When this returns the record survives the end of the process; a disk that does not take
   * it is named in the log, and what it would have said stays in memory.
   */
  note(entry: Entry, record: JournalRecord): void {
    entry.touched = true;
    const records = [...entry.unwritten, record];
    try {
      this.#options.spool.append(entry.id, records);
      entry.unwritten = [];
    } catch (error) {
      this.#options.log.error(
        { id: entry.id, error: String(error) },
        "a journal cannot be written; kept in memory",
      );
      entry.unwritten = records;
    }
    entry.unsynced ||= matters(record);
    if (entry.state !== undefined) entry.state = applyRecord(entry.state, record);
  }

  /** Makes what was noted survive a power loss as well. @throws {QueueError} */
  async harden(entry: Entry): Promise<void> {
    if (!entry.unsynced || entry.unwritten.length > 0) return;
    entry.unsynced = false;
    try {
      await this.#options.spool.harden(entry.id);
    } catch (error) {
      entry.unsynced = true;
      throw error;
    }
  }

  close(): void {
    this.#agenda.close();
  }
}

const nowhereElse: ReadonlyMap<string, Destination> = new Map();

/** A delay that is forgotten costs an attempt; anything else would be done twice, or undone. */
function matters(record: JournalRecord): boolean {
  if (record.type === "next") return false;
  return (
    record.type !== "attempt" || Object.values(record.results).some(({ outcome }) => outcome !== "temporary")
  );
}
