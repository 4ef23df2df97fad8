/**
 * The Maildir++ store: MailStore over directories that Dovecot, mutt and rsync understand.
 *
 * An account's mail lies in `<mail>/<domain>/<local part>/` (INBOX there, `.Folder.Sub` beside it). Promises:
 * what resolved survives a power loss; a UID once shown is never another message's; no file's base name or
 * byte is changed; nothing is taken for expunged that is still there. Never: an empty mailbox because a volume
 * is not mounted, a failed fsync retried into a success.
 *
 * UIDNEXT needs no reservation of its own: a UID is shown only after its record in `dovecot-uidlist` is synced,
 * and that list never forgets the highest. MODSEQ has none, so its ceiling is reserved (mailbox-file.ts).
 *
 * A delivery gets no UID here: as with Dovecot, a message in `new` gets its UID when the mailbox is next
 * looked at, or at once when somebody has it open. So the way to `250` is one file synced and one directory.
 */
import { existsSync } from "node:fs";
import type { Log } from "../../net/log.ts";
import type { Directories } from "../../settings/directories.ts";
import type { Examination, ExaminedAccount } from "../examination.ts";
import {
  type AccountStore,
  type Delivery,
  type DeliveryOutcome,
  type DeliveryRecipient,
  type MailStore,
  StoreError,
  type StoreErrorCode,
  type StoreUsage,
} from "../mail-store.ts";
import type { Growth, Reservation } from "../quota.ts";
import type {
  ExpiryRule,
  ExpungedMessage,
  ExpungedSelection,
  MailboxCount,
  UndeleteWindow,
} from "../retention.ts";
import { MaildirAccount } from "./account.ts";
import { type Destination, deliverToAll } from "./delivery.ts";
import { DomainUsage } from "./domain-usage.ts";
import { prepareWatching } from "./folder-watch.ts";
import { localDestination } from "./local-destination.ts";
import { RestingMailboxes } from "./resting-mailboxes.ts";
import { SegmentCache } from "./segment-cache.ts";
import { SharingIndex } from "./sharing-index.ts";
import { SPECIAL_FOLDERS } from "./special-use.ts";
import type { Usage } from "./usage.ts";
import { Volume } from "./volume.ts";

export interface MaildirStoreOptions {
  readonly directories: Pick<Directories, "mail" | "state">;
  readonly log: Log;
  /** Between the levels of a mailbox name towards clients. "." as DMS's Dovecot has it, unless told otherwise. */
  readonly separator?: "." | "/";
  /** Name → RFC 6154 attribute of the folders made at the first listing. */
  readonly specialFolders?: Readonly<Record<string, string>>;
  /** Milliseconds a mailbox that nobody holds stays in memory; five minutes by default. */
  readonly keepMs?: number;
  /** Bytes that all such mailboxes together may take; 64 MiB by default. */
  readonly keepBytes?: number;
  /** Bytes that the digests of all mailboxes together may take in memory; 48 MiB by default. */
  readonly digestBytes?: number;
  /** Bytes that the accounts of a domain may use together, 0 for no ceiling. */
  readonly domainCeiling?: (domain: string) => number;
  /** How long expunged messages can be brought back; without it they cannot. */
  readonly undelete?: () => UndeleteWindow;
  /** Whether the disk has room to spare; without it that is supposed. */
  readonly hasRoom?: () => boolean;
  /** Names of the groups an account belongs to, for what is shared with them; without it none. */
  readonly groupsOf?: (account: string) => readonly string[];
  /** When messages expire; without it they never do. */
  readonly expiry?: () => readonly ExpiryRule[];
  /** Told of every change of what an account uses, once it was counted. */
  readonly usageChanged?: (account: string, before: Usage, after: Usage) => void;
}

/** Opens the store. Throws StoreError "unavailable" when the mail volume is known but not there. */
export async function openMaildirStore(options: MaildirStoreOptions): Promise<MaildirStore> {
  const volume = await Volume.open(options.directories.mail, `${options.directories.state}/store`);
  prepareWatching(options.directories.mail);
  return new MaildirStore(volume, options);
}

/** Accounts of which nothing is in use are forgotten above this number. */
const MAX_ACCOUNTS = 20_000;

const NO_WINDOW: UndeleteWindow = { days: 0, bytes: 0 };

/** Failures that are the account's own, or have their own line in the log. */
const UNREMARKABLE: ReadonlySet<StoreErrorCode> = new Set(["over-quota", "no-space"]);

export class MaildirStore implements MailStore {
  readonly #volume: Volume;
  readonly #options: MaildirStoreOptions;
  readonly #resting: RestingMailboxes;
  readonly #sharing: SharingIndex;
  readonly #digestCache: SegmentCache;
  readonly #domains: DomainUsage;
  /** The longest unused first. */
  readonly #accounts = new Map<string, Promise<MaildirAccount>>();
  #isClosed = false;

  constructor(volume: Volume, options: MaildirStoreOptions) {
    this.#volume = volume;
    this.#options = options;
    const { directories, log } = options;
    this.#sharing = new SharingIndex(
      `${directories.state}/store/sharing/${volume.id}`,
      directories.mail,
      log,
    );
    this.#digestCache = new SegmentCache(options.digestBytes ?? 48 * 1024 * 1024);
    this.#domains = new DomainUsage({
      directory: `${directories.state}/store/usage/${volume.id}`,
      mail: directories.mail,
      ceiling: options.domainCeiling ?? (() => 0),
      inMemory: (domain) => this.#inMemory(domain),
      log,
    });
    this.#resting = new RestingMailboxes(options.keepMs ?? 300_000, options.keepBytes ?? 64 * 1024 * 1024);
  }

  /** The account, held until `release` of it. */
  async hold(name: string): Promise<MaildirAccount> {
    if (this.#isClosed) throw new StoreError("unavailable", "The store is closed.");
    const address = name.toLowerCase();
    let opening = this.#accounts.get(address);
    if (opening === undefined) {
      const path = accountPath(address);
      const { directories, log, separator = ".", specialFolders = SPECIAL_FOLDERS } = this.#options;
      opening = new MaildirAccount(address, `${directories.mail}/${path}`, {
        volume: this.#volume,
        log,
        resting: this.#resting,
        separator,
        specialFolders,
        sharing: this.#sharing,
        digestCache: this.#digestCache,
        domains: this.#domains,
        undelete: this.#options.undelete ?? (() => NO_WINDOW),
        hasRoom: this.#options.hasRoom ?? (() => true),
        usageChanged: (account, before, after) => {
          this.#domains.note(account, after);
          this.#options.usageChanged?.(account, before, after);
        },
        indexDirectory: `${directories.state}/store/index/${this.#volume.id}/${path}`,
      }).prepare();
      opening.catch(() => this.#accounts.delete(address));
      if (this.#accounts.size >= MAX_ACCOUNTS) void this.#forgetOne();
    }
    this.#accounts.delete(address);
    this.#accounts.set(address, opening);
    const account = await opening;
    account.holders++;
    return account;
  }
  /** By local part. */
  async #inMemory(domain: string): Promise<ReadonlyMap<string, MaildirAccount>> {
    const found = new Map<string, MaildirAccount>();
    for (const [address, opening] of this.#accounts) {
      if (!address.endsWith(`@${domain}`)) continue;
      const account = await opening.catch(() => undefined);
      if (account !== undefined) found.set(address.slice(0, -domain.length - 1), account);
    }
    return found;
  }
  /** Drops the longest unused account of which nothing is in use. */
  async #forgetOne(): Promise<void> {
    for (const [address, opening] of this.#accounts) {
      const account = await opening.catch(() => undefined);
      if (account?.isResting !== true || this.#accounts.get(address) !== opening) continue;
      this.#accounts.delete(address);
      return;
    }
  }

  /** Drops what memory holds of the account, its state on disk, unless somebody uses it; whether it is dropped. */
  async letGo(name: string): Promise<boolean> {
    const address = name.toLowerCase();
    const opening = this.#accounts.get(address);
    if (opening === undefined) return true;
    const account = await opening.catch(() => undefined);
    if ((account?.holders ?? 0) > 0) return false;
    await this.forget(address);
    return true;
  }

  async forget(name: string): Promise<void> {
    const address = name.toLowerCase();
    const opening = this.#accounts.get(address);
    this.#accounts.delete(address);
    await (await opening?.catch(() => undefined))?.close();
  }

  async account(address: string): Promise<AccountStore> {
    return this.hold(address);
  }

  #groupsOf(address: string): readonly string[] {
    return this.#options.groupsOf?.(address.toLowerCase()) ?? [];
  }

  /** Whether the account shares something with others, or others may with it. */
  takesPartInSharing(address: string): Promise<boolean> {
    return this.#sharing.involves(address.toLowerCase(), this.#groupsOf(address));
  }

  async sharedWith(address: string): Promise<readonly string[]> {
    const owners = await this.#sharing.ownersFor(address.toLowerCase(), this.#groupsOf(address));
    return owners.filter((owner) => existsSync(`${this.#options.directories.mail}/${accountPath(owner)}`));
  }

  async usage(address: string): Promise<StoreUsage> {
    const account = await this.hold(address);
    try {
      const domainBytes = await this.#domains.used(account.address);
      return { ...(await account.usage()), ...(domainBytes !== undefined && { domainBytes }) };
    } finally {
      account.release();
    }
  }

  examine(address: string, how: Examination): Promise<ExaminedAccount> {
    return this.#withMail(address, (account) => account.examine(how));
  }
  /** Expunges what has been in its mailbox for longer than the rules allow. Resolves with how many, by mailbox. */
  expire(address: string): Promise<readonly MailboxCount[]> {
    return this.#withMail(address, (account) => account.expire(this.#options.expiry?.() ?? []));
  }
  expungedMessages(address: string, selection: ExpungedSelection): Promise<readonly ExpungedMessage[]> {
    return this.#withMail(address, (account) => account.expungedMessages(selection));
  }
  undelete(address: string, selection: ExpungedSelection): Promise<readonly MailboxCount[]> {
    return this.#withMail(address, (account) => account.undelete(selection));
  }
  /** Throws "nonexistent" where there is no mail of the address: no directories are made for it. */
  async #withMail<T>(address: string, work: (account: MaildirAccount) => Promise<T>): Promise<T> {
    if (!existsSync(`${this.#options.directories.mail}/${accountPath(address.toLowerCase())}`))
      throw new StoreError("nonexistent", `There is no mail of ${address}.`);
    const account = await this.hold(address);
    try {
      return await work(account);
    } finally {
      account.release();
    }
  }

  async reserve(growth: Growth): Promise<Reservation> {
    const account = await this.hold(growth.account);
    try {
      return await account.room(growth);
    } finally {
      account.release();
    }
  }

  deliver(delivery: Delivery): Promise<DeliveryOutcome[]> {
    return this.deliverBy(delivery, (_recipient, local) => local());
  }

  /** Delivers; `choose` takes the `local` destination of a recipient, or one in an account of somebody else. */
  async deliverBy(
    delivery: Delivery,
    choose: (recipient: DeliveryRecipient, local: () => Promise<Destination>) => Promise<Destination>,
  ): Promise<DeliveryOutcome[]> {
    const held: MaildirAccount[] = [];
    const reservations: Reservation[] = [];
    const local = async (recipient: DeliveryRecipient): Promise<Destination> => {
      const account = await this.hold(recipient.account);
      held.push(account);
      return localDestination(delivery, recipient, account, (kept) => reservations.push(kept));
    };
    try {
      const outcomes = await deliverToAll(delivery, (recipient) => choose(recipient, () => local(recipient)));
      for (const outcome of outcomes) {
        if (outcome.stored || UNREMARKABLE.has(outcome.error.code)) continue;
        this.#options.log.error(
          { err: outcome.error, account: outcome.account },
          "a delivery was not stored",
        );
      }
      return outcomes;
    } finally {
      for (const kept of reservations) kept.settle();
      for (const account of held) account.release();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(
      [...this.#accounts.values()].map(async (opening) => (await opening.catch(() => undefined))?.close()),
    );
    this.#accounts.clear();
    this.#domains.flush();
  }
}

/** `<domain>/<local part>`. Throws "nonexistent" for an address that is no safe path. */
export function accountPath(address: string): string {
  const at = address.lastIndexOf("@");
  const parts = [address.slice(at + 1), address.slice(0, Math.max(at, 0))];
  for (const part of parts) {
    if (part === "" || part === "." || part === ".." || /[/\0]/.test(part) || Buffer.byteLength(part) > 255)
      throw new StoreError("nonexistent", `${JSON.stringify(address)} is no address of an account.`);
  }
  return parts.join("/");
}
