/**
 * The Maildir++ store: MailStore over directories that Dovecot, mutt and rsync understand.
 *
 * An account's mail lies in `<mail>/<domain>/<local part>/` (INBOX there, `.Folder.Sub` beside it). Promises:
 * what resolved survives a power loss; a UID once shown is never another message's; no file's base name or
 * byte is changed; nothing is taken for expunged that is still there. Never: an empty mailbox because a volume
 * is not mounted, a failed fsync retried into a success.
 *
 * A delivery gets no UID here: as with Dovecot, a message in `new` gets its UID when the mailbox is next
 * looked at, or at once when somebody has it open. So the way to `250` is one file synced and one directory.
 */
import { linkSync, renameSync } from "node:fs";
import type { MessageContent } from "../../message/content.ts";
import type { Log } from "../../net/log.ts";
import type { Directories } from "../../settings/directories.ts";
import {
  type AccountStore,
  type Delivery,
  type DeliveryOutcome,
  type DeliveryRecipient,
  type MailStore,
  StoreError,
} from "../mail-store.ts";
import { MaildirAccount, SPECIAL_FOLDERS } from "./account.ts";
import { placeFor } from "./arrivals.ts";
import { storeError, syncDirectory } from "./durable.ts";
import { systemBits } from "./flag-changes.ts";
import { removeQuietly, type WrittenMessage, writeMessage } from "./message-writer.ts";
import { Volume } from "./volume.ts";

export interface MaildirStoreOptions {
  readonly directories: Pick<Directories, "mail" | "state">;
  readonly log: Log;
  /** Between the levels of a mailbox name towards clients. "." as DMS's Dovecot has it, unless told otherwise. */
  readonly separator?: "." | "/";
  /** Name → RFC 6154 attribute of the folders made at the first listing. */
  readonly specialFolders?: Readonly<Record<string, string>>;
  /** A mailbox nobody holds stays in memory this long. */
  readonly keepMs?: number;
}

/** Opens the store. Throws StoreError "unavailable" when the mail volume is known but not there. */
export async function openMaildirStore(options: MaildirStoreOptions): Promise<MailStore> {
  const volume = await Volume.open(options.directories.mail, `${options.directories.state}/store`);
  return new MaildirStore(volume, options);
}

/** Accounts that nobody holds and whose mailboxes are unloaded, kept for their counters. */
const MAX_RESTING_ACCOUNTS = 20_000;

class MaildirStore implements MailStore {
  readonly #volume: Volume;
  readonly #options: MaildirStoreOptions;
  readonly #accounts = new Map<string, Promise<MaildirAccount>>();
  #closed = false;

  constructor(volume: Volume, options: MaildirStoreOptions) {
    this.#volume = volume;
    this.#options = options;
  }

  #account(address: string): Promise<MaildirAccount> {
    if (this.#closed) return Promise.reject(new StoreError("unavailable", "The store is closed."));
    let account = this.#accounts.get(address);
    if (account === undefined) {
      const made = new MaildirAccount(
        address,
        `${this.#options.directories.mail}/${accountPath(address)}`,
        this.#volume,
        this.#options.log,
        {
          indexDirectory: `${this.#options.directories.state}/store/index/${this.#volume.id || "unnamed"}/${accountPath(address)}`,
          separator: this.#options.separator ?? ".",
          specialFolders: this.#options.specialFolders ?? SPECIAL_FOLDERS,
          keepMs: this.#options.keepMs ?? 300_000,
          keepCount: 16,
        },
        () => this.#trim(),
      );
      account = made.prepare();
      this.#accounts.set(address, account);
      account.catch(() => this.#accounts.delete(address));
    }
    return account;
  }
  #trim(): void {
    if (this.#accounts.size <= MAX_RESTING_ACCOUNTS) return;
    for (const [address, opening] of this.#accounts) {
      void opening.then((account) => {
        if (account.holders === 0 && account.isResting && this.#accounts.size > MAX_RESTING_ACCOUNTS)
          this.#accounts.delete(address);
      });
    }
  }

  async account(address: string): Promise<AccountStore> {
    const account = await this.#account(canonical(address));
    account.holders++;
    return account;
  }

  async usage(address: string): Promise<{ bytes: number; messages: number }> {
    const { bytes, messages } = (await this.#account(canonical(address))).usage();
    return { bytes, messages };
  }

  async deliver(delivery: Delivery): Promise<DeliveryOutcome[]> {
    const groups: DeliveryRecipient[][] = [];
    for (const recipient of delivery.recipients) {
      const group = groups.find((other) => other[0]!.prefix.equals(recipient.prefix));
      if (group === undefined) groups.push([recipient]);
      else group.push(recipient);
    }
    const outcomes = new Map<DeliveryRecipient, DeliveryOutcome>();
    await Promise.all(
      groups.map(async (group) => {
        const first: { written: WrittenMessage | undefined } = { written: undefined };
        // The one that is renamed last takes the name the others link to.
        for (let i = group.length - 1; i > 0; i--)
          outcomes.set(group[i]!, await this.#deliverOne(delivery, group[i]!, first, false));
        outcomes.set(group[0]!, await this.#deliverOne(delivery, group[0]!, first, true));
        if (first.written !== undefined) removeQuietly(first.written.temporary);
      }),
    );
    return delivery.recipients.map((recipient) => outcomes.get(recipient)!);
  }

  async #deliverOne(
    { content, receivedAt }: { content: MessageContent; receivedAt: Date },
    recipient: DeliveryRecipient,
    shared: { written: WrittenMessage | undefined },
    isLast: boolean,
  ): Promise<DeliveryOutcome> {
    try {
      const account = await this.#account(canonical(recipient.account));
      const size = recipient.prefix.length + content.size;
      if (
        recipient.quotaBytes !== undefined &&
        recipient.quotaBytes > 0 &&
        account.usage().bytes + size > recipient.quotaBytes
      )
        throw new StoreError("over-quota", `The mailbox of ${recipient.account} is full.`);
      const { directory } = await account.deliveryFolder(recipient.mailbox);
      shared.written ??= await writeMessage(directory, recipient.prefix, content, receivedAt.getTime());
      let written = shared.written;
      const flags = systemBits(recipient.flags ?? []);
      let file = placeFor(written.base, flags);
      account.inFlight.add(written.base);
      try {
        if (isLast) {
          renameSync(written.temporary, `${directory}/${file}`);
          shared.written = undefined;
        } else {
          try {
            linkSync(written.temporary, `${directory}/${file}`);
          } catch {
            // No hard links here (another device, too many names): a copy of its own.
            written = await writeMessage(directory, recipient.prefix, content, receivedAt.getTime());
            file = placeFor(written.base, flags);
            account.inFlight.add(written.base);
            renameSync(written.temporary, `${directory}/${file}`);
          }
        }
        try {
          await syncDirectory(`${directory}/${file.slice(0, 3)}`);
        } catch (error) {
          removeQuietly(`${directory}/${file}`);
          throw error;
        }
      } finally {
        account.inFlight.delete(written.base);
      }
      const { loaded } = await account.deliveryFolder(recipient.mailbox);
      if (loaded === undefined) account.delivered(written.crlfSize);
      else
        loaded.arrived(file, { size: written.crlfSize, date: written.date }).catch((error) => {
          this.#options.log.warn(
            { err: error, account: recipient.account },
            "a delivered message waits for the next look at its mailbox",
          );
        });
      return { account: recipient.account, stored: true };
    } catch (error) {
      return {
        account: recipient.account,
        stored: false,
        error: storeError(error, `Delivering to ${recipient.account}`),
      };
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const opening of this.#accounts.values()) {
      const account = await opening.catch(() => undefined);
      await account?.close();
    }
    this.#accounts.clear();
  }
}

function canonical(address: string): string {
  return address.toLowerCase();
}
/** `<domain>/<local part>`. Throws "nonexistent" for an address that is no safe path. */
export function accountPath(address: string): string {
  const at = address.lastIndexOf("@");
  const parts = [address.slice(at + 1), address.slice(0, Math.max(at, 0))];
  for (const part of parts) {
    if (
      part === "" ||
      part === "." ||
      part === ".." ||
      part.includes("/") ||
      part.includes("\0") ||
      Buffer.byteLength(part) > 255
    )
      throw new StoreError("nonexistent", `${JSON.stringify(address)} is no address of an account.`);
  }
  return parts.join("/");
}
