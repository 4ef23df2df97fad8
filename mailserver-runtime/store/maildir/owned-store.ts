/**
 * The Maildir store of a server with several processes: an account of this process is served here; a delivery to
 * another's is written here, into that account's `tmp`, and its owner is given the path (DESIGN D7).
 *
 * The owner alone renames, counts and gives UIDs. An owner that dies between the rename and its answer leaves the file
 * in place: the next owner is given the same path, finds the file there and makes it durable, so that nothing is stored
 * twice and nothing acknowledged is lost.
 */
import { existsSync, readdirSync } from "node:fs";
import type { Examination, ExaminedAccount } from "../examination.ts";
import {
  type AccountStore,
  type Delivery,
  type DeliveryOutcome,
  type DeliveryRecipient,
  type MailStore,
  StoreError,
  type StoreUsage,
} from "../mail-store.ts";
import type { Growth, Reservation } from "../quota.ts";
import type { ExpungedMessage, ExpungedSelection, MailboxCount } from "../retention.ts";
import type { MaildirAccount } from "./account.ts";
import type { Destination, PutBy } from "./delivery.ts";
import { errorCode, syncDirectory } from "./durable.ts";
import { systemBits } from "./flag-changes.ts";
import { putInPlace } from "./local-destination.ts";
import { removeQuietly, type WrittenMessage, writeMessage } from "./message-writer.ts";
import { accountPath, type MaildirStore } from "./store.ts";

/** A message that is written and synced, and what its account's owner is to do with it. */
export interface WrittenCopy {
  readonly account: string;
  readonly mailbox: string;
  readonly flags: readonly string[];
  readonly quotaBytes: number;
  readonly graceBytes: number;
  readonly written: WrittenMessage;
  readonly by: PutBy;
}

/** The owner of an account when it is another process. */
export interface AccountOwner {
  place(copy: WrittenCopy): Promise<void>;
  /** Makes the account's directories. */
  prepare(account: string): Promise<void>;
  usage(account: string): Promise<StoreUsage>;
  forget(account: string): Promise<void>;
  examine(account: string, how: Examination): Promise<ExaminedAccount>;
  expire(account: string): Promise<readonly MailboxCount[]>;
  expungedMessages(account: string, selection: ExpungedSelection): Promise<readonly ExpungedMessage[]>;
  undelete(account: string, selection: ExpungedSelection): Promise<readonly MailboxCount[]>;
}

/** What is asked the same way of the own store and of another's. */
type Asked = Pick<AccountOwner, "usage" | "examine" | "expire" | "expungedMessages" | "undelete">;

/** Which accounts are this process's. */
export interface Owners {
  /**
   * Does one of both, by whose the account is; where it is nobody's it becomes this process's. An account is not given
   * away while `here` runs; `there` is done again with the next owner when the asked one is gone.
   */
  use<T>(account: string, work: { here(): Promise<T>; there(owner: AccountOwner): Promise<T> }): Promise<T>;
  /** Takes the account for a session, if its owner has no use for it; whether it is this process's then. */
  claim(account: string): Promise<boolean>;
}

export class OwnedStore implements MailStore {
  readonly #local: MaildirStore;
  readonly #owners: Owners;
  /** Where the accounts lie. */
  readonly #mail: string;

  constructor(local: MaildirStore, owners: Owners, mail: string) {
    this.#local = local;
    this.#owners = owners;
    this.#mail = mail;
  }

  /** Throws "unavailable" where somebody uses the account in another process: its sessions are served there. */
  async account(address: string): Promise<AccountStore> {
    const account = address.toLowerCase();
    await this.#owners.claim(account);
    return this.#owners.use(account, {
      here: () => this.#local.account(account),
      there: () => {
        throw new StoreError("unavailable", `The mail of ${account} is in use by another process.`);
      },
    });
  }

  sharedWith(address: string): Promise<readonly string[]> {
    return this.#local.sharedWith(address);
  }

  /** Asks where the account is: this process's own store, or its owner. */
  #ask<T>(address: string, ask: (where: Asked, account: string) => Promise<T>): Promise<T> {
    const account = address.toLowerCase();
    return this.#owners.use(account, {
      here: () => ask(this.#local, account),
      there: (owner) => ask(owner, account),
    });
  }

  usage(address: string): Promise<StoreUsage> {
    return this.#ask(address, (where, account) => where.usage(account));
  }

  /** See examination.ts. Throws "nonexistent" where there is no mail of the address. */
  examine(address: string, how: Examination): Promise<ExaminedAccount> {
    return this.#ask(address, (where, account) => where.examine(account, how));
  }

  /** See MaildirStore; as `examine`. */
  expire(address: string): Promise<readonly MailboxCount[]> {
    return this.#ask(address, (where, account) => where.expire(account));
  }
  expungedMessages(address: string, selection: ExpungedSelection): Promise<readonly ExpungedMessage[]> {
    return this.#ask(address, (where, account) => where.expungedMessages(account, selection));
  }
  undelete(address: string, selection: ExpungedSelection): Promise<readonly MailboxCount[]> {
    return this.#ask(address, (where, account) => where.undelete(account, selection));
  }

  /** Who adds to a mailbox, other than by a delivery, does so where the account is. */
  reserve(growth: Growth): Promise<Reservation> {
    return this.#owners.use(growth.account.toLowerCase(), {
      here: () => this.#local.reserve(growth),
      there: () => {
        throw new StoreError("unavailable", `The mail of ${growth.account} is in use by another process.`);
      },
    });
  }

  forget(address: string): Promise<void> {
    const account = address.toLowerCase();
    return this.#owners.use(account, {
      here: () => this.#local.forget(account),
      there: (owner) => owner.forget(account),
    });
  }

  deliver(delivery: Delivery): Promise<DeliveryOutcome[]> {
    return this.#local.deliverBy(delivery, (recipient, local) =>
      this.#owners.use(recipient.account.toLowerCase(), {
        here: local,
        there: async () => this.#elsewhere(recipient),
      }),
    );
  }

  close(): Promise<void> {
    return this.#local.close();
  }

  /** Written here, put in place by the owner of that moment, which may be this process by then. */
  #elsewhere(recipient: DeliveryRecipient): Destination {
    const account = recipient.account.toLowerCase();
    const directory = `${this.#mail}/${accountPath(account)}`;
    const owners = this.#owners;
    const local = this.#local;
    return {
      recipient,
      async write(delivery) {
        const write = () =>
          writeMessage(directory, recipient.prefix, delivery.content, delivery.receivedAt.getTime());
        try {
          return await write();
        } catch (error) {
          if (errorCode((error as StoreError).cause) !== "ENOENT") throw error;
          await owners.use(account, {
            here: () => prepare(local, account),
            there: (owner) => owner.prepare(account),
          });
          return write();
        }
      },
      async put(written, by) {
        const { mailbox, flags = [], quotaBytes = 0, graceBytes = 0 } = recipient;
        const copy: WrittenCopy = { account, mailbox, flags, quotaBytes, graceBytes, written, by };
        try {
          await owners.use(account, {
            here: () => placeCopy(local, copy),
            there: (owner) => owner.place(copy),
          });
        } catch (error) {
          if (by === "rename") removeQuietly(written.temporary);
          throw error;
        }
      },
    };
  }
}

/** What the owner does when it is asked to make an account's directories. */
export async function prepare(store: MaildirStore, account: string): Promise<void> {
  (await store.hold(account)).release();
}

/** What the owner does with a written copy. Doing it again after it was done succeeds. Throws StoreError. */
export async function placeCopy(store: MaildirStore, copy: WrittenCopy): Promise<void> {
  const account = await store.hold(copy.account);
  try {
    const { written } = copy;
    const { disk, directory } = await account.deliveryFolder(copy.mailbox);
    if (copy.by === "rename" && !existsSync(written.temporary)) {
      // Only a rename into place takes a written file away: an owner did it and died before it could say so.
      await confirm(account, directory, written);
      return;
    }
    const kept = await account.room({
      mailbox: copy.mailbox,
      bytes: written.crlfSize,
      messages: 1,
      limits: { bytes: copy.quotaBytes, graceBytes: copy.graceBytes },
    });
    try {
      await putInPlace(account, { disk, directory, flags: systemBits(copy.flags), written, by: copy.by });
    } finally {
      kept.settle();
    }
  } finally {
    account.release();
  }
}

async function confirm(account: MaildirAccount, directory: string, written: WrittenMessage): Promise<void> {
  for (const part of ["new", "cur"]) {
    const there = readdirSync(`${directory}/${part}`).some((file) => file.startsWith(written.base));
    if (!there) continue;
    await syncDirectory(`${directory}/${part}`);
    return;
  }
  throw new StoreError(
    "unavailable",
    `A message written for ${account.address} is neither where it was written nor in the mailbox.`,
  );
}
