/**
 * A mailbox as somebody may use it (RFC 4314 §4): every call asks the rights as they are at that moment.
 *
 * Flags that may not be changed are left as they are; only where none of those named may be changed the call
 * is refused. Who may read no longer keeps the view last seen and gets nothing new.
 */
import type { MessageContent } from "../../message/content.ts";
import {
  type AppendMessage,
  type CopyResult,
  type FlagChange,
  type Mailbox,
  type MailboxChange,
  type MailboxView,
  StoreError,
} from "../../store/mail-store.ts";
import { ALL_RIGHTS, type Right, type Rights } from "./rights.ts";

export const SYSTEM_FLAGS = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];

/** The right a flag's change needs (RFC 4314 §4). */
export function rightFor(flag: string): Right {
  const name = flag.toLowerCase();
  return name === "\\seen" ? "s" : name === "\\deleted" ? "t" : "w";
}

/** What the user of a session may do with its mailbox. */
export function rightsOn(mailbox: Mailbox): Rights {
  return mailbox instanceof GuardedMailbox ? mailbox.rights : ALL_RIGHTS;
}

export interface Guard {
  /** The mailbox's name towards this user. */
  readonly name: () => string;
  readonly rights: () => Rights;
  readonly released: () => void;
}

export class GuardedMailbox implements Mailbox {
  readonly #inner: Mailbox;
  readonly #guard: Guard;
  #seen: MailboxView;

  constructor(inner: Mailbox, guard: Guard) {
    this.#inner = inner;
    this.#guard = guard;
    this.#seen = inner.view();
  }

  /** Without the guard: for taking back what this user was allowed to put here. */
  get unguarded(): Mailbox {
    return this.#inner;
  }
  get rights(): Rights {
    return this.#guard.rights();
  }
  get name(): string {
    return this.#guard.name();
  }
  get uidValidity(): number {
    return this.#inner.uidValidity;
  }
  get mailboxId(): string {
    return this.#inner.mailboxId;
  }

  #need(right: Right): void {
    if (!this.rights.includes(right)) throw refused(this.name);
  }

  view(): MailboxView {
    if (this.rights.includes("r")) this.#seen = this.#inner.view();
    return this.#seen;
  }
  onChange(listener: (change: MailboxChange) => void): () => void {
    return this.#inner.onChange((change) => {
      if (this.rights.includes("r")) listener(change);
    });
  }
  get withheld(): number {
    return this.#inner.withheld ?? 0;
  }
  refresh(): Promise<void> {
    return this.#inner.refresh();
  }

  async append(message: AppendMessage): Promise<{ uid: number }> {
    const { uids } = await this.appendAll([message]);
    return { uid: uids[0]! };
  }
  async appendAll(messages: readonly AppendMessage[]): Promise<{ uids: number[] }> {
    this.#need("i");
    return this.#inner.appendAll(
      messages.map((message) => ({ ...message, flags: this.permitted(message.flags) })),
    );
  }

  /** Those of the flags that may be set or taken off here. */
  permitted(flags: readonly string[]): string[] {
    const { rights } = this;
    return flags.filter((flag) => rights.includes(rightFor(flag)));
  }

  async setFlags(change: FlagChange): Promise<{ readonly modified: readonly number[] }> {
    const { rights } = this;
    if (["s", "t", "w"].every((right) => rights.includes(right))) return this.#inner.setFlags(change);
    const flags = this.permitted(change.flags);
    if (change.mode !== "replace") {
      if (flags.length === 0 && change.flags.length > 0) throw refused(this.name);
      return this.#inner.setFlags({ ...change, flags });
    }
    const named = new Set(change.flags.map((flag) => flag.toLowerCase()));
    const others = this.permitted([...SYSTEM_FLAGS, ...this.#inner.view().keywords.filter(Boolean)]);
    if (others.length === 0) throw refused(this.name);
    const { modified } = await this.#inner.setFlags({ ...change, mode: "add", flags });
    const left = new Set(modified);
    await this.#inner.setFlags({
      uids: change.uids.filter((uid) => !left.has(uid)),
      mode: "remove",
      flags: others.filter((flag) => !named.has(flag.toLowerCase())),
      origin: change.origin,
    });
    return { modified };
  }

  copy(uids: readonly number[], target: string): Promise<CopyResult> {
    this.#need("r");
    return this.#inner.copy(uids, target);
  }
  move(uids: readonly number[], target: string): Promise<CopyResult> {
    this.#need("r");
    this.#need("t");
    this.#need("e");
    return this.#inner.move(uids, target);
  }
  async expunge(
    uids?: readonly number[],
  ): Promise<{ readonly uids: readonly number[]; readonly modSeq: number }> {
    this.#need("e");
    return this.#inner.expunge(uids);
  }
  async expungedSince(
    modSeq: number,
  ): Promise<{ readonly uids: readonly number[]; readonly complete: boolean }> {
    this.#need("r");
    return this.#inner.expungedSince(modSeq);
  }
  async read(uid: number): Promise<MessageContent> {
    this.#need("r");
    return this.#inner.read(uid);
  }
  async readHeader(uid: number): Promise<Buffer> {
    this.#need("r");
    return this.#inner.readHeader(uid);
  }
  async readUsualFields(uid: number): Promise<Buffer> {
    this.#need("r");
    return this.#inner.readUsualFields(uid);
  }
  async savedAt(uid: number): Promise<number | undefined> {
    this.#need("r");
    return this.#inner.savedAt(uid);
  }
  /** Who may not mark messages as seen takes their \Recent from nobody. */
  claimRecent(): readonly number[] {
    return this.rights.includes("s") ? this.#inner.claimRecent() : [];
  }
  release(): void {
    this.#guard.released();
    this.#inner.release();
  }
}

/** What is refused to who knows that the mailbox is there. */
export function refused(mailbox: string): StoreError {
  return new StoreError("no-permission", `You may not do that with ${mailbox}.`);
}
