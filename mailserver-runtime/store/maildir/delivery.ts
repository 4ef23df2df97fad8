/**
 * One delivery into many accounts: recipients whose copies have equal bytes share one file by hard links; each
 * learns its own outcome. All renames come first and share the directory syncs that follow.
 */
import { linkSync, renameSync } from "node:fs";
import { type Delivery, type DeliveryOutcome, type DeliveryRecipient, StoreError } from "../mail-store.ts";
import type { MaildirAccount } from "./account.ts";
import { placeFor } from "./arrivals.ts";
import { errorCode, storeError, syncDirectory } from "./durable.ts";
import { systemBits } from "./flag-changes.ts";
import { removeQuietly, type WrittenMessage, writeMessage } from "./message-writer.ts";

/** A recipient whose account and folder are there and who has room. */
interface Place {
  readonly recipient: DeliveryRecipient;
  readonly account: MaildirAccount;
  readonly disk: string;
  readonly directory: string;
}

/** Delivers; outcomes in the order of the recipients. `accountOf` opens an account by address. */
export async function deliverToAll(
  delivery: Delivery,
  accountOf: (address: string) => Promise<MaildirAccount>,
): Promise<DeliveryOutcome[]> {
  const [only] = delivery.recipients;
  if (only !== undefined && delivery.recipients.length === 1)
    return [await deliverToOne(delivery, only, accountOf)];
  const outcomes = new Map<DeliveryRecipient, DeliveryOutcome>();
  const failed = (recipient: DeliveryRecipient, error: unknown): void => {
    outcomes.set(recipient, notStored(recipient, error));
  };
  const groups: Place[][] = [];
  await Promise.all(
    delivery.recipients.map(async (recipient) => {
      try {
        const place = await placeOf(delivery, recipient, accountOf);
        const group = groups.find((others) => others[0]!.recipient.prefix.equals(recipient.prefix));
        if (group === undefined) groups.push([place]);
        else group.push(place);
      } catch (error) {
        failed(recipient, error);
      }
    }),
  );
  await Promise.all(
    groups.map(async (group) => {
      let written: WrittenMessage | undefined;
      // Whoever's folder takes the file writes it for all.
      while (written === undefined && group.length > 0) {
        try {
          written = await writeCopy(delivery, group[0]!);
        } catch (error) {
          failed(group.shift()!.recipient, error);
        }
      }
      if (written === undefined) return;
      const shared = written;
      // Who wrote it comes last and takes the temporary name with it.
      await Promise.all(
        group.toReversed().map(async (place) => {
          try {
            await putInPlace(delivery, place, shared, place === group[0]);
            outcomes.set(place.recipient, { account: place.recipient.account, stored: true });
          } catch (error) {
            failed(place.recipient, error);
          }
        }),
      );
    }),
  );
  return delivery.recipients.map((recipient) => outcomes.get(recipient)!);
}

/** Most mail has one recipient: no groups, no links, half as many promises. */
async function deliverToOne(
  delivery: Delivery,
  recipient: DeliveryRecipient,
  accountOf: (address: string) => Promise<MaildirAccount>,
): Promise<DeliveryOutcome> {
  try {
    const place = await placeOf(delivery, recipient, accountOf);
    await putInPlace(delivery, place, await writeCopy(delivery, place), true);
    return { account: recipient.account, stored: true };
  } catch (error) {
    return notStored(recipient, error);
  }
}

function notStored(recipient: DeliveryRecipient, error: unknown): DeliveryOutcome {
  const reason = storeError(error, `Delivering to ${recipient.account}`);
  return { account: recipient.account, stored: false, error: reason };
}

async function placeOf(
  delivery: Delivery,
  recipient: DeliveryRecipient,
  accountOf: (address: string) => Promise<MaildirAccount>,
): Promise<Place> {
  const account = await accountOf(recipient.account);
  const quota = recipient.quotaBytes ?? 0;
  if (quota > 0) {
    const { bytes } = await account.usage();
    if (bytes + recipient.prefix.length + delivery.content.size > quota)
      throw new StoreError(
        "over-quota",
        `The mailbox of ${recipient.account} is full: ${bytes} of ${quota} bytes are used.`,
      );
  }
  return { recipient, account, ...(await account.deliveryFolder(recipient.mailbox)) };
}

async function writeCopy(delivery: Delivery, place: Place): Promise<WrittenMessage> {
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

/** Renames or links the file into the folder and waits for the directory's sync. On failure it is taken away again. */
async function putInPlace(
  delivery: Delivery,
  place: Place,
  shared: WrittenMessage,
  isWriter: boolean,
): Promise<void> {
  const { account, directory, disk, recipient } = place;
  const flags = systemBits(recipient.flags ?? []);
  let written = shared;
  let file = placeFor(written.base, flags);
  account.inFlight.add(written.base);
  try {
    if (isWriter) move(written.temporary, `${directory}/${file}`);
    else {
      try {
        linkSync(written.temporary, `${directory}/${file}`);
      } catch {
        // Another device, or no more links to a file: a copy of its own.
        written = await writeCopy(delivery, place);
        file = placeFor(written.base, flags);
        account.inFlight.add(written.base);
        move(written.temporary, `${directory}/${file}`);
      }
    }
    try {
      await syncDirectory(`${directory}/${file.slice(0, 3)}`);
    } catch (error) {
      removeQuietly(`${directory}/${file}`);
      throw error;
    }
  } finally {
    account.inFlight.delete(shared.base);
    account.inFlight.delete(written.base);
  }
  account.delivered(disk, file, { size: written.crlfSize, date: written.date });
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
