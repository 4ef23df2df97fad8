/**
 * The account's quota (RFC 9208): one quota root for all its mailboxes, asked before anything is added.
 *
 * The store counts and the caller's configuration limits; here both meet. A move within the account adds
 * nothing, so it is never refused: who is over quota must be able to move mail to Trash.
 */
import { type Completion, no } from "./commands/command.ts";
import type { Session } from "./session.ts";

/** What an account may hold; 0 or absent is no limit. */
export interface Quota {
  readonly bytes: number;
  readonly messages?: number;
}

/** The name Dovecot gives it, which clients show. */
export const QUOTA_ROOT = "User quota";

/** One resource as QUOTA tells it: what is used of what. */
export interface Resource {
  readonly name: "STORAGE" | "MESSAGE";
  readonly used: number;
  readonly limit: number;
}

/** STORAGE counts in units of 1024 octets (RFC 9208 §5.1); a limit below one unit must not read as none. */
const UNIT = 1024;

/** The resources that have a limit, with what is used of them. Throws StoreError. */
export async function resources(session: Session): Promise<readonly Resource[]> {
  const { bytes = 0, messages = 0 } = limitsOf(session, session.mail.address);
  if (bytes <= 0 && messages <= 0) return [];
  const used = await session.dependencies.store.usage(session.mail.address);
  const found: Resource[] = [];
  if (bytes > 0) {
    found.push({
      name: "STORAGE",
      used: Math.ceil(used.bytes / UNIT),
      limit: Math.max(1, Math.floor(bytes / UNIT)),
    });
  }
  if (messages > 0) found.push({ name: "MESSAGE", used: used.messages, limit: messages });
  return found;
}

/** Why so much more does not fit into a mailbox (RFC 9208 §4.3.1), or undefined where it does. Throws StoreError. */
export async function overQuota(
  session: Session,
  mailbox: string,
  { bytes, messages }: { readonly bytes: number; readonly messages: number },
): Promise<Completion | undefined> {
  if (!session.dependencies.quota) return undefined;
  const account = await session.mail.ownerOf(mailbox);
  const limit = limitsOf(session, account);
  const maxMessages = limit.messages ?? 0;
  if (limit.bytes <= 0 && maxMessages <= 0) return undefined;
  const used = await session.dependencies.store.usage(account);
  if (limit.bytes > 0 && used.bytes + bytes > limit.bytes) {
    return no(`The account is full: ${used.bytes} of ${limit.bytes} bytes are used.`, "OVERQUOTA");
  }
  if (maxMessages > 0 && used.messages + messages > maxMessages) {
    return no(`The account is full: it has ${used.messages} of ${maxMessages} messages.`, "OVERQUOTA");
  }
  return undefined;
}

function limitsOf(session: Session, account: string): Quota {
  return session.dependencies.quota?.(account) ?? { bytes: 0 };
}
