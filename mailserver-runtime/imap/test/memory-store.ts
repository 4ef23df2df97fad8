/** A MailStore in memory, for tests and measurements of the protocol alone. One account, any address. */

import { type MessageContent, memoryContent } from "../../message/content.ts";
import { headerEnd } from "../../message/mime/fields.ts";
import {
  type AccountChange,
  type AccountStore,
  type Acl,
  type AclChange,
  type AppendMessage,
  type CopyResult,
  Flag,
  type FlagChange,
  KEYWORD_SHIFT,
  MAX_KEYWORDS,
  type Mailbox,
  type MailboxChange,
  type MailboxStatus,
  type MailboxView,
  type MailStore,
  positionOf,
  StoreError,
  type StoreUsage,
} from "../../store/mail-store.ts";
import type { Growth, Reservation } from "../../store/quota.ts";

interface Message {
  uid: number;
  bytes: Buffer;
  flags: number;
  modSeq: number;
  date: number;
}

const BITS: Record<string, number> = {
  "\\Seen": Flag.Seen,
  "\\Answered": Flag.Answered,
  "\\Flagged": Flag.Flagged,
  "\\Deleted": Flag.Deleted,
  "\\Draft": Flag.Draft,
};

export class MemoryMailbox implements Mailbox {
  name: string;
  readonly uidValidity: number;
  readonly mailboxId: string;
  readonly account: MemoryAccount;
  #messages: Message[] = [];
  #keywords: string[] = [];
  #uidNext = 1;
  #modSeq = 1;
  #recentFrom = 1;
  readonly #expunged: { uid: number; modSeq: number }[] = [];
  readonly #listeners = new Set<(change: MailboxChange) => void>();
  #view: MailboxView;

  constructor(account: MemoryAccount, name: string, uidValidity: number) {
    this.account = account;
    this.name = name;
    this.uidValidity = uidValidity;
    this.mailboxId = `F${uidValidity}`;
    this.#view = this.#build();
  }

  #build(): MailboxView {
    const messages = this.#messages;
    const column = <T extends Uint32Array | Float64Array>(
      array: T,
      value: (message: Message) => number,
    ): T => {
      for (let index = 0; index < messages.length; index += 1) array[index] = value(messages[index]!);
      return array;
    };
    const count = messages.length;
    return {
      count,
      uids: column(new Uint32Array(count), (message) => message.uid),
      flags: column(new Uint32Array(count), (message) => message.flags),
      modSeqs: column(new Float64Array(count), (message) => message.modSeq),
      sizes: column(new Float64Array(count), (message) => message.bytes.length),
      dates: column(new Float64Array(count), (message) => message.date),
      keywords: [...this.#keywords],
      highestModSeq: this.#modSeq,
      uidNext: this.#uidNext,
    };
  }

  #changed(change: Partial<MailboxChange>, uidsChanged: boolean): void {
    const before = this.#view;
    const next = this.#build();
    this.#view = uidsChanged
      ? next
      : { ...next, uids: before.uids, sizes: before.sizes, dates: before.dates };
    const full = { view: this.#view, added: [], expunged: [], flagged: [], ...change };
    for (const listener of [...this.#listeners]) listener(full);
    this.account.tell({ kind: "status", mailbox: this.name });
  }

  #word(flags: readonly string[]): number {
    let word = 0;
    for (const flag of flags) {
      if (BITS[flag]) {
        word |= BITS[flag];
        continue;
      }
      let index = this.#keywords.findIndex((keyword) => keyword.toLowerCase() === flag.toLowerCase());
      if (index < 0) {
        if (this.#keywords.length >= MAX_KEYWORDS) throw new StoreError("cannot", "all keywords are taken");
        index = this.#keywords.push(flag) - 1;
      }
      word |= 1 << (index + KEYWORD_SHIFT);
    }
    return word;
  }

  view(): MailboxView {
    return this.#view;
  }

  onChange(listener: (change: MailboxChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  async refresh(): Promise<void> {}

  async append(message: AppendMessage): Promise<{ uid: number }> {
    return { uid: (await this.appendAll([message])).uids[0]! };
  }

  async appendAll(messages: readonly AppendMessage[]): Promise<{ uids: number[] }> {
    const bytes: Buffer[] = [];
    for (const { content } of messages) bytes.push(await content.read(0, content.size));
    return {
      uids: this.insert(
        messages.map((message, index) => ({
          bytes: bytes[index]!,
          flags: this.#word(message.flags),
          date: message.internalDate?.getTime() ?? Date.now(),
        })),
      ),
    };
  }

  /** Adds messages at once, as many as a measurement wants. */
  insert(messages: readonly { bytes: Buffer; flags?: number; date?: number }[]): number[] {
    this.#modSeq += 1;
    const uids = messages.map(({ bytes, flags = 0, date = 0 }) => {
      const uid = this.#uidNext;
      this.#uidNext += 1;
      this.#messages.push({ uid, bytes, flags, modSeq: this.#modSeq, date });
      return uid;
    });
    this.#changed({ added: uids }, true);
    return uids;
  }

  async setFlags(change: FlagChange): Promise<{ readonly modified: readonly number[] }> {
    const word = this.#word(change.flags);
    const modified: number[] = [];
    const flagged: number[] = [];
    const next = this.#modSeq + 1;
    for (const uid of change.uids) {
      const message = this.#messages[positionOf(this.#view, uid)];
      if (!message) continue;
      if (change.unchangedSince !== undefined && message.modSeq > change.unchangedSince) {
        modified.push(uid);
        continue;
      }
      const { mode } = change;
      const flags = mode === "add" ? message.flags | word : mode === "remove" ? message.flags & ~word : word;
      if (flags >>> 0 === message.flags >>> 0) continue;
      message.flags = flags >>> 0;
      message.modSeq = next;
      flagged.push(uid);
    }
    if (flagged.length > 0) {
      this.#modSeq = next;
      this.#changed({ flagged, origin: change.origin }, false);
    }
    return { modified };
  }

  async copy(uids: readonly number[], target: string): Promise<CopyResult> {
    const mailbox = this.account.find(target);
    const found = uids
      .map((uid) => this.#messages[positionOf(this.#view, uid)])
      .filter((message) => !!message);
    const names = (flags: number) => [
      ...Object.entries(BITS)
        .filter(([, bit]) => flags & bit)
        .map(([name]) => name),
      ...this.#keywords.filter((_, index) => flags & (1 << (index + KEYWORD_SHIFT))),
    ];
    const targetUids = mailbox.insert(
      found.map(({ bytes, flags, date }) => ({ bytes, flags: mailbox.#word(names(flags)), date })),
    );
    return { uidValidity: mailbox.uidValidity, sourceUids: found.map(({ uid }) => uid), targetUids };
  }

  async move(uids: readonly number[], target: string): Promise<CopyResult> {
    const result = await this.copy(uids, target);
    this.#remove(new Set(result.sourceUids));
    return result;
  }

  async expunge(
    uids?: readonly number[],
  ): Promise<{ readonly uids: readonly number[]; readonly modSeq: number }> {
    const among = uids ? new Set(uids) : undefined;
    const gone = this.#messages
      .filter(({ uid, flags }) => flags & Flag.Deleted && (!among || among.has(uid)))
      .map(({ uid }) => uid);
    if (gone.length > 0) this.#remove(new Set(gone));
    return { uids: gone, modSeq: this.#modSeq };
  }

  #remove(uids: ReadonlySet<number>): void {
    this.#modSeq += 1;
    for (const uid of uids) this.#expunged.push({ uid, modSeq: this.#modSeq });
    this.#messages = this.#messages.filter(({ uid }) => !uids.has(uid));
    this.#changed({ expunged: [...uids] }, true);
  }

  async expungedSince(
    modSeq: number,
  ): Promise<{ readonly uids: readonly number[]; readonly complete: boolean }> {
    const uids = this.#expunged.filter((entry) => entry.modSeq > modSeq).map(({ uid }) => uid);
    return { uids: uids.sort((a, b) => a - b), complete: true };
  }

  #message(uid: number): Message {
    const message = this.#messages[positionOf(this.#view, uid)];
    if (!message) throw new StoreError("expunged", "the message is gone");
    return message;
  }

  async read(uid: number): Promise<MessageContent> {
    const content = memoryContent(this.#message(uid).bytes);
    // A second kind of content, as a large message in a file would be.
    return content.size > 64 * 1024 ? { ...content, buffer: undefined } : content;
  }

  readUsualFields(uid: number): Promise<Buffer> {
    return this.readHeader(uid);
  }
  async readHeader(uid: number): Promise<Buffer> {
    const { bytes } = this.#message(uid);
    const end = headerEnd(bytes);
    return end < 0 ? bytes : bytes.subarray(0, end);
  }

  async savedAt(uid: number): Promise<number | undefined> {
    return this.#message(uid).date + 1000;
  }

  claimRecent(): readonly number[] {
    const uids = this.#messages.filter(({ uid }) => uid >= this.#recentFrom).map(({ uid }) => uid);
    this.#recentFrom = this.#uidNext;
    return uids;
  }

  release(): void {}

  get state(): MailboxStatus {
    const count = (test: (message: Message) => boolean) => this.#messages.filter(test).length;
    return {
      messages: this.#messages.length,
      recent: count(({ uid }) => uid >= this.#recentFrom),
      unseen: count(({ flags }) => !(flags & Flag.Seen)),
      deleted: count(({ flags }) => (flags & Flag.Deleted) !== 0),
      uidNext: this.#uidNext,
      uidValidity: this.uidValidity,
      highestModSeq: this.#modSeq,
      size: this.#messages.reduce((sum, { bytes }) => sum + bytes.length, 0),
      deletedSize: this.#messages.reduce(
        (sum, { flags, bytes }) => (flags & Flag.Deleted ? sum + bytes.length : sum),
        0,
      ),
      mailboxId: this.mailboxId,
    };
  }
}

export class MemoryAccount implements AccountStore {
  readonly address: string;
  readonly separator = "/";
  readonly #mailboxes = new Map<string, { mailbox: MemoryMailbox; use: string | undefined }>();
  readonly lists = new Map<string, Acl>();
  readonly #metadata = new Map<string, ReadonlyMap<string, Buffer>>();
  readonly #subscribed = new Set<string>(["INBOX"]);
  readonly #listeners = new Set<(change: AccountChange) => void>();
  #uidValidity = 1000;

  constructor(address: string) {
    this.address = address;
    void this.create("INBOX");
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  tell(change: AccountChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }

  find(name: string): MemoryMailbox {
    const found = this.#mailboxes.get(name);
    if (!found) throw new StoreError("nonexistent", "There is no such mailbox.");
    return found.mailbox;
  }

  get usage(): { bytes: number; messages: number } {
    const states = [...this.#mailboxes.values()].map(({ mailbox }) => mailbox.state);
    return {
      bytes: states.reduce((sum, { size }) => sum + size, 0),
      messages: states.reduce((sum, { messages }) => sum + messages, 0),
    };
  }

  async list() {
    const names = new Set([...this.#mailboxes.keys(), ...this.#subscribed]);
    return [...names].sort().map((name) => ({
      name,
      subscribed: this.#subscribed.has(name),
      selectable: this.#mailboxes.has(name),
      hasChildren: [...this.#mailboxes.keys()].some((other) => other.startsWith(`${name}/`)),
      specialUse: this.#mailboxes.get(name)?.use,
    }));
  }

  async create(name: string, specialUse?: string): Promise<void> {
    if (this.#mailboxes.has(name)) throw new StoreError("already-exists", "That mailbox exists already.");
    this.#uidValidity += 1;
    const parent = this.lists.get(name.slice(0, Math.max(0, name.lastIndexOf("/"))));
    if (parent) this.lists.set(name, parent);
    this.#mailboxes.set(name, {
      mailbox: new MemoryMailbox(this, name, this.#uidValidity),
      use: specialUse,
    });
    this.tell({ kind: "mailboxes" });
  }

  async delete(name: string): Promise<void> {
    this.find(name);
    this.#mailboxes.delete(name);
    this.tell({ kind: "mailboxes" });
  }

  async rename(from: string, to: string): Promise<void> {
    const mailbox = this.find(from);
    if (this.#mailboxes.has(to)) throw new StoreError("already-exists", "That mailbox exists already.");
    if (from === "INBOX") {
      await this.create(to);
      await mailbox.move([...mailbox.view().uids], to);
      return;
    }
    const renamed: [string, string][] = [];
    for (const [name, entry] of [...this.#mailboxes]) {
      if (name !== from && !name.startsWith(`${from}/`)) continue;
      this.#mailboxes.delete(name);
      entry.mailbox.name = to + name.slice(from.length);
      this.#mailboxes.set(entry.mailbox.name, entry);
      renamed.push([name, entry.mailbox.name]);
    }
    this.tell({ kind: "mailboxes", renamed });
  }

  async subscribe(name: string, subscribed: boolean): Promise<void> {
    if (subscribed) this.#subscribed.add(name);
    else this.#subscribed.delete(name);
    this.tell({ kind: "mailboxes" });
  }

  async metadata(name: string): Promise<ReadonlyMap<string, Buffer>> {
    if (name !== "") this.find(name);
    return new Map(this.#metadata.get(name));
  }

  async setMetadata(name: string, changes: ReadonlyMap<string, Buffer | null>): Promise<void> {
    const metadata = new Map(await this.metadata(name));
    for (const [entry, value] of changes) {
      if (value === null) metadata.delete(entry);
      else metadata.set(entry, value);
    }
    this.#metadata.set(name, metadata);
    this.tell({ kind: "metadata", mailbox: name, entries: [...changes.keys()] });
  }

  async acl(name: string): Promise<Acl> {
    this.find(name);
    return new Map(this.lists.get(name));
  }

  async setAcl(name: string, { identifier, mode, rights }: AclChange): Promise<void> {
    const acl = new Map(await this.acl(name));
    const before = acl.get(identifier) ?? "";
    const kept = mode === "replace" ? "" : [...before].filter((right) => !rights.includes(right)).join("");
    const after = mode === "remove" ? kept : kept + rights;
    if (after === "") acl.delete(identifier);
    else acl.set(identifier, after);
    this.lists.set(name, acl);
    this.tell({ kind: "acl", mailbox: name, acl });
  }

  async status(name: string): Promise<MailboxStatus> {
    return this.find(name).state;
  }

  async open(name: string): Promise<MemoryMailbox> {
    return this.find(name);
  }

  onChange(listener: (change: AccountChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  release(): void {}
}

export class MemoryStore implements MailStore {
  readonly #accounts = new Map<string, MemoryAccount>();

  async deliver(): Promise<never> {
    throw new Error("the protocol's tests deliver by insert");
  }

  /** Not a promise, for tests that prepare an account. */
  get(address: string): MemoryAccount {
    let account = this.#accounts.get(address);
    if (!account) {
      account = new MemoryAccount(address);
      this.#accounts.set(address, account);
    }
    return account;
  }

  async account(address: string): Promise<MemoryAccount> {
    return this.get(address);
  }

  async sharedWith(address: string): Promise<readonly string[]> {
    const names = [address, "anyone", "authenticated"];
    return [...this.#accounts.values()]
      .filter((account) => account.address !== address)
      .filter(({ lists }) =>
        [...lists.values()].some(
          (acl) => names.some((name) => acl.has(name)) || [...acl.keys()].some((name) => /^!?\$/.test(name)),
        ),
      )
      .map((account) => account.address)
      .sort();
  }

  /** What a test says of all accounts of the domain. */
  domainBytes: number | undefined;
  async usage(address: string): Promise<StoreUsage> {
    const { usage } = this.get(address);
    return this.domainBytes === undefined ? usage : { ...usage, domainBytes: this.domainBytes };
  }

  async reserve({ account, bytes, messages, limits }: Growth): Promise<Reservation> {
    const used = this.get(account).usage;
    const { messages: most = 0 } = limits;
    const isFull =
      (limits.bytes > 0 && used.bytes + bytes > limits.bytes) ||
      (most > 0 && used.messages + messages > most);
    if (isFull) throw new StoreError("over-quota", "The account is full.");
    return { settle: () => undefined };
  }

  async forget(address: string): Promise<void> {
    this.#accounts.delete(address);
  }

  async close(): Promise<void> {}
}
