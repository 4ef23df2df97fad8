/**
 * What is known of one mailbox in memory: its packed view, its files, its MODSEQs and who listens. Every
 * change of it is published from here. The steps that change the disk (admitting, comparing, flags,
 * removing) are functions over this state; the mailbox lets them run one after the other.
 */
import type { Log } from "../../net/log.ts";
import { Flag, KEYWORD_SHIFT, type MailboxChange, type MailboxView, positionOf } from "../mail-store.ts";
import { emptyView, withoutUids } from "./columns.ts";
import { baseName, flagsOf } from "./file-name.ts";
import { MODSEQ_BLOCK, writeModSeqCeiling } from "./mailbox-file.ts";
import { MessageFiles } from "./message-files.ts";
import { writeUidList } from "./uid-list.ts";
import type { AccountUsage, CountedFile } from "./usage.ts";

/** Expunged UIDs remembered for expungedSince. */
const MAX_EXPUNGED = 20_000;

/** What a mailbox needs of its account. */
export interface MailboxHome {
  readonly log: Log;
  /** Base names that are in place but whose directory is not synced yet: a scan leaves them alone. */
  readonly inFlight: ReadonlySet<string>;
  /** Where the mailbox's index lies on the state volume. */
  readonly indexPath: string;
  nextUidValidity(): Promise<number>;
  /** Throws "unavailable" when the mail volume is not there. */
  checkVolume(): void;
  /** What the account uses, to be told of what comes and goes. */
  readonly usage: Pick<AccountUsage, "enter" | "entered" | "gaveUp" | "left" | "forget">;
  changed(mailbox: string): void;
  released(): void;
}

export class MailboxState {
  readonly directory: string;
  readonly name: string;
  readonly home: MailboxHome;
  uidValidity = 0;
  /** MAILBOXID (RFC 8474): the GUID in dovecot-uidlist, which goes with the folder when it is renamed. */
  guid = "";
  view: MailboxView = emptyView(1, 0, []);
  files = new MessageFiles();
  /** The flags in which nothing is \Recent, as somebody found out; a change of flags makes other ones. */
  nobodyRecent: Uint32Array | undefined;
  /** Base names that have no UID yet and whose delivery has counted them in the account's usage. */
  readonly counted = new Set<string>();
  /** Records in dovecot-uidlist, of which some may be of messages that are gone. */
  records = 0;
  /**
   * An append to the list failed: it may have been written in part, and its UIDs were not shown and will be given again.
   * The list is written anew before anything else is appended.
   */
  isListDoubtful = false;
  /** Files that got no UID for want of room on the disk; looked at again until there is. */
  withheld = 0;
  /** True until the first opening has read it all. */
  isLoading = true;
  modSeqCeiling = 0;
  expunged: { readonly uid: number; readonly modSeq: number }[] = [];
  /** `expunged` is complete from this MODSEQ on. */
  rememberedFrom = 0;
  /** To be told of each file that is about to be renamed or unlinked by us. */
  expect: (file: string) => void = () => undefined;
  readonly #listeners = new Set<(change: MailboxChange) => void>();

  constructor(name: string, directory: string, home: MailboxHome) {
    this.name = name;
    this.directory = directory;
    this.home = home;
  }

  listen(listener: (change: MailboxChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(view: MailboxView, change: Partial<Omit<MailboxChange, "view">>): void {
    this.view = view;
    const whole: MailboxChange = { view, added: [], expunged: [], flagged: [], ...change };
    for (const listener of this.#listeners) {
      try {
        listener(whole);
      } catch (error) {
        this.home.log.error({ err: error, mailbox: this.name }, "a listener of the mailbox failed");
      }
    }
    this.home.changed(this.name);
  }

  /** The next MODSEQ, reserved durably so that it only grows even when everything but the ceiling is lost. */
  async nextModSeq(): Promise<number> {
    const modSeq = this.view.highestModSeq + 1;
    await this.reserve(modSeq);
    return modSeq;
  }
  async reserve(modSeq: number): Promise<void> {
    if (modSeq <= this.modSeqCeiling) return;
    const ceiling = modSeq + MODSEQ_BLOCK;
    await writeModSeqCeiling(this.directory, ceiling);
    this.modSeqCeiling = ceiling;
  }

  /** Writes `dovecot-uidlist` anew, without the records of messages that are gone. */
  async rewriteUidList(): Promise<void> {
    const { view, uidValidity, guid } = this;
    const records: [number, string][] = [];
    for (let i = 0; i < view.count; i++) records.push([view.uids[i]!, this.baseOf(view.uids[i]!)]);
    await writeUidList(this.directory, { uidValidity, nextUid: view.uidNext, guid }, records);
    this.records = records.length;
    this.isListDoubtful = false;
  }

  /** Takes messages out of `view` and publishes; `flagged` are those that `view` changed besides. */
  forget(uids: readonly number[], modSeq: number, view: MailboxView, flagged: readonly number[] = []): void {
    const left: CountedFile[] = [];
    for (const uid of uids) {
      left.push({ base: this.baseOf(uid), bytes: view.sizes[positionOf(view, uid)] ?? 0 });
      this.files.delete(uid);
      this.expunged.push({ uid, modSeq });
    }
    if (this.expunged.length > MAX_EXPUNGED) {
      const dropped = this.expunged.splice(0, this.expunged.length - MAX_EXPUNGED / 2);
      this.rememberedFrom = dropped[dropped.length - 1]!.modSeq;
    }
    this.home.usage.left(left);
    const next = uids.length > 0 ? withoutUids(view, new Set(uids), modSeq) : view;
    this.publish(next, { expunged: [...uids].sort((a, b) => a - b), flagged });
  }

  /** Bits of system flags and of the keywords that have a name. */
  knownBits(): number {
    let bits = 31;
    this.view.keywords.forEach((name, i) => {
      if (name !== "") bits |= 1 << (KEYWORD_SHIFT + i);
    });
    return bits >>> 0;
  }
  /** Flag bits of a file: what its letters say, and \Recent while it lies in `new`. */
  bitsOf(file: string): number {
    const bits = flagsOf(file) & this.knownBits();
    return (file.startsWith("new/") ? bits | Flag.Recent : bits) >>> 0;
  }
  baseOf(uid: number): string {
    return baseName(this.files.get(uid)?.slice(4) ?? "");
  }
}
