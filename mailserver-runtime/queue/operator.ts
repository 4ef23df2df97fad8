/**
 * What an operator may see of the queue, and do with its messages. Every action takes a selection and answers with the
 * number of messages it did something to; what it changes is on disk then.
 */

import { readHeaders } from "../message/headers.ts";
import type { Log } from "../net/log.ts";
import type { Entry, MessageIndex } from "./message-index.ts";
import type { MessageState } from "./message-state.ts";
import type { QueueEntry } from "./queue.ts";
import type { QueueCounts } from "./queue-counts.ts";
import type { Rounds } from "./rounds.ts";
import { chooser, isOnlyIds, type Selection } from "./selection.ts";
import type { Spool } from "./spool.ts";

/** Spool files read at once. */
const READERS = 16;

export interface OperatorOptions {
  readonly index: MessageIndex;
  readonly spool: Spool;
  readonly rounds: Rounds;
  readonly counts: QueueCounts;
  readonly clock: () => number;
  readonly log: Log;
  /** Resolves when everything of the spool is in the index. */
  readonly loaded: () => Promise<void>;
  /** Forgets that destinations and receivers rest. */
  readonly wake: () => void;
}
/** One message in full. */
export interface ShownMessage extends QueueEntry {
  /** The message's header section, what was added to it on its way in included; CRLF line ends, any bytes. */
  readonly headers: Buffer;
  /** A line for each attempt and recipient, oldest first. */
  readonly transcript: readonly string[];
}

export class QueueOperator {
  readonly #options: OperatorOptions;

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  /** Oldest first; at most `limit` of `total`. */
  async list(
    selection: Selection = { all: true },
    limit = Number.POSITIVE_INFINITY,
  ): Promise<{ readonly entries: readonly QueueEntry[]; readonly total: number }> {
    const entries: QueueEntry[] = [];
    let total = 0;
    await this.#each(selection, (state) => {
      total += 1;
      if (entries.length < limit) entries.push(this.#entryOf(state));
    });
    return { entries, total };
  }

  async show(id: string): Promise<ShownMessage | undefined> {
    const { index, spool } = this.#options;
    const state = index.get(id)?.state ?? (await spool.state(id));
    if (state === undefined) return undefined;
    // It may leave at any moment.
    const headers = await readHeaders(spool.content(state.header)).catch(absent);
    if (headers === undefined) return undefined;
    return {
      ...this.#entryOf(state),
      headers: headers.bytes.subarray(0, headers.end),
      transcript: state.transcript,
    };
  }

  /** Tries now what waits. What is held stays; what waits for its release does unless it is named by its identifier. */
  async retry(selection: Selection = { all: true }): Promise<number> {
    const { index, clock, wake } = this.#options;
    await this.#options.loaded();
    const now = clock();
    const named = new Set(selection.ids);
    wake();
    return this.#act(selection, (entry) => {
      if (entry.held || entry.open > 0) return false;
      if (!named.has(entry.id) && entry.heldBecause !== undefined && entry.holdUntil > now) return false;
      index.schedule(entry, now);
      this.#log("queue-retry", entry);
      return true;
    });
  }

  /** Leaves messages alone until they are released. */
  hold(selection: Selection): Promise<number> {
    return this.#act(selection, async (entry) => {
      if (entry.held) return false;
      await this.#setHeld(entry, true);
      this.#log("queue-hold", entry);
      return true;
    });
  }

  /** Lets held messages go, whoever held them. */
  release(selection: Selection): Promise<number> {
    const { index, clock } = this.#options;
    return this.#act(selection, async (entry) => {
      const imposed = entry.heldBecause !== undefined && entry.holdUntil > clock();
      if (!entry.held && !imposed) return false;
      await this.#setHeld(entry, false);
      index.schedule(entry, clock());
      this.#log("queue-release", entry);
      return true;
    });
  }

  /** Gives up what still waits, and tells the senders. One that is being sent right now is left alone. */
  bounce(selection: Selection): Promise<number> {
    return this.#act(selection, async (entry) => {
      if (entry.open > 0) return false;
      await this.#options.rounds.giveUp(entry, "returned to its sender by the administrator");
      return true;
    });
  }

  /** Takes messages out without telling their senders. One that is being sent right now may still arrive. */
  async remove(selection: Selection): Promise<number> {
    const { index, spool, counts, log } = this.#options;
    const removals: Promise<void>[] = [];
    const count = await this.#act(selection, (entry) => {
      if (!index.drop(entry)) return false;
      counts.removed += 1;
      log.warn({ event: "queue-delete", id: entry.id }, "removed from the queue by an operator");
      const { there, durable } = spool.remove(entry.id);
      removals.push(durable);
      return there;
    });
    await Promise.all(removals);
    return count;
  }

  /** What an operator did stands among what happened to the message (`mailkeep trace`). */
  #log(event: "queue-retry" | "queue-hold" | "queue-release", { id }: Entry): void {
    this.#options.log.info({ event, id }, "by an operator");
  }

  async #setHeld(entry: Entry, held: boolean): Promise<void> {
    const { index } = this.#options;
    entry.held = held;
    if (!held) entry.heldBecause = undefined;
    index.note(entry, { type: "held", held });
    await index.harden(entry);
  }

  async #act(selection: Selection, action: (entry: Entry) => boolean | Promise<boolean>): Promise<number> {
    const { index } = this.#options;
    await this.#options.loaded();
    let count = 0;
    const act = async (entry: Entry | undefined): Promise<void> => {
      if (entry !== undefined && (await action(entry))) count += 1;
    };
    if (selection.all === true) for (const entry of [...index.entries()]) await act(entry);
    else if (isOnlyIds(selection)) for (const id of new Set(selection.ids)) await act(index.get(id));
    else {
      const ids: string[] = [];
      await this.#each(selection, ({ header }) => ids.push(header.id));
      for (const id of ids) await act(index.get(id));
    }
    return count;
  }

  /** Every message that is meant, oldest first; those that cannot be read are passed over, the log names them at the start. */
  async #each(selection: Selection, found: (state: MessageState) => void): Promise<void> {
    const { index, spool } = this.#options;
    const meant = chooser(selection);
    const ids = isOnlyIds(selection) ? [...new Set(selection.ids)].sort() : await spool.ids();
    for (let at = 0; at < ids.length; at += READERS) {
      const states = await Promise.all(
        ids
          .slice(at, at + READERS)
          .map((id) => index.get(id)?.state ?? spool.state(id).catch(() => undefined)),
      );
      for (const state of states) if (state !== undefined && meant(state)) found(state);
    }
  }

  #entryOf({ header, recipients, attempts, nextAttemptAt, held, heldBecause }: MessageState): QueueEntry {
    const { id, envelope, prefixSize, contentSize, queuedAt, holdUntil = 0, account } = header;
    const entry = this.#options.index.get(id);
    const delivering = entry !== undefined && entry.open > 0;
    const waitsForRelease = heldBecause !== undefined && (held || holdUntil > this.#options.clock());
    return {
      id,
      from: envelope.from,
      recipients: recipients.map(({ address, status, last }) => ({
        address,
        status: status === "waiting" && delivering ? "delivering" : status,
        ...(last === undefined ? {} : { lastReply: last.text }),
      })),
      size: prefixSize + contentSize,
      queuedAt,
      nextAttemptAt: entry?.dueAt ?? nextAttemptAt,
      attempts,
      held,
      ...(account === undefined ? {} : { account }),
      ...(entry?.waits === undefined ? {} : { waitsFor: entry.waits.why }),
      ...(waitsForRelease ? { heldBecause } : {}),
    };
  }
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
  throw error;
}
