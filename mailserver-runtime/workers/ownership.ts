/**
 * Which accounts are this process's, and the way to the owners of the others. An account is used here only while it is
 * in `#mine`, and it leaves that only when nobody uses it and its state is on disk.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { StoreError } from "../store/mail-store.ts";
import type { AccountOwner, Owners } from "../store/maildir/owned-store.ts";
import { FRONT, type ProcessNumber, type Purpose } from "./calls.ts";
import { NotOwner, PeerGone } from "./peer.ts";

export interface OwnershipOptions {
  readonly self: ProcessNumber;
  /** Asks the directory; see AccountDirectory. */
  readonly ownerOf: (account: string, purpose: Purpose) => ProcessNumber | Promise<ProcessNumber>;
  readonly owner: (process: ProcessNumber) => AccountOwner;
  /** Takes the account's state out of memory unless somebody uses it; whether it is out. */
  readonly letGo: (account: string) => Promise<boolean>;
  /** Whether the account shares folders with others, or they with it. */
  readonly isShared: (account: string) => Promise<boolean>;
}

/** Owners of other processes that are remembered; a wrong memory costs one question more. */
const MOST_REMEMBERED = 20_000;
/** How often an account's next owner is looked for before the caller hears "unavailable". */
const ATTEMPTS = 8;

export class Ownership implements Owners {
  readonly #options: OwnershipOptions;
  readonly #mine = new Set<string>();
  readonly #elsewhere = new Map<string, ProcessNumber>();
  readonly #asking = new Map<string, Promise<ProcessNumber>>();
  /** Asked about while they were let go: an answer that gives such an account to us may be older than that. */
  readonly #doubted = new Set<string>();
  readonly #using = new Map<string, number>();

  constructor(options: OwnershipOptions) {
    this.#options = options;
  }

  async use<T>(
    account: string,
    work: { here(): Promise<T>; there(owner: AccountOwner): Promise<T> },
  ): Promise<T> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (this.#mine.has(account)) return this.here(account, work.here);
      const owner = this.#elsewhere.get(account) ?? (await this.#ask(account, "delivery"));
      if (owner === this.#options.self) continue;
      try {
        return await work.there(this.#options.owner(owner));
      } catch (error) {
        if (!(error instanceof PeerGone || error instanceof NotOwner)) throw error;
        this.#elsewhere.delete(account);
        await sleep(attempt * 20);
      }
    }
    throw new StoreError("unavailable", `The mail of ${account} changes hands; try again.`);
  }

  /** Does what another process asked for; rejects with NotOwner where the account is not (any more) this process's. */
  async here<T>(account: string, work: () => Promise<T>): Promise<T> {
    // It may have been given to us for somebody who is about to end; and it may go while we wait for that answer.
    while (!this.#mine.has(account))
      if ((await this.#ask(account, "delivery")) !== this.#options.self)
        throw new NotOwner(`${account} is another process's`);
    this.#using.set(account, (this.#using.get(account) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const left = this.#using.get(account)! - 1;
      if (left === 0) this.#using.delete(account);
      else this.#using.set(account, left);
    }
  }

  async claim(account: string): Promise<boolean> {
    return (await this.locate(account)) === this.#options.self;
  }
  /** The process where a session of the account is to be served; this one where that is possible. */
  async locate(account: string): Promise<ProcessNumber> {
    const { self, isShared } = this.#options;
    if (self !== FRONT && (await isShared(account))) return this.#ask(account, "shared session");
    if (this.#mine.has(account)) return self;
    return this.#ask(account, "session");
  }

  /** Asked by the directory: gives the account up unless it is used here. It waits for no answer of the directory. */
  async release(account: string): Promise<boolean> {
    if (this.#using.has(account)) return false;
    // Not those asked from now on: the directory keeps them waiting until this has ended.
    if (this.#asking.has(account)) this.#doubted.add(account);
    const had = this.#mine.delete(account);
    // Whoever wants it now asks the directory, which waits for this to end.
    const free = !had || (await this.#options.letGo(account));
    if (!free) this.#mine.add(account);
    return free;
  }

  #ask(account: string, purpose: Purpose): Promise<ProcessNumber> | ProcessNumber {
    const asked = this.#asking.get(account);
    if (asked !== undefined) return asked.then(() => this.#known(account) ?? this.#ask(account, purpose));
    const answer = this.#options.ownerOf(account, purpose);
    if (!(answer instanceof Promise)) return this.#learn(account, answer);
    const asking = this.#certain(account, purpose, answer).finally(() => this.#asking.delete(account));
    this.#asking.set(account, asking);
    return asking;
  }
  async #certain(account: string, purpose: Purpose, first: Promise<ProcessNumber>): Promise<ProcessNumber> {
    let owner = await first;
    while (this.#doubted.delete(account) && owner === this.#options.self)
      owner = await this.#options.ownerOf(account, purpose);
    return this.#learn(account, owner);
  }
  #known(account: string): ProcessNumber | undefined {
    return this.#mine.has(account) ? this.#options.self : undefined;
  }
  #learn(account: string, owner: ProcessNumber): ProcessNumber {
    if (owner === this.#options.self) {
      this.#mine.add(account);
      this.#elsewhere.delete(account);
      return owner;
    }
    this.#elsewhere.delete(account);
    this.#elsewhere.set(account, owner);
    if (this.#elsewhere.size > MOST_REMEMBERED) {
      const [oldest] = this.#elsewhere.keys();
      this.#elsewhere.delete(oldest!);
    }
    return owner;
  }
}
