/**
 * An account's Maildir++: its folders, subscriptions and special-use names, and the mailboxes that are open.
 *
 * The folders DMS declares (Drafts, Junk, Trash, Sent) are made when a client first lists the account, not by
 * a delivery. `home/` is Sieve's and no folder. RENAME is finished after a crash (folder-rename.ts); DELETE
 * moves the folder into `tmp` in one step and removes it there.
 */
import { existsSync, readdirSync, renameSync, rmdirSync, writeFileSync } from "node:fs";
import type { Log } from "../../net/log.ts";
import type { Examination, ExaminedAccount, ExaminedMailbox, MailboxProblem } from "../examination.ts";
import {
  type AccountChange,
  type AccountStore,
  type Acl,
  type AclChange,
  type MailboxEntry,
  type MailboxStatus,
  StoreError,
} from "../mail-store.ts";
import { type Growth, type Reservation, TRASH_ALLOWANCE } from "../quota.ts";
import { changeAcl, inheritAcl, readAcl } from "./acl-file.ts";
import { countFlags } from "./columns.ts";
import type { DomainUsage } from "./domain-usage.ts";
import { errorCode, makeDirectory, proveDirectory, storeError, syncDirectory } from "./durable.ts";
import { indexCondition, problemsBefore, problemsOf, removeIndex } from "./examining.ts";
import { baseName } from "./file-name.ts";
import { clientName, diskName } from "./folder-name.ts";
import { type FolderPair, finishRename, intendRename } from "./folder-rename.ts";
import { refuseForeignLayout } from "./foreign-layout.ts";
import { MaildirMailbox } from "./mailbox.ts";
import type { MessageFacts } from "./message-facts.ts";
import { accountMetadata, changeMetadata, folderMetadata, type Metadata, readMetadata } from "./metadata.ts";
import { OpenMailboxes } from "./open-mailboxes.ts";
import type { RestingMailboxes } from "./resting-mailboxes.ts";
import type { SegmentCache } from "./segment-cache.ts";
import { Serial } from "./serial.ts";
import { identifiersIn, type SharingIndex } from "./sharing-index.ts";
import { readSpecialUse, writeSpecialUse } from "./special-use.ts";
import { readSubscriptions, writeSubscriptions } from "./subscriptions.ts";
import { DELETED, removeInBackground, sweepTemporary } from "./temporary-files.ts";
import { nextUidValidity } from "./uid-validity.ts";
import { AccountUsage, type Usage } from "./usage.ts";
import type { Volume } from "./volume.ts";

const FOLDER_PARTS = ["tmp", "new", "cur"] as const;

export interface AccountContext {
  readonly volume: Volume;
  readonly log: Log;
  readonly resting: RestingMailboxes;
  readonly separator: string;
  readonly specialFolders: Readonly<Record<string, string>>;
  /** Where the indexes of the account's mailboxes lie. */
  readonly indexDirectory: string;
  /** What memory holds of the mailboxes' digests. */
  readonly digestCache: SegmentCache;
  readonly sharing: SharingIndex;
  readonly domains: DomainUsage;
  /** Told of every change of what the account uses. */
  usageChanged(account: string, before: Usage, after: Usage): void;
}

export class MaildirAccount implements AccountStore {
  readonly address: string;
  readonly directory: string;
  /** Base names of deliveries that are in place and not yet synced. */
  readonly inFlight = new Set<string>();
  holders = 0;

  readonly #context: AccountContext;
  readonly #log: Log;
  readonly #folders = new Serial();
  readonly #counter = new Serial();
  /** Folders known to be there, by name on disk. */
  readonly #existing = new Set<string>();
  readonly #mailboxes: OpenMailboxes;
  readonly #usage: AccountUsage;
  readonly #listeners = new Set<(change: AccountChange) => void>();
  #isSharingNoted = false;

  constructor(address: string, directory: string, context: AccountContext) {
    this.address = address;
    this.directory = directory;
    this.#context = context;
    this.#log = context.log.child({ account: address });
    this.#usage = new AccountUsage((before, after) => context.usageChanged(address, before, after));
    this.#mailboxes = new OpenMailboxes((disk) => this.#mailbox(disk), context.resting);
  }

  get separator(): string {
    return this.#context.separator;
  }
  /** Nobody holds the account and none of its mailboxes is in memory. */
  get isResting(): boolean {
    return this.holders <= 0 && this.#mailboxes.size === 0;
  }

  /** Makes what is missing, finishes what was begun and has leftovers removed. To be awaited once before anything else. */
  async prepare(): Promise<this> {
    this.#context.volume.check();
    if (existsSync(this.directory)) refuseForeignLayout(this.directory);
    await this.#ensure("");
    await finishRename(this.directory, (pairs) => this.#renamed(pairs));
    this.#removeHalfMade();
    sweepTemporary(
      ["", ...this.#diskFolders()].map((disk) => this.#path(disk)),
      this.#log,
    );
    return this;
  }

  // ---- folders

  #path(disk: string): string {
    return disk === "" ? this.directory : `${this.directory}/${disk}`;
  }
  /** Makes a folder where it is missing; its path is durable when it resolves. */
  async #ensure(disk: string): Promise<void> {
    if (this.#existing.has(disk)) return;
    const directory = this.#path(disk);
    for (const part of FOLDER_PARTS) await makeDirectory(`${directory}/${part}`);
    if (disk !== "" && !existsSync(`${directory}/maildirfolder`)) {
      writeFileSync(`${directory}/maildirfolder`, "", { mode: 0o600 });
      await syncDirectory(directory);
    }
    this.#existing.add(disk);
  }
  /** Folders whose making a crash cut short would be in the way of a RENAME. What holds anything at all stays. */
  #removeHalfMade(): void {
    for (const name of readdirSync(this.directory)) {
      const directory = this.#path(name);
      if (!/^\.[^.]/.test(name) || existsSync(`${directory}/cur`)) continue;
      try {
        for (const part of FOLDER_PARTS)
          if (existsSync(`${directory}/${part}`)) rmdirSync(`${directory}/${part}`);
        rmdirSync(directory);
      } catch {
        // Somebody's own, and no folder of mail.
      }
    }
  }
  #exists(disk: string): boolean {
    if (disk === "" || this.#existing.has(disk)) return true;
    if (!existsSync(`${this.#path(disk)}/cur`)) return false;
    this.#existing.add(disk);
    return true;
  }
  /** Names on disk of all folders but the inbox. */
  #diskFolders(): string[] {
    this.#context.volume.check();
    try {
      return readdirSync(this.directory).filter(
        (name) =>
          name.startsWith(".") &&
          clientName(name, this.separator) !== undefined &&
          existsSync(`${this.directory}/${name}/cur`),
      );
    } catch (error) {
      throw storeError(error, `Listing ${this.directory}`);
    }
  }

  /** The folder a delivery goes to, made when it is missing. */
  async deliveryFolder(mailbox: string): Promise<{ readonly disk: string; readonly directory: string }> {
    const disk = diskName(mailbox, this.separator);
    if (!this.#exists(disk)) {
      await this.#folders.run(() => this.#ensure(disk));
      this.#changed({ kind: "mailboxes" });
    }
    return { disk, directory: this.#path(disk) };
  }
  /** Makes a folder again that was there and is not any more. Throws "unavailable" when the volume is away. */
  async restoreFolder(disk: string): Promise<void> {
    this.#context.volume.check();
    await this.#mailboxes.close(disk);
    this.#existing.clear();
    await this.#folders.run(async () => {
      await this.#ensure("");
      await this.#ensure(disk);
    });
  }
  /**
   * A delivery is about to put this file in place; what is returned is to be called when it is there and synced. It is
   * shown at once where somebody has the mailbox open.
   */
  delivering(disk: string, file: string): (facts: MessageFacts) => void {
    this.inFlight.add(baseName(file.slice(4)));
    const told = this.#mailboxes.get(disk);
    told?.expect(file);
    return (facts) => {
      this.#usage.add(facts.size, 1);
      const mailbox = this.#mailboxes.get(disk);
      mailbox?.arrived(file, facts);
      // One that is being closed meanwhile must not say on disk that it knows all there is.
      if (told !== mailbox) told?.arrived(file, facts);
      if (mailbox === undefined || mailbox.holders <= 0)
        this.#changed({ kind: "status", mailbox: clientName(disk, this.separator)! });
    };
  }

  list(): Promise<readonly MailboxEntry[]> {
    return this.#folders.run(async () => {
      await this.#noteSharing();
      let folders = this.#diskFolders();
      const missing = Object.keys(this.#context.specialFolders).filter(
        (name) => !folders.includes(`.${name}`),
      );
      if (missing.length > 0) {
        for (const name of missing) await this.#ensure(`.${name}`);
        await writeSubscriptions(this.directory, [
          ...new Set([...readSubscriptions(this.directory), ...missing]),
        ]);
        folders = this.#diskFolders();
      }
      return this.#entries(folders);
    });
  }
  #entries(folders: readonly string[]): MailboxEntry[] {
    const specialUse = readSpecialUse(this.directory, this.#context.specialFolders);
    const subscribed = new Set(readSubscriptions(this.directory));
    const selectable = new Set(["INBOX", ...folders.map((name) => name.slice(1))]);
    const names = new Set([...selectable, ...subscribed]);
    const parents = new Set<string>();
    for (const name of names) {
      const levels = name.split(".");
      for (levels.pop(); levels.length > 0; levels.pop()) {
        names.add(levels.join("."));
        if (selectable.has(name)) parents.add(levels.join("."));
      }
    }
    const entries: MailboxEntry[] = [];
    for (const name of names) {
      const shown = name === "INBOX" ? name : clientName(`.${name}`, this.separator);
      if (shown === undefined) continue;
      const use = selectable.has(name) ? specialUse.get(name) : undefined;
      entries.push({
        name: shown,
        subscribed: subscribed.has(name),
        selectable: selectable.has(name),
        hasChildren: parents.has(name),
        ...(use === undefined ? {} : { specialUse: use }),
      });
    }
    const rank = (entry: MailboxEntry) => (entry.name === "INBOX" ? "" : entry.name);
    return entries.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  }

  create(name: string, specialUse?: string): Promise<void> {
    return this.#folders.run(async () => {
      // "A name that ends with the separator only declares intent" (RFC 9051 §6.3.4).
      const wanted = name.endsWith(this.separator) ? name.slice(0, -1) : name;
      const disk = diskName(wanted, this.separator);
      this.#context.volume.check();
      if (this.#exists(disk)) throw new StoreError("already-exists", `The mailbox ${wanted} exists.`);
      await this.#ensure(disk);
      await this.#inheritAcl(disk);
      if (specialUse !== undefined) {
        const uses = readSpecialUse(this.directory, this.#context.specialFolders);
        await writeSpecialUse(
          this.directory,
          this.#context.specialFolders,
          uses.set(disk.slice(1), specialUse),
        );
      }
      this.#changed({ kind: "mailboxes" });
    });
  }

  delete(name: string): Promise<void> {
    return this.#folders.run(async () => {
      const disk = diskName(name, this.separator);
      if (disk === "") throw new StoreError("cannot", "INBOX cannot be deleted.");
      if (!this.#exists(disk)) throw nonexistent(name);
      await this.#mailboxes.close(disk);
      const doomed = `${this.directory}/tmp/${DELETED}${Date.now()}.${process.pid}${disk}`;
      try {
        renameSync(this.#path(disk), doomed);
      } catch (error) {
        throw errorCode(error) === "ENOENT"
          ? nonexistent(name)
          : storeError(error, `Deleting the mailbox ${name}`);
      }
      this.#existing.delete(disk);
      await Promise.all([syncDirectory(this.directory), syncDirectory(`${this.directory}/tmp`)]);
      const uses = readSpecialUse(this.directory, this.#context.specialFolders);
      if (this.#context.specialFolders[disk.slice(1)] === undefined && uses.delete(disk.slice(1)))
        await writeSpecialUse(this.directory, this.#context.specialFolders, uses);
      this.#usage.forget();
      this.#changed({ kind: "mailboxes" });
      removeInBackground(doomed, this.#log);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#folders.run(async () => {
      const source = diskName(from, this.separator);
      const target = diskName(to, this.separator);
      const folders = this.#diskFolders();
      const taken = (disk: string) => disk === "" || existsSync(this.#path(disk));
      if (taken(target)) throw new StoreError("already-exists", `The mailbox ${to} exists.`);
      if (source === "") return this.#renameInbox(to, target);
      if (target.startsWith(`${source}.`))
        throw new StoreError("cannot", `${from} cannot move to below itself.`);
      const pairs = folders.flatMap((folder): FolderPair[] =>
        folder === source || folder.startsWith(`${source}.`)
          ? [[folder, target + folder.slice(source.length)]]
          : [],
      );
      if (pairs.length === 0) throw nonexistent(from);
      const inTheWay = pairs.find(([, renamed]) => taken(renamed));
      if (inTheWay !== undefined)
        throw new StoreError(
          "already-exists",
          `The mailbox ${clientName(inTheWay[1], this.separator)} exists.`,
        );
      for (const [folder] of pairs) await this.#mailboxes.close(folder);
      await intendRename(this.directory, pairs);
      await finishRename(this.directory, (pairs) => this.#renamed(pairs));
      const name = (disk: string) => clientName(disk, this.separator)!;
      const renamed = pairs.map(([source, target]) => [name(source), name(target)] as const);
      this.#changed({ kind: "mailboxes", renamed });
    });
  }
  /** What CREATE said of a folder's use goes with it; the usual names keep theirs. */
  async #renamed(pairs: readonly FolderPair[]): Promise<void> {
    if (pairs.length === 0) return;
    const usual = this.#context.specialFolders;
    const uses = readSpecialUse(this.directory, usual);
    for (const [from, to] of pairs) {
      this.#existing.delete(from);
      const use = uses.get(from.slice(1));
      if (use === undefined || usual[from.slice(1)] !== undefined) continue;
      uses.delete(from.slice(1));
      uses.set(to.slice(1), use);
    }
    await writeSpecialUse(this.directory, usual, uses);
  }
  /** RFC 9051 §6.3.6: INBOX's messages move into a new mailbox; INBOX stays, empty, and its children stay. */
  async #renameInbox(to: string, target: string): Promise<void> {
    await this.#ensure(target);
    const inbox = await this.open("INBOX");
    try {
      const view = inbox.view();
      await inbox.move([...view.uids.subarray(0, view.count)], to);
    } finally {
      inbox.release();
    }
    this.#changed({ kind: "mailboxes" });
  }

  subscribe(name: string, subscribed: boolean): Promise<void> {
    return this.#folders.run(async () => {
      const stored = diskName(name, this.separator).slice(1) || "INBOX";
      const names = readSubscriptions(this.directory);
      if (names.includes(stored) === subscribed) return proveDirectory(this.directory);
      const others = names.filter((other) => other !== stored);
      await writeSubscriptions(this.directory, subscribed ? [...others, stored] : others);
      this.#changed({ kind: "mailboxes" });
    });
  }

  // ---- annotations

  /** Where those of a mailbox, or with "" of the account, are kept. */
  #metadataPath(mailbox: string): string {
    if (mailbox === "") return accountMetadata(this.directory);
    return folderMetadata(this.#folderPath(mailbox));
  }
  async metadata(mailbox: string): Promise<Metadata> {
    this.#context.volume.check();
    return readMetadata(this.#metadataPath(mailbox));
  }
  setMetadata(mailbox: string, changes: ReadonlyMap<string, Buffer | null>): Promise<void> {
    return this.#folders.run(async () => {
      this.#context.volume.check();
      await changeMetadata(this.#metadataPath(mailbox), changes);
      this.#changed({ kind: "metadata", mailbox, entries: [...changes.keys()] });
    });
  }

  // ---- rights

  #folderPath(mailbox: string): string {
    const disk = diskName(mailbox, this.separator);
    if (!this.#exists(disk)) throw nonexistent(mailbox);
    return this.#path(disk);
  }
  async acl(mailbox: string): Promise<Acl> {
    return readAcl(this.#folderPath(mailbox));
  }
  setAcl(mailbox: string, change: AclChange): Promise<void> {
    return this.#folders.run(async () => {
      this.#context.volume.check();
      const acl = await changeAcl(this.#folderPath(mailbox), change);
      this.#changed({ kind: "acl", mailbox, acl });
      await this.#context.sharing.note(this.address, await identifiersIn(this.directory));
    });
  }
  /** Lists that came with the mail, from Dovecot or a backup, are seen when the account is first looked at. */
  async #noteSharing(): Promise<void> {
    if (this.#isSharingNoted) return;
    this.#isSharingNoted = true;
    await this.#context.sharing.note(this.address, await identifiersIn(this.directory));
  }
  async #inheritAcl(disk: string): Promise<void> {
    const parent = disk.slice(0, disk.lastIndexOf("."));
    if (parent !== "" && this.#exists(parent)) await inheritAcl(this.#path(parent), this.#path(disk));
  }

  // ---- mailboxes

  async status(name: string): Promise<MailboxStatus> {
    const mailbox = await this.open(name);
    try {
      const view = mailbox.view();
      const { uidNext, highestModSeq } = view;
      const { uidValidity, mailboxId } = mailbox;
      return { messages: view.count, ...countFlags(view), uidNext, uidValidity, highestModSeq, mailboxId };
    } finally {
      mailbox.release();
    }
  }

  async open(name: string): Promise<MaildirMailbox> {
    const wasOpen = this.#mailboxes.get(diskName(name, this.separator)) !== undefined;
    const mailbox = await this.#hold(name);
    try {
      if (wasOpen) await mailbox.refresh();
      return mailbox;
    } catch (error) {
      mailbox.release();
      throw error;
    }
  }
  async #hold(name: string): Promise<MaildirMailbox> {
    const disk = diskName(name, this.separator);
    if (!this.#exists(disk)) throw nonexistent(name);
    return this.#mailboxes.hold(disk);
  }
  #indexPath(disk: string): string {
    return `${this.#context.indexDirectory}/${disk === "" ? "INBOX" : disk}`;
  }
  /** No mailbox's index has these names: theirs are INBOX and what begins with a dot. */
  #digestPaths(disk: string): { readonly text: string; readonly fields: string } {
    const { indexDirectory } = this.#context;
    return { text: `${indexDirectory}/text${disk}`, fields: `${indexDirectory}/fields${disk}` };
  }
  #mailbox(disk: string): MaildirMailbox {
    return new MaildirMailbox(clientName(disk, this.separator)!, this.#path(disk), {
      log: this.#log,
      inFlight: this.inFlight,
      indexPath: this.#indexPath(disk),
      digestPaths: this.#digestPaths(disk),
      digestCache: this.#context.digestCache,
      nextUidValidity: () => this.#counter.run(() => nextUidValidity(this.directory, Date.now())),
      checkVolume: () => this.#context.volume.check(),
      openTarget: (name) => this.#hold(name),
      account: (bytes, messages) => this.#usage.add(bytes, messages),
      changed: (mailbox) => this.#changed({ kind: "status", mailbox }),
      released: () => this.#mailboxes.released(disk),
    });
  }

  onChange(listener: (change: AccountChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  #changed(change: AccountChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#log.error({ err: error }, "a listener of the account failed");
      }
    }
  }

  usage(): Promise<Usage> {
    return this.#usage.get(() => ["", ...this.#diskFolders()].map((disk) => this.#path(disk)));
  }

  get reserved(): Usage {
    return this.#usage.reserved;
  }

  /** See MailStore.reserve. Free of cost where nothing limits the account. */
  async room(growth: Omit<Growth, "account">): Promise<Reservation> {
    const { limits } = growth;
    const { domains } = this.#context;
    if (limits.bytes <= 0 && (limits.messages ?? 0) <= 0 && !domains.limits(this.address)) return UNLIMITED;
    return domains.within({ ...growth, account: this.address }, async () => {
      const asked = await this.usage();
      // As it is now: what was counted when the answer began its way here may have grown since.
      const used = this.#usage.counted ?? asked;
      const { bytes, messages } = growth;
      const taken = used.bytes + this.reserved.bytes;
      const fits = (limit: number) => limit <= 0 || taken + bytes <= limit;
      if (
        bytes > 0 &&
        !fits(limits.bytes) &&
        !(this.#isTrash(growth.mailbox) && fits(limits.bytes + TRASH_ALLOWANCE))
      )
        throw full(`The mailbox of ${this.address} is full: ${taken} of ${limits.bytes} bytes are used.`);
      const { messages: most = 0 } = limits;
      const there = used.messages + this.reserved.messages;
      if (messages > 0 && most > 0 && there + messages > most)
        throw full(`The mailbox of ${this.address} is full: it has ${there} of ${most} messages.`);
      return this.#usage.reserve(bytes, messages);
    });
  }
  #isTrash(mailbox: string): boolean {
    const uses = readSpecialUse(this.directory, this.#context.specialFolders);
    return uses.get(diskName(mailbox, this.separator).slice(1)) === "\\Trash";
  }

  // ---- for administrators

  /** See examination.ts; one mailbox after the other. */
  async examine(how: Examination): Promise<ExaminedAccount> {
    const mailboxes: ExaminedMailbox[] = [];
    const problems: MailboxProblem[] = [];
    for (const disk of ["", ...this.#diskFolders()]) {
      const directory = this.#path(disk);
      const name = clientName(disk, this.separator)!;
      const isOpen = this.#mailboxes.get(disk) !== undefined;
      const index = isOpen ? "in-use" : await indexCondition(directory, this.#indexPath(disk));
      if (how === "check" && !isOpen) problems.push(...problemsBefore(name, directory, index));
      if (how === "rebuild") {
        await this.#mailboxes.close(disk);
        await removeIndex([this.#indexPath(disk), ...Object.values(this.#digestPaths(disk))]);
      }
      const mailbox = await this.#hold(name);
      try {
        const { count: messages, uidNext, highestModSeq } = mailbox.view();
        const { uidValidity } = mailbox;
        const { unseen, size: bytes } = countFlags(mailbox.view());
        mailboxes.push({ name, messages, unseen, bytes, uidValidity, uidNext, highestModSeq, index });
        if (how === "check") problems.push(...(await problemsOf(mailbox)));
      } finally {
        mailbox.release();
      }
    }
    if (how !== "stat") this.#usage.forget();
    return { ...(await this.usage()), mailboxes, problems };
  }

  // ---- ending

  release(): void {
    this.holders--;
  }
  async close(): Promise<void> {
    await this.#folders.idle();
    await this.#mailboxes.closeAll();
    await this.#counter.idle();
  }
}

const UNLIMITED: Reservation = { settle: () => undefined };

function full(message: string): StoreError {
  return new StoreError("over-quota", message);
}
function nonexistent(name: string): StoreError {
  return new StoreError("nonexistent", `There is no mailbox ${name}.`);
}
