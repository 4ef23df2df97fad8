/**
 * Which process has which account (DESIGN D7): kept by the first process, asked by all.
 *
 * An account nobody has is given to whoever asks, so that it lies where its client came in. It stays there while anybody
 * uses it; a session elsewhere may take it over when its owner has no use for it and has let it go, with everything on
 * disk. So two processes never write to one account: it is given away only after its owner let go or died.
 *
 * Accounts that share folders with each other must be in one process, where one session opens them all: that is the first.
 */
import { FRONT, type ProcessNumber, type Purpose } from "./calls.ts";

/** Asks a process to give an account up; false where somebody uses it there. Rejects when the process is gone. */
export type LetGo = (owner: ProcessNumber, account: string) => Promise<boolean>;

export class AccountDirectory {
  readonly #owners = new Map<string, ProcessNumber>();
  readonly #moving = new Map<string, Promise<unknown>>();
  /** Processes that are about to end, and when they have. */
  readonly #ending = new Map<ProcessNumber, Promise<void>>();
  /** What they asked may be heard after their end. */
  readonly #gone = new Set<ProcessNumber>();
  readonly #letGo: LetGo;

  constructor(letGo: LetGo) {
    this.#letGo = letGo;
  }

  /** The account's owner, which is `asker` where it was nobody's. A promise only where somebody must be waited for. */
  ownerOf(account: string, asker: ProcessNumber, purpose: Purpose): ProcessNumber | Promise<ProcessNumber> {
    if (purpose === "shared session" && asker !== FRONT) return this.ownerOf(account, FRONT, "session");
    const owner = this.#owners.get(account);
    const moving = this.#moving.get(account);
    if (moving !== undefined) return moving.then(() => this.ownerOf(account, asker, purpose));
    if (owner === undefined) {
      return this.#give(account, asker);
    }
    if (owner === asker) return owner;
    const ending = this.#ending.get(owner);
    if (ending !== undefined) return ending.then(() => this.ownerOf(account, asker, purpose));
    return purpose === "delivery" ? owner : this.#takeOver(account, owner, asker);
  }

  async #takeOver(account: string, owner: ProcessNumber, asker: ProcessNumber): Promise<ProcessNumber> {
    const moving = this.#letGo(owner, account)
      .catch(() => false)
      .then((free) => {
        this.#moving.delete(account);
        // Who died meanwhile has lost the account already, and nobody was given it: all wait for this.
        const now = this.#owners.get(account);
        if (free) this.#owners.delete(account);
        if (free || now === undefined) this.#give(account, asker);
      });
    this.#moving.set(account, moving);
    await moving;
    return this.ownerOf(account, asker, "delivery");
  }
  /** Nothing is given to who has ended; who is about to end hears that the first process has it. */
  #give(account: string, asker: ProcessNumber): ProcessNumber {
    if (this.#gone.has(asker)) return FRONT;
    const taker = this.#ending.has(asker) ? FRONT : asker;
    this.#owners.set(account, taker);
    return taker;
  }

  /** The process takes no account any more; what it has is given away when `gone` resolves. */
  ending(process: ProcessNumber, gone: Promise<void>): void {
    this.#ending.set(process, gone);
  }
  /** The process has ended, cleanly or not: its accounts are nobody's. */
  gone(process: ProcessNumber): void {
    this.#ending.delete(process);
    this.#gone.add(process);
    for (const [account, owner] of this.#owners) if (owner === process) this.#owners.delete(account);
  }

  /** How many accounts each process has. */
  counts(): ReadonlyMap<ProcessNumber, number> {
    const counts = new Map<ProcessNumber, number>();
    for (const owner of this.#owners.values()) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    return counts;
  }
}
