/**
 * One mailbox while somebody holds it or did a moment ago. Every operation that changes it runs after the
 * other; reading does not wait for them.
 *
 * What it promises: a UID is in `dovecot-uidlist`, synced, before anybody is shown it; UIDs become visible in
 * ascending order; a promise resolves when its change is durable. What it never does: change a base name or a
 * byte of a message, or take a file for expunged because one listing missed it (see scan.ts).
 */
import { existsSync } from "node:fs";
import type { MessageContent } from "../../message/content.ts";
import { MAX_FIELD_BYTES } from "../../message/mime/fields.ts";
import { usualFields } from "../../message/mime/usual-fields.ts";
import {
  type AppendMessage,
  type CopyResult,
  Flag,
  type FlagChange,
  type Mailbox,
  type MailboxChange,
  type MailboxView,
  positionOf,
  StoreError,
} from "../mail-store.ts";
import { type Arrival, admit, placeFor } from "./arrivals.ts";
import { withoutRecent, withSize } from "./columns.ts";
import { compareNew, compareWithDisk } from "./comparing.ts";
import { admitLinks, type FlaggedLink, linkCopies } from "./copying.ts";
import { DigestFile, packBytes, packedBytes } from "./digest-file.ts";
import { errorCode, proveDirectory, storeError, syncDirectory } from "./durable.ts";
import { cameBefore } from "./expiring.ts";
import { type Disposal, removal } from "./expunged-mail.ts";
import { arrivalSeconds, baseName, crlfSizeOf, pathOf } from "./file-name.ts";
import { bitsOf, changeFlags, renameFor } from "./flag-changes.ts";
import { FolderWatch, type Scope } from "./folder-watch.ts";
import { loadState, saveState } from "./loading.ts";
import { type MailboxHome, MailboxState } from "./mailbox-state.ts";
import type { MessageFacts } from "./message-facts.ts";
import { removeQuietly, writeMessage } from "./message-writer.ts";
import { Pace } from "./pace.ts";
import { removeMessages } from "./removing.ts";
import type { SegmentCache } from "./segment-cache.ts";
import { Serial } from "./serial.ts";
import { openStored } from "./stored-content.ts";

/** How often a file that another program renames is looked for before reading it fails. */
const READ_ATTEMPTS = 5;
const RESCAN_MS = 1000;
const SAVE_AFTER_MS = 10_000;
/** So many messages get their UIDs though nobody looks. */
const MAX_WAITING = 1000;
/** Most headers end before. */
const FIRST_READ = 64 * 1024;
const HEADER_END = Buffer.from("\r\n\r\n");

export interface MailboxServices extends MailboxHome {
  readonly digestPaths: { readonly text: string; readonly fields: string };
  readonly digestCache: SegmentCache;
  /** Where expunged messages go. */
  disposal(): Promise<Disposal>;
  /** The mailbox of the account that COPY and MOVE go to, held for the caller. */
  openTarget(name: string): Promise<MaildirMailbox>;
}

export class MaildirMailbox implements Mailbox {
  holders = 0;
  readonly digests: DigestFile;
  /** The usual header fields of messages somebody has asked for. */
  readonly #fields: DigestFile;
  readonly #services: MailboxServices;
  readonly #state: MailboxState;
  readonly #serial = new Serial();
  #isClosed = false;
  #watch: FolderWatch | undefined;
  #scanning: Promise<void> | undefined;
  #later: NodeJS.Timeout | undefined;
  #saving: NodeJS.Timeout | undefined;
  /** What deliveries have put in place and nobody was shown yet. */
  #arrivals: Arrival[] = [];
  /** Files of `#arrivals` by base name, until they are shown. */
  readonly #waiting = new Map<string, string>();
  #taking: Promise<void> | undefined;
  /** The disk had no room for the UIDs of `#arrivals`. */
  #isFull = false;
  /** Messages whose size was seen to be right. */
  readonly #verified = new Set<number>();
  /** The MODSEQ the index on disk has; -1 when it must be written. */
  #savedModSeq = -1;

  constructor(name: string, directory: string, services: MailboxServices) {
    this.#services = services;
    this.#state = new MailboxState(name, directory, services);
    const { digestPaths: paths, digestCache: cache, log } = services;
    const identity = () => {
      const { uidValidity, guid, view } = this.#state;
      return { uidValidity, guid, messages: view.count };
    };
    this.digests = new DigestFile({ path: paths.text, cache, log, identity });
    this.#fields = new DigestFile({ path: paths.fields, cache, log, identity });
  }

  get name(): string {
    return this.#state.name;
  }
  get directory(): string {
    return this.#state.directory;
  }
  get uidValidity(): number {
    return this.#state.uidValidity;
  }
  get mailboxId(): string {
    return this.#state.guid;
  }

  /** Reads the state. To be awaited once before anything else. */
  async load(): Promise<this> {
    await this.#serial.run(async () => {
      this.#watch = new FolderWatch(this.directory, {
        isForeign: (file) => this.#isForeign(file),
        changed: () => this.#scanSoon(),
      });
      this.#state.expect = (file) => this.#watch!.expect(file);
      try {
        this.#savedModSeq = await loadState(this.#state);
      } catch (error) {
        this.#watch.close();
        throw error;
      }
    });
    if (this.#savedModSeq < 0) this.#saveSoon();
    return this;
  }

  /** What was found out with effort is kept, should the process be killed. */
  #saveSoon(): void {
    this.#saving = setTimeout(() => {
      this.#serial.run(() => this.#save()).catch(() => undefined);
    }, SAVE_AFTER_MS).unref();
  }
  async #save(): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#takeArrivals();
      if (this.#savedModSeq === this.#state.view.highestModSeq) return;
      // The index says what the folder's times stand for: a file that has no UID yet must not be behind them.
      const isKnown = async () =>
        (await this.#watch!.foreignChange()) === undefined &&
        this.#arrivals.length === 0 &&
        this.#services.inFlight.size === 0;
      this.#savedModSeq = await saveState(this.#state, isKnown);
    } catch (error) {
      this.#services.log.warn(
        { err: error, mailbox: this.name },
        "no index was written; the next opening is slower",
      );
    }
  }

  view(): MailboxView {
    return this.#state.view;
  }
  get withheld(): number {
    return this.#state.withheld + (this.#isFull ? this.#arrivals.length : 0);
  }
  onChange(listener: (change: MailboxChange) => void): () => void {
    return this.#state.listen(listener);
  }

  /** One after the other. A mailbox that was deleted, renamed or closed under its holder takes no changes. */
  #run<T>(task: () => Promise<T>): Promise<T> {
    return this.#serial.run(() => {
      if (this.#isClosed)
        throw new StoreError("nonexistent", `The mailbox ${this.name} is not open any more.`);
      return task();
    });
  }

  // ---- looking at the disk

  #isForeign(file: string): boolean {
    const base = baseName(file.slice(4));
    if (base.startsWith(".") || this.#services.inFlight.has(base)) return false;
    return existsSync(pathOf(this.directory, file)) !== (this.#knownFile(base) === file);
  }
  #knownFile(base: string): string | undefined {
    const waiting = this.#waiting.get(base);
    if (waiting !== undefined) return waiting;
    const uid = this.#state.files.uidOf(base);
    return uid === undefined ? undefined : this.#state.files.get(uid);
  }

  async refresh(): Promise<void> {
    this.#services.checkVolume();
    // What is under way first: its files are no surprise then.
    await this.#serial.idle();
    if (this.#arrivals.length > 0) await this.#takeSoon();
    const changed = (await this.#watch!.foreignChange()) ?? (this.#state.withheld > 0 ? "all" : undefined);
    if (changed !== undefined) await this.#scan(changed);
    // A look that began by itself meanwhile shows what it found only at its end.
    else await this.#serial.idle();
  }
  #scan(scope: Scope): Promise<void> {
    if (scope === "new")
      return this.#run(async () => {
        await this.#takeArrivals();
        this.#watch!.looking("new");
        if (!(await compareNew(this.#state))) await this.#compare();
      });
    this.#scanning ??= this.#run(() => {
      this.#scanning = undefined;
      return this.#compare();
    });
    return this.#scanning;
  }
  async #compare(): Promise<void> {
    await this.#takeArrivals();
    this.#watch!.looking("all");
    if (!(await compareWithDisk(this.#state))) return;
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.#scanSoon();
    }, RESCAN_MS).unref();
  }
  #scanSoon(): void {
    this.#scan("all").catch((error) =>
      this.#services.log.warn({ err: error, mailbox: this.name }, "the mailbox could not be read"),
    );
  }

  // ---- messages that come

  /** A delivery is about to put this file in place: what the folder's watch tells of it is no news. */
  expect(file: string): void {
    this.#state.expect(file);
  }
  /**
   * A delivery has put a file in place, synced and counted it. Who holds the mailbox is shown it at once; with nobody
   * to show it to it waits, so that all that come until the next look share one append to the list and one sync.
   */
  arrived(file: string, facts: MessageFacts): void {
    const base = baseName(file.slice(4));
    this.#arrivals.push({ from: undefined, file, facts });
    this.#waiting.set(base, file);
    this.#state.counted.add(base);
    if (this.#isClosed || (this.holders <= 0 && this.#arrivals.length < MAX_WAITING)) return;
    this.#takeSoon().catch((error) => {
      this.#services.log.warn({ err: error, file }, "a delivered message waits for its UID");
    });
  }
  /** One for all that arrive until its turn comes. */
  #takeSoon(): Promise<void> {
    this.#taking ??= this.#run(() => {
      this.#taking = undefined;
      return this.#takeArrivals();
    });
    return this.#taking;
  }
  /** Gives UIDs to what has arrived; what gets none, for want of room or a sync, waits on. */
  async #takeArrivals(): Promise<void> {
    const arrivals = this.#arrivals;
    if (arrivals.length === 0) return;
    this.#arrivals = [];
    try {
      const isNew = ({ file }: Arrival) => !this.#state.files.wasAdded(baseName(file.slice(4)));
      const unseen = arrivals.filter(isNew);
      if (unseen.length > 0) await admit(this.#state, unseen);
    } catch (error) {
      this.#arrivals = [...arrivals, ...this.#arrivals];
      // On a full disk what is known can still be read, and expunged.
      if (error instanceof StoreError && error.code === "no-space") {
        this.#isFull = true;
        return;
      }
      throw error;
    }
    this.#isFull = false;
    for (const { file } of arrivals) {
      const base = baseName(file.slice(4));
      this.#waiting.delete(base);
      this.#state.counted.delete(base);
    }
  }

  async append(message: AppendMessage): Promise<{ uid: number }> {
    return { uid: (await this.appendAll([message])).uids[0]! };
  }

  async appendAll(messages: readonly AppendMessage[]): Promise<{ uids: number[] }> {
    const written = await Promise.allSettled(
      messages.map(({ content, internalDate }) =>
        writeMessage(this.directory, undefined, content, internalDate?.getTime() ?? Date.now()),
      ),
    );
    try {
      const uids = await this.#run(async () => {
        const arrivals: Arrival[] = [];
        for (const [i, result] of written.entries()) {
          if (result.status === "rejected") throw result.reason;
          const { temporary, base, crlfSize, date } = result.value;
          const file = placeFor(base, await bitsOf(this.#state, messages[i]!.flags));
          arrivals.push({ from: temporary, file, facts: { size: crlfSize, date } });
        }
        return admit(this.#state, arrivals);
      });
      return { uids };
    } catch (error) {
      for (const result of written) if (result.status === "fulfilled") removeQuietly(result.value.temporary);
      throw error;
    }
  }

  // ---- messages that change

  async setFlags(change: FlagChange): Promise<{ readonly modified: readonly number[] }> {
    const folders = new Set<string>();
    const modified = await this.#run(() => changeFlags(this.#state, change, folders));
    await Promise.all([...folders].map((folder) => syncDirectory(`${this.directory}/${folder}`)));
    // Flags that were as wanted may be another session's change, which is answered when it is durable.
    await proveDirectory(`${this.directory}/cur`);
    return { modified };
  }

  claimRecent(): readonly number[] {
    const { view, files } = this.#state;
    const uids: number[] = [];
    if (view.flags === this.#state.nobodyRecent) return uids;
    for (let i = 0; i < view.count; i++) if (view.flags[i]! & Flag.Recent) uids.push(view.uids[i]!);
    this.#state.nobodyRecent = view.flags;
    if (uids.length === 0) return uids;
    this.#state.view = withoutRecent(view);
    this.#state.nobodyRecent = this.#state.view.flags;
    this.#savedModSeq = -1;
    // As Dovecot does: what a session has seen moves from new to cur.
    this.#run(async () => {
      const pace = new Pace();
      for (const uid of uids) {
        await pace.step();
        const at = positionOf(this.#state.view, uid);
        if (at < 0 || !files.inNew.has(uid)) continue;
        try {
          renameFor(this.#state, uid, this.#state.view.flags[at]!, new Set());
        } catch (error) {
          // Another program took it; the next look finds where it is.
          if (errorCode(error) !== "ENOENT") throw error;
        }
      }
    }).catch((error) => this.#services.log.warn({ err: error, mailbox: this.name }, "new mail stays in new"));
    return uids;
  }

  async copy(uids: readonly number[], target: string): Promise<CopyResult> {
    const to = await this.#services.openTarget(target);
    try {
      const copies = await this.#run(() => linkCopies(this.#state, uids, to.directory));
      try {
        const targetUids = await to.admit(copies);
        return { uidValidity: to.uidValidity, sourceUids: copies.map((copy) => copy.uid), targetUids };
      } catch (error) {
        for (const { temporary } of copies) removeQuietly(temporary);
        throw error;
      }
    } finally {
      to.release();
    }
  }

  async move(uids: readonly number[], target: string): Promise<CopyResult> {
    const copied = await this.copy(uids, target);
    const isThere = (uid: number) => positionOf(this.view(), uid) >= 0;
    await this.#run(() => removeMessages(this.#state, copied.sourceUids.filter(isThere), removal));
    return copied;
  }
  /** Adds messages that have a name of ours in this folder's `tmp`. Resolves with their UIDs, pairwise. */
  admit(links: readonly FlaggedLink[]): Promise<number[]> {
    return this.#run(() => admitLinks(this.#state, links));
  }

  expunge(uids?: readonly number[]): Promise<{ readonly uids: readonly number[]; readonly modSeq: number }> {
    return this.#run(async () => {
      const { view } = this.#state;
      const wanted = uids === undefined ? undefined : new Set(uids);
      const chosen: number[] = [];
      for (let i = 0; i < view.count; i++)
        if (view.flags[i]! & Flag.Deleted && (wanted === undefined || wanted.has(view.uids[i]!)))
          chosen.push(view.uids[i]!);
      return removeMessages(this.#state, chosen, await this.#services.disposal());
    });
  }
  /** Expunges the messages that came into the mailbox before `time` (SAVEDATE, milliseconds). Resolves with how many. */
  expire(time: number): Promise<number> {
    return this.#run(async () => {
      const { view, files } = this.#state;
      const old: number[] = [];
      const pace = new Pace();
      for (let i = 0; i < view.count; i++) {
        await pace.step();
        const file = files.get(view.uids[i]!);
        if (file !== undefined && cameBefore(this.directory, file, time)) old.push(view.uids[i]!);
      }
      if (old.length > 0) await removeMessages(this.#state, old, await this.#services.disposal());
      return old.length;
    });
  }

  async expungedSince(
    modSeq: number,
  ): Promise<{ readonly uids: readonly number[]; readonly complete: boolean }> {
    const uids = this.#state.expunged.flatMap((entry) => (entry.modSeq > modSeq ? [entry.uid] : []));
    return { uids: uids.sort((a, b) => a - b), complete: modSeq >= this.#state.rememberedFrom };
  }

  // ---- reading

  async read(uid: number): Promise<MessageContent> {
    for (let attempt = 1; ; attempt++) {
      const file = this.#state.files.get(uid);
      if (file === undefined) throw new StoreError("expunged", `Message ${uid} of ${this.name} is gone.`);
      try {
        const content = await openStored(pathOf(this.directory, file), crlfSizeOf(baseName(file.slice(4))));
        if (!this.#verified.has(uid)) this.#verify(uid, content.size);
        return content;
      } catch (error) {
        if (errorCode(error) !== "ENOENT") throw storeError(error, `Reading message ${uid} of ${this.name}`);
        if (attempt === READ_ATTEMPTS)
          throw new StoreError(
            "unavailable",
            `Message ${uid} of ${this.name} is moved about by another program.`,
          );
        await this.#scan("all");
      }
    }
  }
  #verify(uid: number, size: number): void {
    this.#verified.add(uid);
    const corrected = withSize(this.#state.view, uid, size);
    if (corrected === this.#state.view) return;
    this.#state.view = corrected;
    this.#savedModSeq = -1;
  }

  async readHeader(uid: number): Promise<Buffer> {
    const content = await this.read(uid);
    try {
      for (let length = FIRST_READ; ; length = Math.min(4 * length, MAX_FIELD_BYTES)) {
        const bytes = content.buffer ?? (await content.read(0, length));
        if (bytes[0] === 13 && bytes[1] === 10) return bytes.subarray(0, 2);
        const end = bytes.indexOf(HEADER_END);
        if (end >= 0) return bytes.subarray(0, end + 4);
        if (bytes.length >= content.size || length >= MAX_FIELD_BYTES) return bytes;
      }
    } finally {
      await content.dispose();
    }
  }

  async readUsualFields(uid: number): Promise<Buffer> {
    if (positionOf(this.#state.view, uid) < 0)
      throw new StoreError("expunged", `Message ${uid} of ${this.name} is gone.`);
    const kept = this.#fields.find(uid);
    const words = kept instanceof Promise ? await kept : kept;
    if (words !== undefined) return packedBytes(words);
    const fields = usualFields(await this.readHeader(uid));
    await this.#fields.keep(uid, packBytes(fields));
    return fields;
  }

  async savedAt(uid: number): Promise<number | undefined> {
    const file = this.#state.files.get(uid);
    if (file === undefined) return undefined;
    const seconds = arrivalSeconds(file.slice(4));
    return seconds < 0 ? undefined : seconds * 1000;
  }

  /** The message's file, relative to the folder. */
  fileOf(uid: number): string | undefined {
    return this.#state.files.get(uid);
  }

  // ---- ending

  release(): void {
    this.holders--;
    if (this.holders <= 0) this.#services.released();
  }
  /** Ends what is under way and leaves the index for the next opening. */
  async close(): Promise<void> {
    clearTimeout(this.#later);
    clearTimeout(this.#saving);
    await this.#serial.run(async () => {
      if (this.#watch === undefined || this.#isClosed) return;
      await this.#save();
      await Promise.all([this.digests.close(), this.#fields.close()]);
      this.#watch.close();
      this.#isClosed = true;
    });
  }
}
