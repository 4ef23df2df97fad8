/**
 * The store's interface: what every room may ask of stored mail, and what it is promised.
 *
 * A second implementation will keep accounts as replicated logs, so nothing here is a path, an inode or a
 * blocking call. An account has one writer (the store behind this interface); changes to one mailbox are
 * seen by all its listeners in one order. Whatever resolves is durable: a power loss after the promise
 * resolved loses nothing of it.
 */
import type { MessageContent } from "../message/content.ts";
import type { Growth, Reservation } from "./quota.ts";

/** Why the store refused. `code` is a closed list; `message` names the place and the way out. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
    this.code = code;
  }
}
export type StoreErrorCode =
  | "nonexistent" // no such mailbox or account
  | "already-exists"
  | "no-permission" // the mailbox is known to the user, and its list does not allow it (RFC 4314)
  | "cannot" // the name or the operation is not possible (RFC 5530 CANNOT)
  | "over-quota"
  | "no-space" // the volume is full; nothing was kept
  | "unavailable" // volume not mounted, folder unreadable, failed fsync: try again later
  | "expunged"; // the message is gone

/** System flags as bits of a flag word; keywords take the bits from KEYWORD_SHIFT on, in the mailbox's own order. */
export const Flag = { Seen: 1, Answered: 2, Flagged: 4, Deleted: 8, Draft: 16, Recent: 32 } as const;
export const KEYWORD_SHIFT = 6;
/** At most this many keywords have a bit; further ones are refused with `cannot`. */
export const MAX_KEYWORDS = 26;

export interface MailStore {
  /**
   * Makes one message durable in the mailboxes of many accounts, and tells each recipient's outcome by itself.
   * Equal bytes (prefix and content) are written once and linked.
   */
  deliver(delivery: Delivery): Promise<DeliveryOutcome[]>;
  /** The account's mail. Makes its directories at first use. Throws StoreError "unavailable". */
  account(address: string): Promise<AccountStore>;
  /** Accounts whose lists (`AccountStore.acl`) name this one or everybody, in order: where to look for shared mail. */
  sharedWith(address: string): Promise<readonly string[]>;
  /** Octets and messages counted against the quota, from memory: the answer at RCPT. */
  usage(address: string): Promise<StoreUsage>;
  /**
   * Keeps room for what is about to be stored; to be settled when it is, or is not. Throws StoreError "over-quota" where
   * there is none, with what others are storing at this moment counted in.
   */
  reserve(growth: Growth): Promise<Reservation>;
  /** Drops what memory holds of an account whose mail an administrator has removed; who still reads it gets "nonexistent". */
  forget(address: string): Promise<void>;
  close(): Promise<void>;
}

export interface StoreUsage {
  readonly bytes: number;
  readonly messages: number;
  /** What all accounts of the domain use together; only where the domain has a ceiling. */
  readonly domainBytes?: number;
}

export interface Delivery {
  readonly content: MessageContent;
  /** INTERNALDATE of every copy. */
  readonly receivedAt: Date;
  readonly recipients: readonly DeliveryRecipient[];
}
export interface DeliveryRecipient {
  readonly account: string;
  /** Trace and result headers that stand before the message in this copy, CRLF ended; may be empty. */
  readonly prefix: Buffer;
  /** Mailbox name in UTF-8, "INBOX" by default; made when it is missing. */
  readonly mailbox: string;
  readonly flags?: readonly string[];
  /** Quota of the account in bytes, 0 for none; room is reserved before the message is written. */
  readonly quotaBytes?: number;
  /** Beyond it, for the last message of an account that is below its quota. */
  readonly graceBytes?: number;
}
export type DeliveryOutcome =
  | {
      readonly account: string;
      readonly stored: true;
      /** Where the store gives the UID at delivery; one that gives it when the mailbox is next looked at leaves it out. */
      readonly uid?: number;
      readonly uidValidity?: number;
    }
  | { readonly account: string; readonly stored: false; readonly error: StoreError };

export interface MailboxEntry {
  /** UTF-8 name, levels between AccountStore.separator; how it lies on disk is the store's matter. */
  readonly name: string;
  readonly subscribed: boolean;
  readonly selectable: boolean;
  readonly hasChildren: boolean;
  /** RFC 6154 attribute, e.g. "\\Sent". */
  readonly specialUse?: string;
}

export interface AccountStore {
  readonly address: string;
  /** One character between the levels of mailbox names: that of the installation taken over ("." in DMS). */
  readonly separator: string;
  list(): Promise<readonly MailboxEntry[]>;
  /** Subscribed names that may not exist any more are listed with selectable false. */
  create(name: string, specialUse?: string): Promise<void>;
  delete(name: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  subscribe(name: string, subscribed: boolean): Promise<void>;
  /** Counters of a mailbox without opening it for a session. */
  status(name: string): Promise<MailboxStatus>;
  /** Annotations (RFC 5464) of a mailbox, or with "" of the account: values by entry name, in lower case. */
  metadata(mailbox: string): Promise<ReadonlyMap<string, Buffer>>;
  /** Sets entries, all or none; null removes one. */
  setMetadata(mailbox: string, changes: ReadonlyMap<string, Buffer | null>): Promise<void>;
  /** Who may do what with a mailbox (RFC 4314); where it is empty the mailbox is its owner's alone. */
  acl(mailbox: string): Promise<Acl>;
  /** Changes one entry; one without rights goes. A new mailbox has its parent's list. */
  setAcl(mailbox: string, change: AclChange): Promise<void>;
  /**
   * The live mailbox, with what others put there until now; one object per mailbox while anybody holds it. Call
   * `release()` when done.
   */
  open(name: string): Promise<Mailbox>;
  /** Told of every folder-level change and of STATUS changes of any mailbox of the account. */
  onChange(listener: (change: AccountChange) => void): () => void;
  release(): void;
}
export type AccountChange =
  | {
      /** A mailbox came, went, was renamed or (un)subscribed. */
      readonly kind: "mailboxes";
      /** Where it was a rename: old and new name of each mailbox. */
      readonly renamed?: readonly (readonly [from: string, to: string])[];
    }
  | { readonly kind: "status"; readonly mailbox: string }
  /** Rights changed; this is the list now. */
  | { readonly kind: "acl"; readonly mailbox: string; readonly acl: Acl }
  /** Annotations of a mailbox, or with "" of the account, were set or removed. */
  | { readonly kind: "metadata"; readonly mailbox: string; readonly entries: readonly string[] };

/**
 * Rights by identifier (RFC 4314 §2): letters of `lrswipkxtea`. An identifier is an account's address,
 * "owner", "anyone", "authenticated" or "$group", with "-" in front a negative one.
 */
export type Acl = ReadonlyMap<string, string>;
export interface AclChange {
  readonly identifier: string;
  readonly mode: "replace" | "add" | "remove";
  readonly rights: string;
}

export interface MailboxStatus {
  readonly messages: number;
  readonly recent: number;
  readonly unseen: number;
  readonly deleted: number;
  readonly uidNext: number;
  readonly uidValidity: number;
  readonly highestModSeq: number;
  /** Sum of RFC822.SIZE. */
  readonly size: number;
  /** The same of the messages with \\Deleted: what EXPUNGE would free. */
  readonly deletedSize: number;
  readonly mailboxId: string;
}

/**
 * One state of a mailbox, packed: entry i of each array is one message, ascending by UID. A view is
 * immutable; a change makes the next one (columns that did not change are shared). So a session may hold
 * the view its client knows while newer ones come.
 */
export interface MailboxView {
  readonly count: number;
  readonly uids: Uint32Array;
  /** Flag bits and keyword bits. */
  readonly flags: Uint32Array;
  readonly modSeqs: Float64Array;
  /** RFC822.SIZE: bytes with CRLF line ends. */
  readonly sizes: Float64Array;
  /** INTERNALDATE in milliseconds since the epoch. */
  readonly dates: Float64Array;
  /** Keyword of bit KEYWORD_SHIFT + i; "" where that bit has none. Grows, never reorders while the mailbox is open. */
  readonly keywords: readonly string[];
  readonly highestModSeq: number;
  readonly uidNext: number;
}
/** The position of a UID in a view, or -1. */
export function positionOf(view: MailboxView, uid: number): number {
  const { uids } = view;
  let low = 0;
  let high = view.count - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = uids[middle]!;
    if (found === uid) return middle;
    if (found < uid) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

export interface Mailbox {
  readonly name: string;
  readonly uidValidity: number;
  /** RFC 8474, stable over renames. */
  readonly mailboxId: string;
  /** The newest state. Cheap: an object in memory. */
  view(): MailboxView;
  /** Called after every change, with the new view and what changed; UIDs ascending. */
  onChange(listener: (change: MailboxChange) => void): () => void;
  /** Messages that are there and cannot be shown until the disk has room again for what showing them writes. */
  readonly withheld?: number;
  /** Looks for mail that others put there (new/, mutt, rsync); resolves when the view shows it. */
  refresh(): Promise<void>;
  append(message: AppendMessage): Promise<{ uid: number }>;
  /** Several messages, all or none (RFC 3502). */
  appendAll(messages: readonly AppendMessage[]): Promise<{ uids: number[] }>;
  /**
   * Changes flags. `unchangedSince` (RFC 7162): messages with a higher MODSEQ are left alone and named.
   * Keywords new to the mailbox get a bit, or `cannot` when all are taken.
   */
  setFlags(change: FlagChange): Promise<{ readonly modified: readonly number[] }>;
  /** Copies in the order of the UIDs given; all or none. Resolves with the new UIDs, pairwise. */
  copy(uids: readonly number[], target: string): Promise<CopyResult>;
  move(uids: readonly number[], target: string): Promise<CopyResult>;
  /** Removes messages that carry \Deleted, or of those only `uids`. Resolves with the removed UIDs. */
  expunge(uids?: readonly number[]): Promise<{ readonly uids: readonly number[]; readonly modSeq: number }>;
  /** UIDs expunged after `modSeq` that the store still remembers; `complete` false: it does not remember that far. */
  expungedSince(modSeq: number): Promise<{ readonly uids: readonly number[]; readonly complete: boolean }>;
  /** The message's bytes with CRLF line ends. Throws StoreError "expunged". */
  read(uid: number): Promise<MessageContent>;
  /** The header block alone (through the empty line), of a larger one as much as fields are looked for in (MAX_FIELD_BYTES). */
  readHeader(uid: number): Promise<Buffer>;
  /**
   * At least its usual fields (`message/mime/usual-fields.ts`) in the order they stand, ended by an empty line; where
   * the store keeps them at hand, much quicker than the whole header.
   */
  readUsualFields(uid: number): Promise<Buffer>;
  /** When the message came into this mailbox (RFC 8514), milliseconds since the epoch. */
  savedAt(uid: number): Promise<number | undefined>;
  /** Where the store keeps some: what readers of this mailbox worked out. */
  readonly digests?: MessageDigests;
  /** Claims \Recent for the messages no read-write session has seen yet; UIDs ascending. */
  claimRecent(): readonly number[];
  release(): void;
}
/**
 * Words that a reader worked out from messages, by UID, so that they need not be worked out again. They only
 * accelerate: any may be missing at any time, none is ever wrong, and nothing is lost with them.
 */
export interface MessageDigests {
  /** Whether any have been kept, now or before. */
  begun(): Promise<boolean>;
  /** UIDs that have one. */
  uids(): Promise<Pick<ReadonlySet<number>, "has" | "size">>;
  /** Shows every digest: `length` words from `at` on. Lets others have their turn between many. */
  scan(visit: (uid: number, words: Uint32Array, at: number, length: number) => void): Promise<void>;
  /** Keeps one for a message that has none. */
  keep(uid: number, digest: Uint32Array): Promise<void>;
  /** The mailbox has left memory: nothing more is kept. */
  readonly closed: boolean;
}
export interface AppendMessage {
  readonly content: MessageContent;
  readonly flags: readonly string[];
  readonly internalDate?: Date;
}
export interface FlagChange {
  readonly uids: readonly number[];
  readonly mode: "add" | "remove" | "replace";
  /** System flags with their backslash, keywords without. */
  readonly flags: readonly string[];
  readonly unchangedSince?: number;
  /** Comes back in MailboxChange.origin. */
  readonly origin?: unknown;
}
export interface CopyResult {
  readonly uidValidity: number;
  readonly sourceUids: readonly number[];
  readonly targetUids: readonly number[];
}
export interface MailboxChange {
  readonly view: MailboxView;
  readonly added: readonly number[];
  readonly expunged: readonly number[];
  readonly flagged: readonly number[];
  /** Who made it, as the call named itself in `FlagChange.origin`; a session stays silent on its own STORE .SILENT. */
  readonly origin?: unknown;
}
