/**
 * All mailboxes a user can name: the own account's, and below `shared` what others let the user see (RFC 4314).
 *
 * It is the account a session works with, so no command asks for rights itself: a name is taken apart here,
 * the mailbox's list is read, and what its rights do not allow is refused. Without the right to look up a
 * mailbox it is answered as if it were not there, for an account that shares nothing as for one that does
 * not exist. Rights are read anew by every call and followed while a mailbox is open.
 */
import {
  type AccountChange,
  type AccountStore,
  type Acl,
  type AclChange,
  type CopyResult,
  type Mailbox,
  type MailboxEntry,
  type MailboxStatus,
  type MailStore,
  StoreError,
} from "../../store/mail-store.ts";
import { copyBetween } from "./copy-between.ts";
import { GuardedMailbox, refused, rightsOn } from "./guarded-mailbox.ts";
import { ALL_RIGHTS, effectiveRights, type Right, type Rights } from "./rights.ts";
import { isNameable, parseSharedName, sharedName, sharedPrefix } from "./shared-names.ts";

/** A name, found: whose it is and what its owner calls it. */
interface Place {
  readonly account: AccountStore;
  readonly mailbox: string;
  /** As this user calls it. */
  readonly shown: string;
  readonly isOwn: boolean;
}
interface Allowed extends Place {
  readonly rights: Rights;
}

export interface UserMailboxesOptions {
  readonly store: MailStore;
  readonly own: AccountStore;
  /** Whether an account still has a user; one that was removed shares nothing. Default: all do. */
  readonly isActive?: ((account: string) => boolean) | undefined;
  /** Names of the groups the user belongs to now. Default: none. */
  readonly groups?: (() => readonly string[]) | undefined;
}

export class UserMailboxes implements AccountStore {
  readonly #store: MailStore;
  readonly #own: AccountStore;
  readonly #isActive: (account: string) => boolean;
  readonly #groups: () => readonly string[];
  readonly #others = new Map<string, Promise<AccountStore>>();
  readonly #listeners = new Set<(change: AccountChange) => void>();
  readonly #stops: (() => void)[] = [];
  #isReleased = false;

  constructor({ store, own, isActive = () => true, groups = () => [] }: UserMailboxesOptions) {
    this.#store = store;
    this.#own = own;
    this.#isActive = isActive;
    this.#groups = groups;
    this.#stops.push(own.onChange((change) => this.#tell(change)));
  }

  get address(): string {
    return this.#own.address;
  }
  get separator(): string {
    return this.#own.separator;
  }
  /** What names of other users' mailboxes begin with. */
  get othersPrefix(): string {
    return sharedPrefix(this.separator);
  }

  // ---- names and rights

  async #owners(): Promise<readonly string[]> {
    const owners = await this.#store.sharedWith(this.address);
    return owners.filter((owner) => this.#isActive(owner) && isNameable(owner, this.separator));
  }

  async #account(owner: string): Promise<AccountStore> {
    let opening = this.#others.get(owner);
    if (!opening) {
      opening = this.#store.account(owner);
      this.#others.set(owner, opening);
      opening.then(
        (account) => this.#hold(owner, account),
        () => this.#others.delete(owner),
      );
    }
    return opening;
  }
  #hold(owner: string, account: AccountStore): void {
    if (this.#isReleased) account.release();
    else this.#stops.push(account.onChange((change) => this.#tell(this.#asShown(owner, change))));
  }

  #isShared(name: string): boolean {
    return name.startsWith(this.othersPrefix) && name.includes("@");
  }

  async #place(name: string): Promise<Place> {
    if (!this.#isShared(name)) return { account: this.#own, mailbox: name, shown: name, isOwn: true };
    const owners = await this.#owners();
    const found = parseSharedName(name, this.separator, owners);
    if (!found || !owners.includes(found.owner)) throw nonexistent(name);
    const mailbox = found.mailbox.toUpperCase() === "INBOX" ? "INBOX" : found.mailbox;
    const shown = sharedName({ owner: found.owner, mailbox }, this.separator);
    return { account: await this.#account(found.owner), mailbox, shown, isOwn: false };
  }

  async #rights({ account, mailbox, isOwn }: Place): Promise<Rights> {
    return this.#rightsBy(await account.acl(mailbox), isOwn);
  }
  #rightsBy(acl: Acl, isOwner: boolean): Rights {
    if (acl.size === 0 && isOwner) return ALL_RIGHTS;
    return effectiveRights(acl, { user: this.address, groups: this.#groups(), isOwner });
  }

  /** The mailbox of that name with what the user may do there; as good as not there where that is nothing. */
  async #look(name: string): Promise<Allowed> {
    const place = await this.#place(name);
    try {
      if (place.mailbox === "") throw nonexistent(name);
      const rights = await this.#rights(place);
      if (rights === "") throw nonexistent(name);
      return { ...place, rights };
    } catch (error) {
      // The owner's own name for it is nobody else's business.
      if (error instanceof StoreError && error.code === "nonexistent") throw nonexistent(name);
      throw error;
    }
  }

  /** The mailbox, where the user has this right. */
  async #demand(name: string, right: Right): Promise<Allowed> {
    const found = await this.#look(name);
    if (found.rights.includes(right)) return found;
    throw found.rights.includes("l") ? refused(found.shown) : nonexistent(name);
  }

  /** What the user may do with a mailbox (MYRIGHTS). Throws "nonexistent" where that does not include to know of it. */
  async rightsOf(name: string): Promise<Rights> {
    const { rights } = await this.#look(name);
    if (![..."lrikxa"].some((right) => rights.includes(right))) throw nonexistent(name);
    return rights;
  }
  /** Throws unless messages may be put into the mailbox. */
  async insertable(name: string): Promise<void> {
    await this.#demand(name, "i");
  }
  /** Whose quota counts what is put there. */
  async ownerOf(name: string): Promise<string> {
    return (await this.placeOf(name)).account;
  }
  /** The account of a mailbox, and the mailbox's name in it. */
  async placeOf(name: string): Promise<{ readonly account: string; readonly name: string }> {
    const { account, mailbox } = await this.#place(name);
    return { account: account.address, name: mailbox };
  }

  async acl(name: string): Promise<Acl> {
    const { account, mailbox } = await this.#demand(name, "a");
    return account.acl(mailbox);
  }
  async setAcl(name: string, change: AclChange): Promise<void> {
    const { account, mailbox } = await this.#demand(name, "a");
    await account.setAcl(mailbox, change);
  }

  // ---- folders

  async list(): Promise<readonly MailboxEntry[]> {
    const own = await this.#own.list();
    const owners = await this.#owners();
    const subscribed = new Set<string>();
    const entries = own.filter((entry) => {
      if (!this.#isShared(entry.name))
        return entry.name !== this.othersPrefix.slice(0, -1) || entry.selectable;
      if (entry.subscribed) subscribed.add(this.#shownSubscription(entry.name));
      return false;
    });
    for (const owner of owners) {
      for (const entry of await this.#sharedEntries(owner)) {
        entries.push({ ...entry, subscribed: subscribed.delete(entry.name) });
      }
    }
    for (const name of subscribed)
      entries.push({ name, subscribed: true, selectable: false, hasChildren: false });
    return entries;
  }

  /** What of an account's mailboxes this user may know of. */
  async #sharedEntries(owner: string): Promise<MailboxEntry[]> {
    const account = await this.#account(owner).catch(() => undefined);
    if (!account) return [];
    const visible: MailboxEntry[] = [];
    for (const entry of await account.list()) {
      if (!entry.selectable) continue;
      const rights = await this.#rights({ account, mailbox: entry.name, shown: entry.name, isOwn: false });
      if (rights.includes("l")) visible.push(entry);
    }
    return visible.map(({ name }) => ({
      name: sharedName({ owner, mailbox: name }, this.separator),
      subscribed: false,
      selectable: true,
      hasChildren: visible.some((other) => other.name.startsWith(name + this.separator)),
    }));
  }

  async create(name: string, specialUse?: string): Promise<void> {
    const place = await this.#place(name);
    const parent = await this.#parentRights(place);
    if (!parent.includes("k")) throw refused(name);
    await place.account.create(place.mailbox, place.isOwn ? specialUse : undefined);
  }

  /** Rights on the nearest mailbox above one that need not exist; at the top of an account they are its owner's. */
  async #parentRights(place: Place): Promise<Rights> {
    const { mailbox, account, isOwn } = place;
    for (let end = mailbox.lastIndexOf(account.separator); end > 0; ) {
      const parent = mailbox.slice(0, end);
      try {
        return await this.#rights({ ...place, mailbox: parent });
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== "nonexistent") throw error;
      }
      end = mailbox.lastIndexOf(account.separator, end - 1);
    }
    return isOwn ? ALL_RIGHTS : "";
  }

  async delete(name: string): Promise<void> {
    const { account, mailbox } = await this.#demand(name, "x");
    await account.delete(mailbox);
  }

  async rename(from: string, to: string): Promise<void> {
    const source = await this.#demand(from, "x");
    const target = await this.#place(to);
    if (source.account !== target.account) {
      throw new StoreError("cannot", "A mailbox stays with its owner; copy its messages instead.");
    }
    // RENAME of INBOX moves its messages, which is its owner's to decide.
    if (source.mailbox === "INBOX" && !source.isOwn) throw refused(from);
    if (!(await this.#parentRights(target)).includes("k")) throw refused(to);
    await source.account.rename(source.mailbox, target.mailbox);
  }

  /** A subscription is the user's own, whoever owns the mailbox; it lasts when the mailbox does not. */
  async subscribe(name: string, subscribed: boolean): Promise<void> {
    if (!this.#isShared(name)) return this.#own.subscribe(name, subscribed);
    const { separator } = this;
    const found = parseSharedName(name, separator, await this.#owners());
    if (!found) throw nonexistent(name);
    // A level on disk has no dot.
    const stored = sharedName(found, separator).split(separator);
    await this.#own.subscribe(stored.map((level) => level.replaceAll(".", "^")).join(separator), subscribed);
  }
  #shownSubscription(stored: string): string {
    const { separator } = this;
    if (separator === ".") return stored;
    const levels = stored.split(separator);
    return levels.map((level, index) => (index === 1 ? level.replaceAll("^", ".") : level)).join(separator);
  }

  async status(name: string): Promise<MailboxStatus> {
    const { account, mailbox } = await this.#demand(name, "r");
    return account.status(mailbox);
  }

  // ---- annotations

  /** RFC 5464 §3.3: who sees a mailbox and may use it sees its shared annotations; private ones are the owner's. */
  async metadata(name: string): Promise<ReadonlyMap<string, Buffer>> {
    if (name === "") return this.#own.metadata(name);
    const { account, mailbox, rights, isOwn } = await this.#demand(name, "l");
    if (isOwn) return account.metadata(mailbox);
    if (![..."rswip"].some((right) => rights.includes(right))) throw refused(name);
    return new Map([...(await account.metadata(mailbox))].filter(([entry]) => entry.startsWith("/shared/")));
  }
  async setMetadata(name: string, changes: ReadonlyMap<string, Buffer | null>): Promise<void> {
    if (name === "") return this.#own.setMetadata(name, changes);
    const { account, mailbox, isOwn } = await this.#demand(name, "w");
    if (!isOwn && [...changes.keys()].some((entry) => !entry.startsWith("/shared/"))) throw refused(name);
    await account.setMetadata(mailbox, changes);
  }

  // ---- mailboxes

  /** The mailbox, guarded unless it is the user's own without limits. Needs the right to read or to insert. */
  async open(name: string): Promise<Mailbox> {
    const found = await this.#look(name);
    if (found.rights.includes("r") || found.rights.includes("i")) return this.#open(found);
    throw found.rights.includes("l") ? refused(found.shown) : nonexistent(name);
  }
  /** The same for SELECT: without the right to read it is refused. */
  async openToRead(name: string): Promise<Mailbox> {
    return this.#open(await this.#demand(name, "r"));
  }
  async #open({ account, mailbox, isOwn, rights, shown }: Allowed): Promise<Mailbox> {
    if (isOwn && rights === ALL_RIGHTS) return account.open(mailbox);
    let now = rights;
    const stop = account.onChange((change) => {
      if (change.kind === "acl" && change.mailbox === mailbox) now = this.#rightsBy(change.acl, isOwn);
    });
    try {
      const inner = await account.open(mailbox);
      return new GuardedMailbox(inner, { name: () => shown, rights: () => now, released: stop });
    } catch (error) {
      stop();
      throw error;
    }
  }

  /** Copies from an open mailbox into a named one; what flags may not be set there are left out. */
  async copy(source: Mailbox, uids: readonly number[], target: string): Promise<CopyResult> {
    if (!rightsOn(source).includes("r")) throw refused(source.name);
    const { account, mailbox, rights } = await this.#demand(target, "i");
    const sameAccount = account === (await this.#place(source.name)).account;
    const allFlags = [..."stw"].every((right) => rights.includes(right));
    if (sameAccount && allFlags) return source.copy(uids, mailbox);
    const opened = await this.open(target);
    try {
      return await copyBetween(source, uids, opened);
    } finally {
      opened.release();
    }
  }

  /** The same, and removes the messages here when they are durable there (RFC 6851 §3.3). */
  async move(source: Mailbox, uids: readonly number[], target: string): Promise<CopyResult> {
    const here = rightsOn(source);
    if (![..."rte"].every((right) => here.includes(right))) throw refused(source.name);
    const { account, mailbox, rights } = await this.#demand(target, "i");
    const sameAccount = account === (await this.#place(source.name)).account;
    const allFlags = [..."stw"].every((right) => rights.includes(right));
    if (sameAccount && allFlags) return source.move(uids, mailbox);
    const result = await this.copy(source, uids, target);
    await source.setFlags({ uids: result.sourceUids, mode: "add", flags: ["\\Deleted"] });
    await source.expunge(result.sourceUids);
    return result;
  }

  // ---- changes

  onChange(listener: (change: AccountChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  #tell(change: AccountChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }
  /** A change of another's account, under the names this user knows. */
  #asShown(owner: string, change: AccountChange): AccountChange {
    const shown = (mailbox: string) => sharedName({ owner, mailbox }, this.separator);
    if (change.kind !== "mailboxes") return { ...change, mailbox: shown(change.mailbox) };
    const renamed = change.renamed?.map(([from, to]) => [shown(from), shown(to)] as const);
    return renamed ? { kind: "mailboxes", renamed } : { kind: "mailboxes" };
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    for (const stop of this.#stops) stop();
    this.#listeners.clear();
    this.#own.release();
    for (const opening of this.#others.values())
      void opening.then(
        (account) => account.release(),
        () => {},
      );
  }
}

function nonexistent(name: string): StoreError {
  return new StoreError("nonexistent", `There is no mailbox ${name}.`);
}
