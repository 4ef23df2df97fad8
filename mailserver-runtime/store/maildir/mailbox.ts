/**
 * One mailbox while somebody holds it or did a moment ago: the packed view, the file of each message, and
 * every operation that changes them, one after the other.
 *
 * What it promises: a UID is in `dovecot-uidlist`, synced, before anybody is shown it, so it is never another
 * message's; UIDs become visible in ascending order; a promise resolves when its change is durable. What it
 * never does: change a base name or a byte of a message, or take a file for expunged because one listing
 * missed it (see scan.ts).
 */
import { existsSync, linkSync, readdirSync, renameSync, unlinkSync } from "node:fs";
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import type { MessageContent } from "../../message/content.ts";
import type { Log } from "../../net/log.ts";
import {
  type AppendMessage,
  type CopyResult,
  Flag,
  type FlagChange,
  KEYWORD_SHIFT,
  MAX_KEYWORDS,
  type Mailbox,
  type MailboxChange,
  type MailboxView,
  positionOf,
  StoreError,
} from "../mail-store.ts";
import {
  emptyView,
  type NewRow,
  withFlags,
  withoutRecent,
  withoutUids,
  withRows,
  withSize,
} from "./columns.ts";
import { errorCode, storeError, syncDirectory } from "./durable.ts";
import {
  arrivalSeconds,
  baseName,
  byArrival,
  field,
  flagsOf,
  infoFor,
  isOwn,
  newBaseName,
  pathOf,
} from "./file-name.ts";
import { FolderWatch } from "./folder-watch.ts";
import { keywordNumber, readKeywords, writeKeywords } from "./keywords.ts";
import { MODSEQ_BLOCK, readModSeqCeiling, writeModSeqCeiling } from "./mailbox-file.ts";
import { factsOf, type MessageFacts } from "./message-facts.ts";
import { removeQuietly, writeMessage } from "./message-writer.ts";
import { type FolderPass, passOver } from "./scan.ts";
import { Serial } from "./serial.ts";
import { openStored } from "./stored-content.ts";
import { appendToUidList, MAX_UID, newGuid, readUidList, writeUidList } from "./uid-list.ts";

const SYSTEM_FLAGS: Readonly<Record<string, number>> = {
  "\\seen": Flag.Seen,
  "\\answered": Flag.Answered,
  "\\flagged": Flag.Flagged,
  "\\deleted": Flag.Deleted,
  "\\draft": Flag.Draft,
};
/** Renames and unlinks made before other work gets its turn. */
const SLICE = 128;
/** Expunged UIDs remembered for expungedSince. */
const MAX_EXPUNGED = 20_000;

/** What a mailbox needs of its account. */
export interface MailboxHome {
  readonly log: Log;
  /** Base names that are in place but whose directory is not synced yet: a scan leaves them alone. */
  readonly inFlight: ReadonlySet<string>;
  nextUidValidity(): Promise<number>;
  /** Throws "unavailable" when the mail volume is not there. */
  checkVolume(): void;
  openTarget(name: string): Promise<MaildirMailbox>;
  /** Quota: octets and messages added or removed. */
  account(bytes: number, messages: number): void;
  changed(name: string): void;
  released(mailbox: MaildirMailbox): void;
}

/** A message that is on its way in: the file lies at `from` and becomes `file` (both relative to the folder). */
export interface Arrival {
  /** Absolute place it is renamed from; undefined when it is in place already. */
  readonly from: string | Buffer | undefined;
  readonly file: string;
  readonly facts: MessageFacts;
}

export class MaildirMailbox implements Mailbox {
  readonly directory: string;
  uidValidity = 0;
  mailboxId = "";
  name: string;
  holders = 0;

  readonly #home: MailboxHome;
  readonly #serial = new Serial();
  readonly #listeners = new Set<(change: MailboxChange) => void>();
  #view: MailboxView = emptyView(1, 0, []);
  /** File of each UID, relative to the folder. */
  readonly #files = new Map<number, string>();
  readonly #uidOf = new Map<string, number>();
  #modSeqCeiling = 0;
  #expunged: { uid: number; modSeq: number }[] = [];
  /** expungedSince is complete from this MODSEQ on. */
  #rememberedFrom = 0;
  #pendingScan: Promise<void> | undefined;
  /** Records in dovecot-uidlist, of which many may be of messages that are gone. */
  #records = 0;
  readonly #verified = new Set<number>();
  #watch: FolderWatch | undefined;

  constructor(home: MailboxHome, name: string, directory: string) {
    this.#home = home;
    this.name = name;
    this.directory = directory;
  }

  // ---- opening

  /** Reads the state from disk. To be awaited once before anything else. */
  load(): Promise<this> {
    return this.#serial.run(async () => {
      this.#home.checkVolume();
      this.#watch = this.#watchFolder();
      const found = readUidList(this.directory);
      const list = found === "damaged" ? undefined : found;
      if (found === "damaged")
        this.#home.log.warn({ mailbox: this.name }, "dovecot-uidlist is damaged: a new UIDVALIDITY");
      this.mailboxId = list?.guid ?? newGuid();
      this.uidValidity = list?.uidValidity ?? (await this.#home.nextUidValidity());
      const keywords = readKeywords(this.directory);
      this.#modSeqCeiling = readModSeqCeiling(this.directory);
      const modSeq = this.#modSeqCeiling + 1;
      this.#rememberedFrom = modSeq;
      this.#view = emptyView(list?.nextUid ?? 1, modSeq, keywords);

      const files = await this.#allFiles(list?.names ?? []);
      const rows: NewRow[] = [];
      const records: [number, string][] = [];
      for (let i = 0; list !== undefined && i < list.uids.length; i++) {
        const base = list.names[i]!;
        const file = files.get(base);
        if (file === undefined || this.#uidOf.has(base)) continue;
        const facts = await factsOf(this.directory, file, base);
        if (facts === undefined) continue;
        const uid = list.uids[i]!;
        files.delete(base);
        rows.push({ uid, flags: this.#flagsOf(file), modSeq, size: facts.size, date: facts.date });
        records.push([uid, file.slice(4)]);
        this.#files.set(uid, file);
        this.#uidOf.set(base, uid);
      }
      this.#records = list?.uids.length ?? 0;
      this.#view = { ...withRows(this.#view, rows, modSeq), uidNext: list?.nextUid ?? 1 };
      if (
        list === undefined ||
        !list.appendable ||
        list.guid === undefined ||
        this.#records > 2 * rows.length + 1000
      )
        await this.#rewriteList(records);
      const arrivals = await this.#newcomers([...files]);
      if (arrivals.length > 0) await this.#admit(arrivals);
      else await this.#reserveModSeq(modSeq);
      return this;
    });
  }

  /** Every file there is; where known ones are missing, from as many passes as it takes to be sure. */
  async #allFiles(known: readonly string[]): Promise<Map<string, string>> {
    const all = new Map<string, string>();
    for (let attempt = 0; ; attempt++) {
      const pass = await passOver(this.directory);
      this.#nameDuplicates(pass);
      for (const [base, file] of pass.files) all.set(base, file);
      if (pass.quiet || attempt === 5 || !known.some((base) => !all.has(base))) return all;
      await delay(25);
    }
  }

  async #newcomers(found: readonly (readonly [base: string, file: string])[]): Promise<Arrival[]> {
    const arrivals: Arrival[] = [];
    for (const [base, file] of [...found].sort((a, b) => byArrival(a[0], b[0]))) {
      if (this.#home.inFlight.has(base)) continue;
      const facts = await factsOf(this.directory, file, base);
      if (facts === undefined) continue;
      arrivals.push({ from: undefined, file, facts });
    }
    return arrivals;
  }

  #nameDuplicates(pass: FolderPass): void {
    for (const file of pass.duplicates)
      if (pass.quiet)
        this.#home.log.warn(
          { mailbox: this.name, file },
          "a second file of one base name is not shown; give it another name",
        );
  }

  #flagsOf(file: string): number {
    if (file.startsWith("new/")) return (this.#knownBits() & flagsOf(file)) | Flag.Recent;
    return (this.#knownBits() & flagsOf(file)) >>> 0;
  }
  /** Bits of system flags and of the keywords that have a name. */
  #knownBits(): number {
    let bits = 31;
    this.#view.keywords.forEach((name, i) => {
      if (name !== "") bits |= 1 << (KEYWORD_SHIFT + i);
    });
    return bits;
  }

  async #rewriteList(records: readonly [number, string][]): Promise<void> {
    const header = { uidValidity: this.uidValidity, nextUid: this.#view.uidNext, guid: this.mailboxId };
    await writeUidList(this.directory, header, records);
    this.#records = records.length;
  }

  async #reserveModSeq(modSeq: number): Promise<void> {
    if (modSeq <= this.#modSeqCeiling) return;
    const ceiling = modSeq + MODSEQ_BLOCK;
    await writeModSeqCeiling(this.directory, ceiling);
    this.#modSeqCeiling = ceiling;
  }

  // ---- the view and its listeners

  view(): MailboxView {
    return this.#view;
  }
  onChange(listener: (change: MailboxChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  #publish(view: MailboxView, change: Partial<Omit<MailboxChange, "view">>): void {
    this.#view = view;
    const whole: MailboxChange = { view, added: [], expunged: [], flagged: [], ...change };
    for (const listener of this.#listeners) {
      try {
        listener(whole);
      } catch (error) {
        this.#home.log.error({ err: error, mailbox: this.name }, "a listener of the mailbox failed");
      }
    }
    this.#home.changed(this.name);
  }

  // ---- arrivals

  /** Takes in a message that deliver() has put in place and synced. */
  arrived(file: string, facts: MessageFacts): Promise<void> {
    this.#arrivals.push({ from: undefined, file, facts });
    this.#taking ??= this.#serial.run(async () => {
      this.#taking = undefined;
      const arrivals = this.#arrivals.filter((arrival) => !this.#uidOf.has(baseName(arrival.file.slice(4))));
      this.#arrivals = [];
      if (arrivals.length > 0) await this.#admit(arrivals);
    });
    return this.#taking;
  }
  #arrivals: Arrival[] = [];
  #taking: Promise<void> | undefined;

  /**
   * Gives UIDs and shows the messages once files, directories and the UID list are synced. Within the serial.
   * On failure nothing is shown and what was renamed is taken away again.
   */
  async #admit(arrivals: readonly Arrival[]): Promise<number[]> {
    const view = this.#view;
    const modSeq = view.highestModSeq + 1;
    if (view.uidNext + arrivals.length > MAX_UID)
      throw new StoreError("unavailable", `The mailbox ${this.name} has no UIDs left.`);
    const uids = arrivals.map((_, i) => view.uidNext + i);
    const renamed: string[] = [];
    const folders = new Set<string>();
    try {
      for (const { from, file } of arrivals) {
        if (from === undefined) continue;
        renameSync(from, `${this.directory}/${file}`);
        renamed.push(file);
        folders.add(file.slice(0, 3));
      }
      const bases = arrivals.map((arrival) => baseName(arrival.file.slice(4)));
      await Promise.all([
        this.#reserveModSeq(modSeq),
        appendToUidList(this.directory, uids, bases),
        ...[...folders].map((folder) => syncDirectory(`${this.directory}/${folder}`)),
      ]);
    } catch (error) {
      for (const file of renamed) removeQuietly(`${this.directory}/${file}`);
      throw storeError(error, `Adding to the mailbox ${this.name}`);
    }
    this.#records += uids.length;
    let bytes = 0;
    const rows = arrivals.map(({ file, facts }, i): NewRow => {
      this.#files.set(uids[i]!, file);
      this.#uidOf.set(baseName(file.slice(4)), uids[i]!);
      bytes += facts.size;
      return { uid: uids[i]!, flags: this.#flagsOf(file), modSeq, size: facts.size, date: facts.date };
    });
    this.#home.account(bytes, rows.length);
    this.#publish(withRows(this.#view, rows, modSeq), { added: uids });
    return uids;
  }

  async append(message: AppendMessage): Promise<{ uid: number }> {
    return { uid: (await this.appendAll([message])).uids[0]! };
  }

  async appendAll(messages: readonly AppendMessage[]): Promise<{ uids: number[] }> {
    const written = await Promise.allSettled(
      messages.map((message) =>
        writeMessage(
          this.directory,
          undefined,
          message.content,
          message.internalDate?.getTime() ?? Date.now(),
        ),
      ),
    );
    const temporaries = written.flatMap((result) =>
      result.status === "fulfilled" ? [result.value.temporary] : [],
    );
    try {
      const failed = written.find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      const uids = await this.#serial.run(async () => {
        const arrivals: Arrival[] = [];
        for (let i = 0; i < messages.length; i++) {
          const result = written[i]!;
          if (result.status === "rejected") continue;
          const flags = await this.#bitsOf(messages[i]!.flags);
          const { temporary, base, crlfSize, date } = result.value;
          arrivals.push({ from: temporary, file: placeFor(base, flags), facts: { size: crlfSize, date } });
        }
        return this.#admit(arrivals);
      });
      return { uids };
    } catch (error) {
      temporaries.forEach(removeQuietly);
      throw error;
    }
  }

  // ---- looking at the disk

  #watchFolder(): FolderWatch {
    return new FolderWatch(this.directory, {
      isForeign: (file) => {
        const base = baseName(file.slice(4));
        if (file.startsWith(".", 4) || this.#home.inFlight.has(base)) return false;
        const uid = this.#uidOf.get(base);
        const isKnown = uid !== undefined && this.#files.get(uid) === file;
        return existsSync(pathOf(this.directory, file)) !== isKnown;
      },
      changed: () => this.#scanSoon(),
    });
  }
  #scanSoon(): void {
    this.#rescan().catch((error) =>
      this.#home.log.warn({ err: error, mailbox: this.name }, "the mailbox could not be read"),
    );
  }

  async refresh(): Promise<void> {
    // What is under way first: its files are no surprise then.
    await this.#serial.idle();
    if (this.#watch === undefined || (await this.#watch.hasForeign())) await this.#rescan();
  }
  #rescan(): Promise<void> {
    this.#pendingScan ??= this.#serial.run(() => {
      this.#pendingScan = undefined;
      return this.#scan();
    });
    return this.#pendingScan;
  }

  /** Compares the folder with the view and takes in the differences. Within the serial. */
  async #scan(): Promise<void> {
    let pass = await passOver(this.directory);
    let missing = this.#missingIn(pass, this.#files.keys());
    if (missing.length > 0) {
      this.#home.checkVolume();
      // A second complete pass, and one during which nothing moved: only then is a file gone.
      for (let attempt = 0; missing.length > 0; attempt++) {
        const earlier = pass;
        pass = await passOver(this.directory);
        for (const [base, file] of earlier.files)
          if (!pass.files.has(base) && !this.#uidOf.has(base)) pass.files.set(base, file);
        missing = this.#missingIn(pass, missing);
        if (pass.quiet || missing.length === 0) break;
        if (attempt === 4) {
          // The folder is never still: what is missing stays until a calmer moment.
          missing = [];
          this.#scanLater();
          break;
        }
        await delay(25);
      }
    }
    this.#nameDuplicates(pass);
    const found: [string, string][] = [];
    const positions: number[] = [];
    const flags: number[] = [];
    for (const [base, file] of pass.files) {
      const uid = this.#uidOf.get(base);
      if (uid === undefined) {
        found.push([base, file]);
        continue;
      }
      if (this.#files.get(uid) === file) continue;
      this.#files.set(uid, file);
      const at = positionOf(this.#view, uid);
      const old = this.#view.flags[at]!;
      const now = file.startsWith("new/") ? this.#flagsOf(file) & (old | ~Flag.Recent) : this.#flagsOf(file);
      if (now >>> 0 === old) continue;
      positions.push(at);
      flags.push(now >>> 0);
    }
    if (missing.length > 0 || positions.length > 0) {
      const modSeq = this.#view.highestModSeq + 1;
      await this.#reserveModSeq(modSeq);
      const flagged = positions.map((at) => this.#view.uids[at]!);
      const view = positions.length > 0 ? withFlags(this.#view, positions, flags, modSeq) : this.#view;
      this.#forget(missing, modSeq, view, flagged);
    }
    const arrivals = await this.#newcomers(found);
    if (arrivals.length > 0) await this.#admit(arrivals);
  }
  #missingIn(pass: FolderPass, uids: Iterable<number>): number[] {
    const missing: number[] = [];
    for (const uid of uids) if (!pass.files.has(baseName(this.#files.get(uid)!.slice(4)))) missing.push(uid);
    return missing;
  }
  #later: NodeJS.Timeout | undefined;
  #scanLater(): void {
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.#scanSoon();
    }, 1000).unref();
  }

  /** Takes messages out of the view and publishes. */
  #forget(
    uids: readonly number[],
    modSeq: number,
    view: MailboxView,
    flagged: readonly number[] = [],
    origin?: unknown,
  ): void {
    const gone = new Set(uids);
    let bytes = 0;
    for (const uid of uids) {
      bytes += view.sizes[positionOf(view, uid)] ?? 0;
      this.#uidOf.delete(baseName(this.#files.get(uid)?.slice(4) ?? ""));
      this.#files.delete(uid);
      this.#verified.delete(uid);
      this.#expunged.push({ uid, modSeq });
    }
    if (this.#expunged.length > MAX_EXPUNGED) {
      const dropped = this.#expunged.splice(0, this.#expunged.length - MAX_EXPUNGED / 2);
      this.#rememberedFrom = dropped[dropped.length - 1]!.modSeq;
    }
    if (uids.length > 0) this.#home.account(-bytes, -uids.length);
    const next = uids.length > 0 ? withoutUids(view, gone, modSeq) : view;
    this.#publish(next, { expunged: [...uids].sort((a, b) => a - b), flagged, origin });
  }

  // ---- flags

  /** Bits of flags by name; keywords new to the mailbox get a letter. Within the serial. */
  async #bitsOf(names: readonly string[]): Promise<number> {
    let bits = 0;
    let keywords: string[] | undefined;
    for (const name of names) {
      if (name.startsWith("\\")) {
        // \Recent is the server's own, and other backslash names mean nothing here (RFC 9051 §2.3.2).
        bits |= SYSTEM_FLAGS[name.toLowerCase()] ?? 0;
        continue;
      }
      const known = keywords ?? this.#view.keywords;
      let number = keywordNumber(known, name);
      if (number < 0) {
        if (known.length >= MAX_KEYWORDS)
          throw new StoreError(
            "cannot",
            `The mailbox ${this.name} has ${MAX_KEYWORDS} keywords already; "${name}" has no place.`,
          );
        if (!/^[^\s\u0000-\u001f\u007f]{1,100}$/.test(name))
          throw new StoreError("cannot", `"${name}" cannot be a keyword.`);
        keywords = [...known, name];
        number = keywords.length - 1;
      }
      bits |= 1 << (KEYWORD_SHIFT + number);
    }
    if (keywords !== undefined) {
      await writeKeywords(this.directory, keywords);
      this.#view = { ...this.#view, keywords };
    }
    return bits >>> 0;
  }

  async setFlags(change: FlagChange): Promise<{ readonly modified: readonly number[] }> {
    const { modified, folders } = await this.#serial.run(() => this.#setFlags(change));
    await Promise.all([...folders].map((folder) => syncDirectory(`${this.directory}/${folder}`)));
    return { modified };
  }
  async #setFlags(change: FlagChange): Promise<{ modified: number[]; folders: Set<string> }> {
    const bits = await this.#bitsOf(change.flags);
    const modSeq = this.#view.highestModSeq + 1;
    await this.#reserveModSeq(modSeq);
    const modified: number[] = [];
    const folders = new Set<string>();
    let todo = [...change.uids];
    for (let attempt = 0; todo.length > 0 && attempt < 3; attempt++) {
      const view = this.#view;
      const positions: number[] = [];
      const flags: number[] = [];
      const moved: number[] = [];
      let failure: unknown;
      for (let i = 0; i < todo.length && failure === undefined; i++) {
        const uid = todo[i]!;
        const at = positionOf(view, uid);
        if (at < 0) continue;
        if (
          change.unchangedSince !== undefined &&
          attempt === 0 &&
          view.modSeqs[at]! > change.unchangedSince
        ) {
          modified.push(uid);
          continue;
        }
        const old = view.flags[at]!;
        const next = applied(change.mode, old, bits, this.#knownBits());
        if (next === old) continue;
        try {
          this.#renameFor(uid, next, folders);
          positions.push(at);
          flags.push(next);
        } catch (error) {
          if (errorCode(error) === "ENOENT") moved.push(uid);
          else failure = storeError(error, `Changing flags in ${this.name}`);
        }
        if (i % SLICE === SLICE - 1) await turn();
      }
      if (positions.length > 0) {
        const flagged = positions.map((at) => this.#view.uids[at]!).sort((a, b) => a - b);
        this.#publish(withFlags(this.#view, positions, flags, modSeq), { flagged, origin: change.origin });
      }
      if (failure !== undefined) throw failure;
      todo = moved;
      if (todo.length > 0) await this.#scan();
    }
    return { modified: modified.sort((a, b) => a - b), folders };
  }
  /** Renames the file of a message for other flags; adds to `folders` what must be synced. */
  #renameFor(uid: number, flags: number, folders: Set<string>): void {
    const old = this.#files.get(uid)!;
    const file = `cur/${baseName(old.slice(4))}${infoFor(flags & ~Flag.Recent, old)}`;
    if (file === old) return;
    renameSync(pathOf(this.directory, old), pathOf(this.directory, file));
    this.#files.set(uid, file);
    folders.add("cur");
    if (old.startsWith("new/")) folders.add("new");
  }

  claimRecent(): readonly number[] {
    const view = this.#view;
    const uids: number[] = [];
    for (let i = 0; i < view.count; i++) if (view.flags[i]! & Flag.Recent) uids.push(view.uids[i]!);
    if (uids.length === 0) return uids;
    this.#view = withoutRecent(view);
    // As Dovecot does: what a session has seen moves from new to cur.
    this.#serial
      .run(async () => {
        const folders = new Set<string>();
        for (let i = 0; i < uids.length; i++) {
          const at = positionOf(this.#view, uids[i]!);
          if (at < 0 || !this.#files.get(uids[i]!)!.startsWith("new/")) continue;
          try {
            this.#renameFor(uids[i]!, this.#view.flags[at]!, folders);
          } catch (error) {
            // Another program took it; the next scan finds where it is.
            if (errorCode(error) !== "ENOENT") throw error;
          }
          if (i % SLICE === SLICE - 1) await turn();
        }
      })
      .catch((error) =>
        this.#home.log.warn({ err: error, mailbox: this.name }, "new mail could not be moved to cur"),
      );
    return uids;
  }

  // ---- copying and removing

  async copy(uids: readonly number[], target: string): Promise<CopyResult> {
    const to = await this.#home.openTarget(target);
    try {
      return await this.#copyTo(uids, to);
    } finally {
      to.release();
    }
  }

  async #copyTo(uids: readonly number[], to: MaildirMailbox): Promise<CopyResult> {
    const copies: { uid: number; temporary: string; base: string; flags: string[]; facts: MessageFacts }[] =
      [];
    try {
      await this.#serial.run(async () => {
        for (let i = 0; i < uids.length; i++) {
          const uid = uids[i]!;
          for (let attempt = 0; ; attempt++) {
            const at = positionOf(this.#view, uid);
            if (at < 0) break;
            const old = this.#files.get(uid)!;
            const facts = { size: this.#view.sizes[at]!, date: this.#view.dates[at]! };
            const size = field(baseName(old), "S");
            const base = newBaseName(Date.now(), facts.date, size < 0 ? facts.size : size, facts.size);
            const temporary = `${to.directory}/tmp/${base}`;
            try {
              linkSync(pathOf(this.directory, old), temporary);
              copies.push({ uid, temporary, base, flags: this.#flagNames(this.#view.flags[at]!), facts });
              break;
            } catch (error) {
              if (errorCode(error) !== "ENOENT" || attempt === 2)
                throw storeError(error, `Copying from ${this.name}`);
              await this.#scan();
            }
          }
          if (i % SLICE === SLICE - 1) await turn();
        }
      });
      const targetUids = await to.#take(copies);
      return { uidValidity: to.uidValidity, sourceUids: copies.map((copy) => copy.uid), targetUids };
    } catch (error) {
      for (const { temporary } of copies) removeQuietly(temporary);
      throw error;
    }
  }
  #take(
    copies: readonly { temporary: string; base: string; flags: string[]; facts: MessageFacts }[],
  ): Promise<number[]> {
    return this.#serial.run(async () => {
      const arrivals: Arrival[] = [];
      for (const { temporary, base, flags, facts } of copies)
        arrivals.push({ from: temporary, file: placeFor(base, await this.#bitsOf(flags)), facts });
      return arrivals.length === 0 ? [] : this.#admit(arrivals);
    });
  }
  #flagNames(flags: number): string[] {
    const names = Object.entries(SYSTEM_FLAGS).flatMap(([name, bit]) => (flags & bit ? [name] : []));
    this.#view.keywords.forEach((name, i) => {
      if (name !== "" && flags & (1 << (KEYWORD_SHIFT + i))) names.push(name);
    });
    return names;
  }

  async move(uids: readonly number[], target: string): Promise<CopyResult> {
    const copied = await this.copy(uids, target);
    await this.#remove(copied.sourceUids);
    return copied;
  }

  expunge(uids?: readonly number[]): Promise<{ readonly uids: readonly number[]; readonly modSeq: number }> {
    return this.#serial.run(() => {
      const view = this.#view;
      const chosen: number[] = [];
      if (uids === undefined) {
        for (let i = 0; i < view.count; i++) if (view.flags[i]! & Flag.Deleted) chosen.push(view.uids[i]!);
      } else {
        for (const uid of uids) {
          const at = positionOf(view, uid);
          if (at >= 0 && view.flags[at]! & Flag.Deleted) chosen.push(uid);
        }
        chosen.sort((a, b) => a - b);
      }
      return this.#unlink(chosen);
    });
  }
  #remove(uids: readonly number[]): Promise<{ uids: readonly number[]; modSeq: number }> {
    return this.#serial.run(() => this.#unlink(uids.filter((uid) => this.#files.has(uid))));
  }
  /** Unlinks, syncs, and only then takes them from the view: an expunged UID does not come back. Within the serial. */
  async #unlink(uids: readonly number[]): Promise<{ uids: readonly number[]; modSeq: number }> {
    const folders = new Set<string>();
    const gone: number[] = [];
    let todo = [...uids];
    let failure: unknown;
    for (let attempt = 0; todo.length > 0 && attempt < 3 && failure === undefined; attempt++) {
      const moved: number[] = [];
      for (let i = 0; i < todo.length; i++) {
        const uid = todo[i]!;
        const file = this.#files.get(uid);
        if (file === undefined) continue;
        try {
          unlinkSync(pathOf(this.directory, file));
          folders.add(file.slice(0, 3));
          gone.push(uid);
        } catch (error) {
          if (errorCode(error) !== "ENOENT") {
            failure = storeError(error, `Expunging from ${this.name}`);
            break;
          }
          moved.push(uid);
        }
        if (i % SLICE === SLICE - 1) await turn();
      }
      todo = moved;
      if (todo.length > 0 && failure === undefined) {
        // Renamed by another program, or removed by it: find where they are now.
        this.#relocate(todo);
        if (attempt === 1) {
          gone.push(...todo.filter((uid) => this.#files.has(uid)));
          todo = [];
        }
      }
    }
    await Promise.all([...folders].map((folder) => syncDirectory(`${this.directory}/${folder}`)));
    if (gone.length === 0) {
      if (failure !== undefined) throw failure;
      return { uids: [], modSeq: this.#view.highestModSeq };
    }
    const modSeq = this.#view.highestModSeq + 1;
    await this.#reserveModSeq(modSeq);
    this.#forget(gone, modSeq, this.#view);
    if (failure !== undefined) throw failure;
    return { uids: gone.sort((a, b) => a - b), modSeq };
  }
  /** Looks by base name where these messages' files are now. */
  #relocate(uids: readonly number[]): void {
    const wanted = new Map(uids.map((uid) => [baseName(this.#files.get(uid)!.slice(4)), uid]));
    for (const folder of ["new", "cur"]) {
      for (const file of readdirSync(`${this.directory}/${folder}`, "latin1")) {
        const uid = wanted.get(baseName(file));
        if (uid !== undefined) this.#files.set(uid, `${folder}/${file}`);
      }
    }
  }

  async expungedSince(
    modSeq: number,
  ): Promise<{ readonly uids: readonly number[]; readonly complete: boolean }> {
    const uids = this.#expunged.filter((entry) => entry.modSeq > modSeq).map((entry) => entry.uid);
    return { uids: uids.sort((a, b) => a - b), complete: modSeq >= this.#rememberedFrom };
  }

  // ---- reading

  async read(uid: number): Promise<MessageContent> {
    for (let attempt = 0; ; attempt++) {
      const file = this.#files.get(uid);
      if (file === undefined) throw new StoreError("expunged", `Message ${uid} of ${this.name} is gone.`);
      try {
        const base = baseName(file.slice(4));
        const content = await openStored(
          pathOf(this.directory, file),
          isOwn(base) && field(base, "S") === field(base, "W"),
        );
        if (!this.#verified.has(uid)) this.#verify(uid, content.size);
        return content;
      } catch (error) {
        if (errorCode(error) !== "ENOENT") throw storeError(error, `Reading message ${uid} of ${this.name}`);
        if (attempt === 4)
          throw new StoreError(
            "unavailable",
            `Message ${uid} of ${this.name} is moved about by another program.`,
          );
        await this.#rescan();
      }
    }
  }
  #verify(uid: number, size: number): void {
    this.#verified.add(uid);
    const at = positionOf(this.#view, uid);
    if (at >= 0 && this.#view.sizes[at] !== size) this.#view = withSize(this.#view, uid, size);
  }

  async readHeader(uid: number): Promise<Buffer> {
    const content = await this.read(uid);
    try {
      const end = Buffer.from("\r\n\r\n");
      let header = content.buffer ?? (await content.read(0, 64 * 1024));
      for (;;) {
        if (header[0] === 13 && header[1] === 10) return header.subarray(0, 2);
        const at = header.indexOf(end);
        if (at >= 0) return header.subarray(0, at + 4);
        if (header.length >= content.size) return header;
        header = await content.read(0, Math.min(content.size, 4 * header.length));
      }
    } finally {
      await content.dispose();
    }
  }

  async savedAt(uid: number): Promise<number | undefined> {
    const file = this.#files.get(uid);
    if (file === undefined) return undefined;
    const seconds = arrivalSeconds(file.slice(4));
    return seconds < 0 ? undefined : seconds * 1000;
  }

  // ---- ending

  release(): void {
    this.holders--;
    if (this.holders <= 0) this.#home.released(this);
  }
  /** Waits for what is under way. */
  async close(): Promise<void> {
    clearTimeout(this.#later);
    this.#watch?.close();
    await this.#serial.idle();
  }
}

/** Where a message with these flags lies: unflagged ones are new to everybody. */
export function placeFor(base: string, flags: number): string {
  return flags === 0 ? `new/${base}` : `cur/${base}${infoFor(flags, base)}`;
}

function applied(mode: FlagChange["mode"], old: number, bits: number, known: number): number {
  switch (mode) {
    case "add":
      return (old | bits) >>> 0;
    case "remove":
      return (old & ~bits) >>> 0;
    case "replace":
      return ((old & ~known) | bits) >>> 0;
  }
}
