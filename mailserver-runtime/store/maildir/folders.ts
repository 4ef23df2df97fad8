/**
 * The folders of one account's Maildir++: which there are, how they come, go and are renamed, who is subscribed to what.
 *
 * The folders DMS declares (Drafts, Junk, Trash, Sent) are made when a client first lists the account, not by a delivery.
 * `home/` is Sieve's and no folder. RENAME is finished after a crash (folder-rename.ts); DELETE moves the folder away in
 * one step. What changes folders runs one after the other; what is open of a folder is closed before it moves.
 */
import { existsSync, readdirSync, renameSync, rmdirSync, writeFileSync } from "node:fs";
import type { Log } from "../../net/log.ts";
import { type MailboxEntry, StoreError } from "../mail-store.ts";
import { inheritAcl } from "./acl-file.ts";
import { errorCode, makeDirectory, proveDirectory, storeError, syncDirectory } from "./durable.ts";
import { clientName, diskName } from "./folder-name.ts";
import { type FolderPair, finishRename, intendRename } from "./folder-rename.ts";
import { Serial } from "./serial.ts";
import { readSpecialUse, writeSpecialUse } from "./special-use.ts";
import { readSubscriptions, writeSubscriptions } from "./subscriptions.ts";
import { sweepTemporary } from "./temporary-files.ts";
import type { Volume } from "./volume.ts";

const FOLDER_PARTS = ["tmp", "new", "cur"] as const;

export interface FoldersOptions {
  /** The account's own directory, which is INBOX. */
  readonly directory: string;
  readonly separator: string;
  readonly specialFolders: Readonly<Record<string, string>>;
  readonly volume: Volume;
  readonly log: Log;
  /** Takes what is open of a folder out of memory. */
  readonly close: (disk: string) => Promise<void>;
  /** What is kept of folders elsewhere goes along; it may be told of the same pairs twice. */
  readonly renamed: (pairs: readonly FolderPair[]) => Promise<void>;
}

export class Folders {
  readonly #options: FoldersOptions;
  readonly #serial = new Serial();
  /** Folders known to be there, by name on disk. */
  readonly #existing = new Set<string>();

  constructor(options: FoldersOptions) {
    this.#options = options;
  }

  /** Makes what is missing, finishes what was begun and has leftovers removed. */
  async prepare(): Promise<void> {
    const { directory, volume, log } = this.#options;
    volume.check();
    await this.#ensure("");
    await finishRename(directory, (pairs) => this.#renamed(pairs));
    this.#removeHalfMade();
    sweepTemporary(this.paths(), log);
  }

  /** Runs a task when no other changes folders. */
  run<T>(task: () => Promise<T>): Promise<T> {
    return this.#serial.run(task);
  }
  idle(): Promise<unknown> {
    return this.#serial.idle();
  }

  path(disk: string): string {
    const { directory } = this.#options;
    return disk === "" ? directory : `${directory}/${disk}`;
  }
  /** The folder of a mailbox that is there. Throws "nonexistent", "cannot". */
  pathOf(mailbox: string): string {
    const disk = this.diskOf(mailbox);
    if (!this.exists(disk)) throw nonexistent(mailbox);
    return this.path(disk);
  }
  diskOf(mailbox: string): string {
    return diskName(mailbox, this.#options.separator);
  }
  nameOf(disk: string): string {
    return clientName(disk, this.#options.separator)!;
  }
  /** Where what is particular to the account, such as its list of uses, is read with its usual folders. */
  uses(): Map<string, string> {
    return readSpecialUse(this.#options.directory, this.#options.specialFolders);
  }

  exists(disk: string): boolean {
    if (disk === "" || this.#existing.has(disk)) return true;
    if (!existsSync(`${this.path(disk)}/cur`)) return false;
    this.#existing.add(disk);
    return true;
  }
  /** Names on disk: INBOX is "", then all others. */
  all(): string[] {
    const { directory, volume, separator } = this.#options;
    volume.check();
    try {
      const others = readdirSync(directory).filter(
        (name) =>
          name.startsWith(".") &&
          clientName(name, separator) !== undefined &&
          existsSync(`${directory}/${name}/cur`),
      );
      return ["", ...others];
    } catch (error) {
      throw storeError(error, `Listing ${directory}`);
    }
  }
  paths(): string[] {
    return this.all().map((disk) => this.path(disk));
  }

  /** Makes a folder where it is missing; its path is durable when it resolves. */
  async #ensure(disk: string): Promise<void> {
    if (this.#existing.has(disk)) return;
    const directory = this.path(disk);
    for (const part of FOLDER_PARTS) await makeDirectory(`${directory}/${part}`);
    if (disk !== "" && !existsSync(`${directory}/maildirfolder`)) {
      writeFileSync(`${directory}/maildirfolder`, "", { mode: 0o600 });
      await syncDirectory(directory);
    }
    this.#existing.add(disk);
  }
  /** The same, one after the other with all that changes folders. */
  ensure(disk: string): Promise<void> {
    return this.#serial.run(() => this.#ensure(disk));
  }
  /** Makes a folder again that was there and is not any more. Throws "unavailable" when the volume is away. */
  async restore(disk: string): Promise<void> {
    this.#options.volume.check();
    await this.#options.close(disk);
    this.#existing.clear();
    await this.#serial.run(async () => {
      await this.#ensure("");
      await this.#ensure(disk);
    });
  }
  /** Folders whose making a crash cut short would be in the way of a RENAME. What holds anything at all stays. */
  #removeHalfMade(): void {
    for (const name of readdirSync(this.#options.directory)) {
      const directory = this.path(name);
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

  /** All of them, and with the first look those that every account has. */
  async list(): Promise<MailboxEntry[]> {
    const { directory, specialFolders } = this.#options;
    let folders = this.all();
    const missing = Object.keys(specialFolders).filter((name) => !folders.includes(`.${name}`));
    if (missing.length > 0) {
      for (const name of missing) await this.#ensure(`.${name}`);
      await writeSubscriptions(directory, [...new Set([...readSubscriptions(directory), ...missing])]);
      folders = this.all();
    }
    return this.#entries(folders);
  }
  #entries(folders: readonly string[]): MailboxEntry[] {
    const { directory, separator } = this.#options;
    const specialUse = this.uses();
    const subscribed = new Set(readSubscriptions(directory));
    const selectable = new Set(folders.map((disk) => disk.slice(1) || "INBOX"));
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
      const shown = name === "INBOX" ? name : clientName(`.${name}`, separator);
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

  async create(name: string, specialUse?: string): Promise<void> {
    const { directory, separator, specialFolders, volume } = this.#options;
    // "A name that ends with the separator only declares intent" (RFC 9051 §6.3.4).
    const wanted = name.endsWith(separator) ? name.slice(0, -1) : name;
    const disk = this.diskOf(wanted);
    volume.check();
    if (this.exists(disk)) throw new StoreError("already-exists", `The mailbox ${wanted} exists.`);
    await this.#ensure(disk);
    const parent = disk.slice(0, disk.lastIndexOf("."));
    if (parent !== "" && this.exists(parent)) await inheritAcl(this.path(parent), this.path(disk));
    if (specialUse !== undefined)
      await writeSpecialUse(directory, specialFolders, this.uses().set(disk.slice(1), specialUse));
  }

  /** Moves the folder to where `away` says, under its account's directory, durably. */
  async delete(name: string, away: (disk: string) => Promise<string>): Promise<string> {
    const { directory, specialFolders } = this.#options;
    const disk = this.diskOf(name);
    if (disk === "") throw new StoreError("cannot", "INBOX cannot be deleted.");
    if (!this.exists(disk)) throw nonexistent(name);
    await this.#options.close(disk);
    const target = await away(disk);
    try {
      renameSync(this.path(disk), target);
    } catch (error) {
      throw errorCode(error) === "ENOENT"
        ? nonexistent(name)
        : storeError(error, `Deleting the mailbox ${name}`);
    }
    this.#existing.delete(disk);
    await Promise.all([syncDirectory(directory), syncDirectory(target.slice(0, target.lastIndexOf("/")))]);
    const uses = this.uses();
    if (specialFolders[disk.slice(1)] === undefined && uses.delete(disk.slice(1)))
      await writeSpecialUse(directory, specialFolders, uses);
    return target;
  }

  /** Resolves with old and new name of each mailbox. INBOX is not renamed here. */
  async rename(from: string, to: string): Promise<readonly (readonly [from: string, to: string])[]> {
    const { directory } = this.#options;
    const source = this.diskOf(from);
    const target = this.diskOf(to);
    this.refuseTaken(to);
    if (target.startsWith(`${source}.`))
      throw new StoreError("cannot", `${from} cannot move to below itself.`);
    const pairs = this.all().flatMap((folder): FolderPair[] =>
      folder === source || folder.startsWith(`${source}.`)
        ? [[folder, target + folder.slice(source.length)]]
        : [],
    );
    if (pairs.length === 0) throw nonexistent(from);
    for (const [, renamed] of pairs) this.refuseTaken(this.nameOf(renamed));
    for (const [folder] of pairs) await this.#options.close(folder);
    await intendRename(directory, pairs);
    await finishRename(directory, (pairs) => this.#renamed(pairs));
    return pairs.map(([source, target]) => [this.nameOf(source), this.nameOf(target)]);
  }
  /** Throws "already-exists" where a folder has the name, or anything else lies there. */
  refuseTaken(name: string): void {
    const disk = this.diskOf(name);
    if (disk === "" || existsSync(this.path(disk)))
      throw new StoreError("already-exists", `The mailbox ${name} exists.`);
  }
  /** What CREATE said of a folder's use goes with it; the usual names keep theirs. */
  async #renamed(pairs: readonly FolderPair[]): Promise<void> {
    if (pairs.length === 0) return;
    const { directory, specialFolders: usual } = this.#options;
    const uses = this.uses();
    for (const [from, to] of pairs) {
      this.#existing.delete(from);
      const use = uses.get(from.slice(1));
      if (use === undefined || usual[from.slice(1)] !== undefined) continue;
      uses.delete(from.slice(1));
      uses.set(to.slice(1), use);
    }
    await writeSpecialUse(directory, usual, uses);
    await this.#options.renamed(pairs);
  }

  /** Whether anything changed. */
  async subscribe(name: string, subscribed: boolean): Promise<boolean> {
    const { directory } = this.#options;
    const stored = this.diskOf(name).slice(1) || "INBOX";
    const names = readSubscriptions(directory);
    if (names.includes(stored) === subscribed) {
      await proveDirectory(directory);
      return false;
    }
    const others = names.filter((other) => other !== stored);
    await writeSubscriptions(directory, subscribed ? [...others, stored] : others);
    return true;
  }
}

export function nonexistent(name: string): StoreError {
  return new StoreError("nonexistent", `There is no mailbox ${name}.`);
}
