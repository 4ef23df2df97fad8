/**
 * An account's Maildir++: its folders, subscriptions and special-use names, and the mailboxes that are open.
 *
 * The folders DMS declares (Drafts, Junk, Trash, Sent) are made when a client first lists the account, not by
 * a delivery. `home/` is Sieve's and no folder. RENAME writes what it will do before it does it, and the next
 * opening of the account finishes it; DELETE moves the folder into `tmp` in one step and removes it there.
 */
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import type { Log } from "../../net/log.ts";
import {
  type AccountChange,
  type AccountStore,
  type MailboxEntry,
  type MailboxStatus,
  StoreError,
} from "../mail-store.ts";
import { countFlags } from "./columns.ts";
import { errorCode, makeDirectory, storeError, syncDirectory, writeFileDurably } from "./durable.ts";
import { field } from "./file-name.ts";
import { clientName, diskName } from "./folder-name.ts";
import { type MailboxServices, MaildirMailbox } from "./mailbox.ts";
import { Serial } from "./serial.ts";
import { readSubscriptions, writeSubscriptions } from "./subscriptions.ts";
import { nextUidValidity } from "./uid-validity.ts";
import type { Volume } from "./volume.ts";

/** Special-use folders (RFC 6154) by name, those DMS's 15-mailboxes.conf makes and subscribes. */
export const SPECIAL_FOLDERS: Readonly<Record<string, string>> = {
  Drafts: "\\Drafts",
  Junk: "\\Junk",
  Trash: "\\Trash",
  Sent: "\\Sent",
};
const SPECIAL_USE = "mailkeep-special-use";
const RENAME_INTENT = "mailkeep-rename";
const FOLDER_PARTS = ["tmp", "new", "cur"] as const;

export interface AccountOptions {
  /** Where the indexes of its mailboxes lie. */
  readonly indexDirectory: string;
  readonly separator: string;
  readonly specialFolders: Readonly<Record<string, string>>;
  /** Mailboxes nobody holds stay in memory this long, milliseconds, and at most so many of an account. */
  readonly keepMs: number;
  readonly keepCount: number;
}

export class MaildirAccount implements AccountStore {
  readonly address: string;
  readonly directory: string;
  readonly inFlight = new Set<string>();
  holders = 0;

  readonly #options: AccountOptions;
  readonly #volume: Volume;
  readonly #log: Log;
  readonly #released: () => void;
  readonly #folders = new Serial();
  readonly #counter = new Serial();
  /** Folders known to be there, by name on disk. */
  readonly #existing = new Set<string>();
  readonly #open = new Map<string, Promise<MaildirMailbox>>();
  readonly #loaded = new Map<string, MaildirMailbox>();
  readonly #idle = new Map<string, NodeJS.Timeout>();
  readonly #listeners = new Set<(change: AccountChange) => void>();
  #usage: { bytes: number; messages: number } | undefined;

  constructor(
    address: string,
    directory: string,
    volume: Volume,
    log: Log,
    options: AccountOptions,
    released: () => void,
  ) {
    this.address = address;
    this.directory = directory;
    this.#volume = volume;
    this.#log = log.child({ account: address });
    this.#options = options;
    this.#released = released;
  }

  get separator(): string {
    return this.#options.separator;
  }

  /** Makes what is missing and finishes what was begun. To be awaited once before anything else. */
  async prepare(): Promise<this> {
    this.#volume.check();
    await this.#ensure("");
    await this.#finishRename();
    return this;
  }

  // ---- folders

  /** Makes a folder where it is missing; its path is durable when it resolves. */
  async #ensure(disk: string): Promise<string> {
    const directory = this.#path(disk);
    if (this.#existing.has(disk)) return directory;
    for (const part of FOLDER_PARTS) await makeDirectory(`${directory}/${part}`);
    if (disk !== "" && !existsSync(`${directory}/maildirfolder`)) {
      writeFileSync(`${directory}/maildirfolder`, "", { mode: 0o600 });
      await syncDirectory(directory);
    }
    this.#existing.add(disk);
    return directory;
  }
  #path(disk: string): string {
    return disk === "" ? this.directory : `${this.directory}/${disk}`;
  }
  #exists(disk: string): boolean {
    if (disk === "" || this.#existing.has(disk)) return true;
    if (!existsSync(`${this.#path(disk)}/cur`)) return false;
    this.#existing.add(disk);
    return true;
  }
  #diskFolders(): string[] {
    this.#volume.check();
    try {
      return readdirSync(this.directory, { encoding: "latin1" }).filter(
        (name) =>
          clientName(name, this.separator) !== undefined &&
          name !== "" &&
          existsSync(`${this.directory}/${name}/cur`),
      );
    } catch (error) {
      throw storeError(error, `Listing ${this.directory}`);
    }
  }

  /** The folder a delivery goes to, made when it is missing. */
  async deliveryFolder(mailbox: string): Promise<{ directory: string; loaded: MaildirMailbox | undefined }> {
    const disk = diskName(mailbox, this.separator);
    if (!this.#existing.has(disk)) {
      const isNew = !this.#exists(disk);
      await this.#folders.run(() => this.#ensure(disk));
      if (isNew) this.#changed({ kind: "mailboxes" });
    }
    return { directory: this.#path(disk), loaded: this.#loaded.get(disk) };
  }

  list(): Promise<readonly MailboxEntry[]> {
    return this.#folders.run(async () => {
      let folders = this.#diskFolders();
      const missing = Object.keys(this.#options.specialFolders).filter(
        (name) => !folders.includes(`.${name}`),
      );
      if (missing.length > 0) {
        for (const name of missing) await this.#ensure(`.${name}`);
        await writeSubscriptions(this.directory, [
          ...new Set([...readSubscriptions(this.directory), ...missing]),
        ]);
        folders = this.#diskFolders();
      }
      const specialUse = this.#specialUse();
      const subscribed = new Set(readSubscriptions(this.directory));
      const selectable = new Set(["INBOX", ...folders.map((name) => name.slice(1))]);
      const names = new Set([...selectable, ...subscribed]);
      for (const name of [...names]) {
        const levels = name.split(".");
        while (levels.pop() !== undefined && levels.length > 0) names.add(levels.join("."));
      }
      const entries: MailboxEntry[] = [];
      for (const name of names) {
        const shown = name === "INBOX" ? "INBOX" : clientName(`.${name}`, this.separator);
        if (shown === undefined) continue;
        const children = `${name}.`;
        const entry = {
          name: shown,
          subscribed: subscribed.has(name),
          selectable: selectable.has(name),
          hasChildren: [...selectable].some((other) => other.startsWith(children)),
        };
        const use = specialUse.get(name);
        entries.push(use === undefined || !entry.selectable ? entry : { ...entry, specialUse: use });
      }
      return entries.sort((a, b) =>
        a.name === "INBOX" ? -1 : b.name === "INBOX" ? 1 : a.name < b.name ? -1 : 1,
      );
    });
  }

  create(name: string, specialUse?: string): Promise<void> {
    return this.#folders.run(async () => {
      const wanted = name.endsWith(this.separator) ? name.slice(0, -this.separator.length) : name;
      const disk = diskName(wanted, this.separator);
      this.#volume.check();
      if (this.#exists(disk)) throw new StoreError("already-exists", `The mailbox ${wanted} exists.`);
      await this.#ensure(disk);
      if (specialUse !== undefined)
        await this.#setSpecialUse(this.#specialUse().set(disk.slice(1), specialUse));
      this.#changed({ kind: "mailboxes" });
    });
  }

  delete(name: string): Promise<void> {
    return this.#folders.run(async () => {
      const disk = diskName(name, this.separator);
      if (disk === "") throw new StoreError("cannot", "INBOX cannot be deleted.");
      if (!this.#exists(disk)) throw nonexistent(name);
      await this.#unload(disk);
      const trash = `${this.directory}/tmp/mailkeep-deleted.${Date.now()}.${process.pid}${disk}`;
      try {
        renameSync(this.#path(disk), trash);
      } catch (error) {
        if (errorCode(error) === "ENOENT") throw nonexistent(name);
        throw storeError(error, `Deleting the mailbox ${name}`);
      }
      this.#existing.delete(disk);
      await Promise.all([syncDirectory(this.directory), syncDirectory(`${this.directory}/tmp`)]);
      const uses = this.#specialUse();
      if (uses.delete(disk.slice(1)) && SPECIAL_FOLDERS[disk.slice(1)] === undefined)
        await this.#setSpecialUse(uses);
      this.#usage = undefined;
      this.#changed({ kind: "mailboxes" });
      rm(trash, { recursive: true, force: true }).catch((error) =>
        this.#log.warn({ err: error, trash }, "a deleted mailbox is not yet removed"),
      );
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#folders.run(async () => {
      const source = diskName(from, this.separator);
      const target = diskName(to, this.separator);
      this.#volume.check();
      const folders = this.#diskFolders();
      if (target === "" || folders.includes(target))
        throw new StoreError("already-exists", `The mailbox ${to} exists.`);
      if (source === "") return this.#renameInbox(to, target);
      if (target.startsWith(`${source}.`))
        throw new StoreError("cannot", `${from} cannot be renamed to below itself.`);
      const pairs: [string, string][] = [];
      for (const folder of folders) {
        if (folder !== source && !folder.startsWith(`${source}.`)) continue;
        const renamed = target + folder.slice(source.length);
        if (folders.includes(renamed))
          throw new StoreError("already-exists", `The mailbox ${renamed.slice(1)} exists.`);
        pairs.push([folder, renamed]);
      }
      if (pairs.length === 0) throw nonexistent(from);
      for (const [folder] of pairs) await this.#unload(folder);
      await writeFileDurably(
        `${this.directory}/${RENAME_INTENT}`,
        pairs.map(([old, renamed]) => `${old} ${renamed}\n`.replaceAll(" ", "\t")).join(""),
      );
      await this.#finishRename();
      this.#changed({ kind: "mailboxes" });
    });
  }
  /** Does what the intent says and is not done yet. */
  async #finishRename(): Promise<void> {
    let intent: string;
    try {
      intent = readFileSync(`${this.directory}/${RENAME_INTENT}`, "latin1");
    } catch (error) {
      if (errorCode(error) === "ENOENT") return;
      throw storeError(error, `Reading ${this.directory}/${RENAME_INTENT}`);
    }
    const pairs = intent
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split("\t") as [string, string]);
    const uses = this.#specialUse();
    try {
      for (const [old, renamed] of pairs) {
        if (!existsSync(this.#path(old)) || existsSync(this.#path(renamed))) continue;
        renameSync(this.#path(old), this.#path(renamed));
        this.#existing.delete(old);
      }
      await syncDirectory(this.directory);
      for (const [old, renamed] of pairs) {
        const use = uses.get(old.slice(1));
        if (use === undefined || SPECIAL_FOLDERS[old.slice(1)] !== undefined) continue;
        uses.delete(old.slice(1));
        uses.set(renamed.slice(1), use);
      }
      await this.#setSpecialUse(uses);
      unlinkSync(`${this.directory}/${RENAME_INTENT}`);
      await syncDirectory(this.directory);
    } catch (error) {
      throw storeError(error, `Renaming in ${this.directory}`);
    }
  }
  /** RFC 9051 §6.3.6: INBOX's messages move into a new mailbox; INBOX stays, empty, and so do its children. */
  async #renameInbox(to: string, target: string): Promise<void> {
    await this.#ensure(target);
    const inbox = await this.#acquire("");
    try {
      await inbox.refresh();
      const view = inbox.view();
      await inbox.move([...view.uids.subarray(0, view.count)], to);
    } finally {
      inbox.release();
    }
    this.#changed({ kind: "mailboxes" });
  }

  subscribe(name: string, subscribed: boolean): Promise<void> {
    return this.#folders.run(async () => {
      const disk = diskName(name, this.separator);
      const stored = disk === "" ? "INBOX" : disk.slice(1);
      const names = readSubscriptions(this.directory);
      if (names.includes(stored) === subscribed) return;
      await writeSubscriptions(
        this.directory,
        subscribed ? [...names, stored] : names.filter((other) => other !== stored),
      );
    });
  }

  /** Special use by name on disk without its dot: the usual names, and what CREATE said (RFC 6154 §3). */
  #specialUse(): Map<string, string> {
    const uses = new Map(Object.entries(this.#options.specialFolders));
    try {
      for (const line of readFileSync(`${this.directory}/${SPECIAL_USE}`, "utf8").split("\n")) {
        const [use, name] = line.split("\t");
        if (use !== undefined && name !== undefined) uses.set(name, use);
      }
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw storeError(error, `Reading ${this.directory}/${SPECIAL_USE}`);
    }
    return uses;
  }
  async #setSpecialUse(uses: Map<string, string>): Promise<void> {
    const lines = [...uses]
      .filter(([name, use]) => this.#options.specialFolders[name] !== use)
      .map(([name, use]) => `${use}\t${name}\n`);
    const path = `${this.directory}/${SPECIAL_USE}`;
    if (lines.length > 0 || existsSync(path)) await writeFileDurably(path, lines.join(""));
  }

  // ---- mailboxes

  async status(name: string): Promise<MailboxStatus> {
    const mailbox = await this.open(name);
    try {
      const view = mailbox.view();
      return {
        messages: view.count,
        ...countFlags(view),
        uidNext: view.uidNext,
        uidValidity: mailbox.uidValidity,
        highestModSeq: view.highestModSeq,
        mailboxId: mailbox.mailboxId,
      };
    } finally {
      mailbox.release();
    }
  }

  async open(name: string): Promise<MaildirMailbox> {
    const disk = diskName(name, this.separator);
    if (!this.#exists(disk)) throw nonexistent(name);
    const wasLoaded = this.#loaded.has(disk);
    const mailbox = await this.#acquire(disk);
    if (wasLoaded) {
      try {
        await mailbox.refresh();
      } catch (error) {
        mailbox.release();
        throw error;
      }
    }
    return mailbox;
  }
  async #acquire(disk: string): Promise<MaildirMailbox> {
    let opening = this.#open.get(disk);
    if (opening === undefined) {
      const mailbox = new MaildirMailbox(
        clientName(disk, this.separator)!,
        this.#path(disk),
        this.#services(disk),
      );
      opening = mailbox.load();
      this.#open.set(disk, opening);
      this.#loaded.set(disk, mailbox);
      opening.catch(() => {
        this.#open.delete(disk);
        this.#loaded.delete(disk);
      });
    }
    const mailbox = await opening;
    mailbox.holders++;
    clearTimeout(this.#idle.get(disk));
    this.#idle.delete(disk);
    return mailbox;
  }
  #services(disk: string): MailboxServices {
    return {
      log: this.#log,
      inFlight: this.inFlight,
      indexPath: `${this.#options.indexDirectory}/${disk === "" ? "INBOX" : disk}`,
      nextUidValidity: () => this.#counter.run(() => nextUidValidity(this.directory, Date.now())),
      checkVolume: () => this.#volume.check(),
      openTarget: async (name) => {
        const target = diskName(name, this.separator);
        if (!this.#exists(target)) throw nonexistent(name);
        return this.#acquire(target);
      },
      account: (bytes, messages) => {
        if (this.#usage === undefined) return;
        this.#usage.bytes += bytes;
        this.#usage.messages += messages;
      },
      changed: (mailbox) => this.#changed({ kind: "status", mailbox }),
      released: () => this.#rest(disk),
    };
  }
  #rest(disk: string): void {
    clearTimeout(this.#idle.get(disk));
    this.#idle.delete(disk);
    this.#idle.set(disk, setTimeout(() => void this.#unload(disk), this.#options.keepMs).unref());
    while (this.#idle.size > this.#options.keepCount) void this.#unload(this.#idle.keys().next().value!);
    this.#maybeReleased();
  }
  async #unload(disk: string): Promise<void> {
    const mailbox = this.#loaded.get(disk);
    clearTimeout(this.#idle.get(disk));
    this.#idle.delete(disk);
    this.#open.delete(disk);
    this.#loaded.delete(disk);
    await mailbox?.close();
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

  /** Octets and messages of all folders, counted from the file names once and kept from then on. */
  usage(): { bytes: number; messages: number } {
    if (this.#usage === undefined) {
      const usage = { bytes: 0, messages: 0 };
      for (const disk of ["", ...this.#diskFolders()]) {
        for (const part of ["new", "cur"]) {
          const directory = `${this.#path(disk)}/${part}`;
          for (const file of readdirSync(directory, "latin1")) {
            if (file.startsWith(".")) continue;
            const size = field(file, "S");
            usage.bytes +=
              size >= 0 ? size : (statSync(`${directory}/${file}`, { throwIfNoEntry: false })?.size ?? 0);
            usage.messages++;
          }
        }
      }
      this.#usage = usage;
    }
    return this.#usage;
  }
  /** A delivery into a folder that nobody has open. */
  delivered(bytes: number): void {
    if (this.#usage === undefined) return;
    this.#usage.bytes += bytes;
    this.#usage.messages++;
  }

  // ---- ending

  release(): void {
    this.holders--;
    this.#maybeReleased();
  }
  #maybeReleased(): void {
    if (this.isResting) this.#released();
  }
  /** Nobody holds the account or one of its mailboxes, and none is in memory. */
  get isResting(): boolean {
    return this.holders <= 0 && this.#loaded.size === 0;
  }
  async close(): Promise<void> {
    await this.#folders.idle();
    for (const disk of [...this.#loaded.keys()]) await this.#unload(disk);
    await this.#counter.idle();
  }
  /** Removes what deletes and deliveries of an earlier run left in `tmp`. */
  sweep(olderThan: number): void {
    for (const disk of ["", ...this.#diskFolders()]) {
      const tmp = `${this.#path(disk)}/tmp`;
      for (const file of readdirSync(tmp)) {
        const stats = statSync(`${tmp}/${file}`, { throwIfNoEntry: false });
        if (stats !== undefined && (file.startsWith("mailkeep-deleted.") || stats.ctimeMs < olderThan))
          rmSync(`${tmp}/${file}`, { recursive: true, force: true });
      }
    }
  }
}

function nonexistent(name: string): StoreError {
  return new StoreError("nonexistent", `There is no mailbox ${name}.`);
}
