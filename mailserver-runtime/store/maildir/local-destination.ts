/** Delivery into an account of this process: the copy is written into the folder's own `tmp` and renamed or linked. */
import { linkSync, renameSync } from "node:fs";
import type { Delivery, DeliveryRecipient, StoreError } from "../mail-store.ts";
import type { Reservation } from "../quota.ts";
import type { MaildirAccount } from "./account.ts";
import { placeFor } from "./arrivals.ts";
import type { Destination, PutBy } from "./delivery.ts";
import { errorCode, syncDirectory } from "./durable.ts";
import { systemBits } from "./flag-changes.ts";
import { copyMessage, removeQuietly, type WrittenMessage, writeMessage } from "./message-writer.ts";

/**
 * The place of a recipient in an account that the caller holds; `reserved` is given what the caller settles where nothing
 * is put there in the end. Throws StoreError, "over-quota" among others.
 */
export async function localDestination(
  delivery: Delivery,
  recipient: DeliveryRecipient,
  account: MaildirAccount,
  reserved: (kept: Reservation) => void,
): Promise<Destination> {
  const { mailbox, quotaBytes = 0, graceBytes = 0 } = recipient;
  const bytes = recipient.prefix.length + delivery.content.size;
  const kept = await account.room({ mailbox, bytes, messages: 1, limits: { bytes: quotaBytes, graceBytes } });
  reserved(kept);
  const { disk, directory } = await account.deliveryFolder(recipient.mailbox);
  const flags = systemBits(recipient.flags ?? []);
  return {
    recipient,
    write: (message) => writeCopy(message, { recipient, account, disk, directory }),
    async put(written, by) {
      await putInPlace(account, { disk, directory, flags, written, by });
      kept.settle();
    },
  };
}

async function writeCopy(
  delivery: Delivery,
  place: {
    readonly recipient: DeliveryRecipient;
    readonly account: MaildirAccount;
    readonly disk: string;
    readonly directory: string;
  },
): Promise<WrittenMessage> {
  const { account, directory, disk, recipient } = place;
  const write = () =>
    writeMessage(directory, recipient.prefix, delivery.content, delivery.receivedAt.getTime());
  try {
    return await write();
  } catch (error) {
    if (errorCode((error as StoreError).cause) !== "ENOENT") throw error;
    // Somebody removed the folder from under us: it is made again, if the volume itself is there.
    await account.restoreFolder(disk);
    return write();
  }
}

/** A written copy and where in an account it goes. */
export interface Placing {
  readonly disk: string;
  readonly directory: string;
  readonly flags: number;
  readonly written: WrittenMessage;
  readonly by: PutBy;
}

/** Renames or links the file into the folder and waits for the directory's sync. On failure it is taken away again. */
export async function putInPlace(account: MaildirAccount, placing: Placing): Promise<void> {
  const { disk, directory, flags, written, by } = placing;
  const file = placeFor(written.base, flags);
  const target = `${directory}/${file}`;
  const entry = account.delivering(disk, file);
  try {
    if (by === "rename") move(written.temporary, target);
    else await link(written, directory, target);
    try {
      await syncDirectory(`${directory}/${file.slice(0, 3)}`);
    } catch (error) {
      removeQuietly(target);
      throw error;
    }
  } catch (error) {
    entry.failed();
    throw error;
  }
  entry.done({ size: written.crlfSize, date: written.date });
}

async function link(written: WrittenMessage, directory: string, target: string): Promise<void> {
  try {
    linkSync(written.temporary, target);
  } catch {
    // Another device, or no more links to a file: a copy of its own.
    move(await copyMessage(written, directory), target);
  }
}

/** Renames; where that fails the temporary name goes, so that nothing is left of it either way. */
function move(temporary: string, target: string): void {
  try {
    renameSync(temporary, target);
  } catch (error) {
    removeQuietly(temporary);
    throw error;
  }
}
