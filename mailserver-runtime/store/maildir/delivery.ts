/**
 * One delivery into many accounts: recipients whose copies have equal bytes share one file by hard links; each
 * learns its own outcome. All renames come first and share the directory syncs that follow.
 *
 * How a copy is written for an account and put in place there is its `Destination`'s matter: the account may be
 * this process's own (local-destination.ts) or another's (owned-store.ts).
 */
import type { Delivery, DeliveryOutcome, DeliveryRecipient } from "../mail-store.ts";
import { storeError } from "./durable.ts";
import type { WrittenMessage } from "./message-writer.ts";

/** Where one recipient's copy goes: an account that is there and has room. */
export interface Destination {
  readonly recipient: DeliveryRecipient;
  /** Writes the copy's bytes once and syncs them. */
  write(delivery: Delivery): Promise<WrittenMessage>;
  /**
   * Puts a written copy into the recipient's folder; durable when it resolves. "rename" takes the file along, and
   * nothing is left of it on failure; "link" leaves it for others.
   */
  put(written: WrittenMessage, by: PutBy): Promise<void>;
}
export type PutBy = "rename" | "link";
/** Finds a recipient's destination. Throws StoreError. */
export type FindDestination = (recipient: DeliveryRecipient) => Promise<Destination>;

/** Delivers; outcomes in the order of the recipients. */
export async function deliverToAll(delivery: Delivery, find: FindDestination): Promise<DeliveryOutcome[]> {
  const [only] = delivery.recipients;
  if (only !== undefined && delivery.recipients.length === 1)
    return [await deliverToOne(delivery, only, find)];
  const outcomes = new Map<DeliveryRecipient, DeliveryOutcome>();
  const failed = (recipient: DeliveryRecipient, error: unknown): void => {
    outcomes.set(recipient, notStored(recipient, error));
  };
  const groups: Destination[][] = [];
  await Promise.all(
    delivery.recipients.map(async (recipient) => {
      try {
        const destination = await find(recipient);
        const group = groups.find((others) => others[0]!.recipient.prefix.equals(recipient.prefix));
        if (group === undefined) groups.push([destination]);
        else group.push(destination);
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
          written = await group[0]!.write(delivery);
        } catch (error) {
          failed(group.shift()!.recipient, error);
        }
      }
      if (written === undefined) return;
      const shared = written;
      const put = async (destination: Destination, by: PutBy): Promise<void> => {
        const { recipient } = destination;
        try {
          await destination.put(shared, by);
          outcomes.set(recipient, { account: recipient.account, stored: true });
        } catch (error) {
          failed(recipient, error);
        }
      };
      // Who wrote it comes last and takes the temporary name with it.
      const [writer, ...others] = group;
      await Promise.all(others.map((destination) => put(destination, "link")));
      await put(writer!, "rename");
    }),
  );
  return delivery.recipients.map((recipient) => outcomes.get(recipient)!);
}

/** Most mail has one recipient: no groups, no links, half as many promises. */
async function deliverToOne(
  delivery: Delivery,
  recipient: DeliveryRecipient,
  find: FindDestination,
): Promise<DeliveryOutcome> {
  try {
    const destination = await find(recipient);
    await destination.put(await destination.write(delivery), "rename");
    return { account: recipient.account, stored: true };
  } catch (error) {
    return notStored(recipient, error);
  }
}

function notStored(recipient: DeliveryRecipient, error: unknown): DeliveryOutcome {
  const reason = storeError(error, `Delivering to ${recipient.account}`);
  return { account: recipient.account, stored: false, error: reason };
}
