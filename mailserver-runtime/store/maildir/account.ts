/**
 * An account's Maildir++ as one AccountStore: its folders (folders.ts), the mailboxes that are open (open-mailboxes.ts), what
 * it uses of its quota (usage.ts, storage-room.ts), and what was expunged and can be brought back (expunged-mail.ts).
 */
import { existsSync } from "node:fs";
import type { Log } from "../../net/log.ts";
import type { Examination, ExaminedAccount, ExaminedMailbox, MailboxProblem } from "../examination.ts";
import type {
  AccountChange,
  AccountStore,
  Acl,
  AclChange,
  MailboxEntry,
  MailboxStatus,
} from "../mail-store.ts";
import type { Growth, Reservation } from "../quota.ts";
import type {
  ExpiryRule,
  ExpungedMessage,
  ExpungedSelection,
  MailboxCount,
  UndeleteWindow,
} from "../retention.ts";
import { changeAcl, readAcl } from "./acl-file.ts";
import { countFlags } from "./columns.ts";
import type { DomainUsage } from "./domain-usage.ts";
import { indexCondition, problemsBefore, problemsOf } from "./examining.ts";
import { expiringFolders } from "./expiring.ts";
import { ExpungedMail } from "./expunged-mail.ts";
import { baseName } from "./file-name.ts";
import { Folders, nonexistent } from "./folders.ts";
import { refuseForeignLayout } from "./foreign-layout.ts";
import { IndexFiles } from "./index-files.ts";
import { MaildirMailbox } from "./mailbox.ts";
import type { MessageFacts } from "./message-facts.ts";
import { accountMetadata, changeMetadata, folderMetadata, type Metadata, readMetadata } from "./metadata.ts";
import { OpenMailboxes } from "./open-mailboxes.ts";
import type { RestingMailboxes } from "./resting-mailboxes.ts";
import { bringBack, describe, selected } from "./restoring.ts";
import type { SegmentCache } from "./segment-cache.ts";
import { Serial } from "./serial.ts";
import { identifiersIn, type SharingIndex } from "./sharing-index.ts";
import { StorageRoom } from "./storage-room.ts";
import { DELETED, removeInBackground } from "./temporary-files.ts";
import { nextUidValidity } from "./uid-validity.ts";
import { AccountUsage, type Usage } from "./usage.ts";
import type { Volume } from "./volume.ts";

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
  /** How long expunged messages can be brought back. */
  readonly undelete: () => UndeleteWindow;
  /** Whether the disk has room to spare. */
  readonly hasRoom: () => boolean;
  /** Told of every change of what the account uses. */
  usageChanged(account: string, before: Usage, after: Usage): void;
}

/** A delivery that puts a file in place; one of both is to be called. */
export interface Entry {
  /** It is there and synced. */
  done(facts: MessageFacts): void;
  /** It was taken away again. */
  failed(): void;
}

export class MaildirAccount implements AccountStore {
  readonly address: string;
  readonly directory: string;
  /** Base names of deliveries that are in place and not yet synced. */
  readonly inFlight = new Set<string>();
  holders = 0;

  readonly #context: AccountContext;
  readonly #log: Log;
  readonly #counter = new Serial();
  readonly #folders: Folders;
  readonly #mailboxes: OpenMailboxes;
  readonly #indexes: IndexFiles;
  readonly #expunged: ExpungedMail;
  readonly #usage: AccountUsage;
  readonly #room: StorageRoom;
  readonly #listeners = new Set<(change: AccountChange) => void>();
  #isSharingNoted = false;

  constructor(address: string, directory: string, context: AccountContext) {
    this.address = address;
    this.directory = directory;
    this.#context = context;
    this.#log = context.log.child({ account: address });
    const { separator, specialFolders, volume, undelete, hasRoom } = context;
    this.#indexes = new IndexFiles(context.indexDirectory);
    this.#folders = new Folders({
      ...{ directory, separator, specialFolders, volume, log: this.#log },
      close: (disk) => this.#mailboxes.close(disk),
      renamed: (pairs) => this.#indexes.rename(pairs),
    });
    this.#mailboxes = new OpenMailboxes((disk) => this.#mailbox(disk), context.resting);
    this.#expunged = new ExpungedMail({ account: directory, window: undelete, hasRoom });
    this.#usage = new AccountUsage((before, after) => context.usageChanged(address, before, after));
    this.#room = new StorageRoom({
      account: address,
      domains: context.domains,
      usage: this.#usage,
      count: () => this.usage(),
      isTrash: (mailbox) => this.#folders.uses().get(this.#folders.diskOf(mailbox).slice(1)) === "\\Trash",
    });
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
    await this.#folders.prepare();
    await this.#indexes.removeOrphans(this.#folders.all());
    return this;
  }

  // ---- deliveries

  /** The folder a delivery goes to, made when it is missing. */
  async deliveryFolder(mailbox: string): Promise<{ readonly disk: string; readonly directory: string }> {
    const disk = this.#folders.diskOf(mailbox);
    if (!this.#folders.exists(disk)) {
      await this.#folders.ensure(disk);
      this.#changed({ kind: "mailboxes" });
    }
    return { disk, directory: this.#folders.path(disk) };
  }
  /** Makes a folder again that was there and is not any more. Throws "unavailable" when the volume is away. */
  restoreFolder(disk: string): Promise<void> {
    return this.#folders.restore(disk);
  }
  /** A delivery is about to put this file in place. It is shown at once where somebody has the mailbox open. */
  delivering(disk: string, file: string): Entry {
    const base = baseName(file.slice(4));
    this.inFlight.add(base);
    this.#usage.enter(base);
    const told = this.#mailboxes.get(disk);
    told?.expect(file);
    return {
      done: (facts) => {
        this.inFlight.delete(base);
        this.#usage.entered([{ base, bytes: facts.size }]);
        const mailbox = this.#mailboxes.get(disk);
        mailbox?.arrived(file, facts);
        // One that is being closed meanwhile must not say on disk that it knows all there is.
        if (told !== mailbox) told?.arrived(file, facts);
        if (mailbox === undefined || mailbox.holders <= 0)
          this.#changed({ kind: "status", mailbox: this.#folders.nameOf(disk) });
      },
      failed: () => {
        this.inFlight.delete(base);
        this.#usage.gaveUp(base);
      },
    };
  }

  // ---- folders

  list(): Promise<readonly MailboxEntry[]> {
    return this.#folders.run(async () => {
      await this.#noteSharing();
      return this.#folders.list();
    });
  }
  create(name: string, specialUse?: string): Promise<void> {
    return this.#folders.run(async () => {
      await this.#folders.create(name, specialUse);
      this.#changed({ kind: "mailboxes" });
    });
  }
  delete(name: string): Promise<void> {
    return this.#folders.run(async () => {
      const rubbish = (disk: string) => `${this.directory}/tmp/${DELETED}${Date.now()}.${process.pid}${disk}`;
      const moved = await this.#folders.delete(
        name,
        async (disk) => (await this.#expunged.placeForFolder(disk)) ?? rubbish(disk),
      );
      this.#usage.forget();
      this.#changed({ kind: "mailboxes" });
      await this.#indexes.remove(this.#folders.diskOf(name));
      if (moved.startsWith(`${this.directory}/tmp/`)) removeInBackground(moved, this.#log);
    });
  }
  rename(from: string, to: string): Promise<void> {
    return this.#folders.run(async () => {
      if (this.#folders.diskOf(from) === "") return this.#renameInbox(to);
      const renamed = await this.#folders.rename(from, to);
      this.#changed({ kind: "mailboxes", renamed });
    });
  }
  /** RFC 9051 §6.3.6: INBOX's messages move into a new mailbox; INBOX stays, empty, and its children stay. */
  async #renameInbox(to: string): Promise<void> {
    this.#folders.refuseTaken(to);
    await this.#folders.create(to);
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
      if (await this.#folders.subscribe(name, subscribed)) this.#changed({ kind: "mailboxes" });
    });
  }

  // ---- annotations

  /** Where those of a mailbox, or with "" of the account, are kept. */
  #metadataPath(mailbox: string): string {
    if (mailbox === "") return accountMetadata(this.directory);
    return folderMetadata(this.#folders.pathOf(mailbox));
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

  async acl(mailbox: string): Promise<Acl> {
    return readAcl(this.#folders.pathOf(mailbox));
  }
  setAcl(mailbox: string, change: AclChange): Promise<void> {
    return this.#folders.run(async () => {
      this.#context.volume.check();
      const acl = await changeAcl(this.#folders.pathOf(mailbox), change);
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
    const wasOpen = this.#mailboxes.get(this.#folders.diskOf(name)) !== undefined;
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
    const disk = this.#folders.diskOf(name);
    if (!this.#folders.exists(disk)) throw nonexistent(name);
    return this.#mailboxes.hold(disk);
  }
  #mailbox(disk: string): MaildirMailbox {
    const directory = this.#folders.path(disk);
    return new MaildirMailbox(this.#folders.nameOf(disk), directory, {
      log: this.#log,
      inFlight: this.inFlight,
      indexPath: this.#indexes.index(disk),
      digestPaths: this.#indexes.digests(disk),
      digestCache: this.#context.digestCache,
      nextUidValidity: () => this.#counter.run(() => nextUidValidity(this.directory, Date.now())),
      checkVolume: () => this.#context.volume.check(),
      openTarget: (name) => this.#hold(name),
      usage: this.#usage,
      disposal: () => this.#expunged.disposal(disk, directory),
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

  // ---- quota

  usage(): Promise<Usage> {
    return this.#usage.get(() => this.#folders.paths());
  }
  get reserved(): Usage {
    return this.#usage.reserved;
  }
  /** See MailStore.reserve. */
  room(growth: Omit<Growth, "account">): Promise<Reservation> {
    return this.#room.reserve(growth);
  }

  // ---- time passing, and bringing back

  /** Expunges what the rules say has been here for too long. Resolves with how many messages, by mailbox. */
  async expire(rules: readonly ExpiryRule[]): Promise<MailboxCount[]> {
    const found: MailboxCount[] = [];
    const folders = this.#folders.all();
    for (const { disk, before } of expiringFolders(this, folders, rules, this.#context.specialFolders)) {
      const name = this.#folders.nameOf(disk);
      const mailbox = await this.open(name);
      try {
        const messages = await mailbox.expire(before);
        if (messages > 0) found.push({ mailbox: name, messages });
      } finally {
        mailbox.release();
      }
    }
    return found;
  }

  /** What can be brought back, the longest kept first. */
  async expungedMessages(selection: ExpungedSelection): Promise<ExpungedMessage[]> {
    const found: ExpungedMessage[] = [];
    const nameOf = (disk: string) => this.#folders.nameOf(disk);
    for await (const kept of selected(this.#expunged, selection, nameOf))
      found.push(await describe(kept, nameOf));
    return found;
  }
  /** Puts expunged messages back where they were, with new UIDs. Resolves with how many, by mailbox. */
  async undelete(selection: ExpungedSelection): Promise<MailboxCount[]> {
    return bringBack(this.#expunged, selection, {
      nameOf: (disk) => this.#folders.nameOf(disk),
      open: async (disk) => {
        const name = this.#folders.nameOf(disk);
        if (!this.#folders.exists(disk)) await this.create(name);
        return this.open(name);
      },
    });
  }

  // ---- for administrators

  /** See examination.ts; one mailbox after the other. */
  async examine(how: Examination): Promise<ExaminedAccount> {
    const mailboxes: ExaminedMailbox[] = [];
    const problems: MailboxProblem[] = [];
    for (const disk of this.#folders.all()) {
      const directory = this.#folders.path(disk);
      const name = this.#folders.nameOf(disk);
      const isOpen = this.#mailboxes.get(disk) !== undefined;
      const index = isOpen ? "in-use" : await indexCondition(directory, this.#indexes.index(disk));
      if (how === "check" && !isOpen) problems.push(...problemsBefore(name, directory, index));
      if (how === "rebuild") {
        await this.#mailboxes.close(disk);
        await this.#indexes.remove(disk);
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
