/**
 * The account's quota (RFC 9208): one quota root for all its mailboxes, and another where its domain has a ceiling that all
 * accounts of it share; both are asked before anything is added.
 *
 * The store counts and the caller's configuration limits; here both meet. A move within the account adds
 * nothing, so it is never refused: who is over quota must be able to move mail to Trash.
 */
import { StoreError } from "../store/mail-store.ts";
import type { QuotaLimits } from "../store/quota.ts";
import { type Completion, no } from "./commands/command.ts";
import type { Session } from "./session.ts";

/** The name Dovecot gives it, which clients show. */
const USER_ROOT = "User quota";
const DOMAIN_ROOT = "Domain quota";

/** The quota roots of the session's own mailboxes, with what limits each. Throws StoreError. */
export async function quotaRoots(session: Session): Promise<ReadonlyMap<string, readonly Resource[]>> {
  const { store, domainQuota } = session.dependencies;
  const { address } = session.mail;
  const roots = new Map([[USER_ROOT, await resources(session)]]);
  const ceiling = domainQuota?.(address) ?? 0;
  if (ceiling > 0) roots.set(DOMAIN_ROOT, [storage((await store.usage(address)).domainBytes ?? 0, ceiling)]);
  return roots;
}

/** One resource as QUOTA tells it: what is used of what. */
export interface Resource {
  readonly name: "STORAGE" | "MESSAGE";
  readonly used: number;
  readonly limit: number;
}

/** STORAGE counts in units of 1024 octets (RFC 9208 §5.1); a limit below one unit must not read as none. */
const UNIT = 1024;

function storage(used: number, limit: number): Resource {
  return { name: "STORAGE", used: Math.ceil(used / UNIT), limit: Math.max(1, Math.floor(limit / UNIT)) };
}

/** The resources that have a limit, with what is used of them. Throws StoreError. */
async function resources(session: Session): Promise<readonly Resource[]> {
  const { bytes = 0, messages = 0 } = limitsOf(session, session.mail.address);
  if (bytes <= 0 && messages <= 0) return [];
  const used = await session.dependencies.store.usage(session.mail.address);
  const found: Resource[] = [];
  if (bytes > 0) found.push(storage(used.bytes, bytes));
  if (messages > 0) found.push({ name: "MESSAGE", used: used.messages, limit: messages });
  return found;
}

/**
 * Stores what `act` stores while room is kept for it, so that sessions at work side by side do not exceed the limit
 * together. Throws StoreError, "over-quota" among others.
 */
export async function withRoom<T>(
  session: Session,
  mailbox: string,
  growth: { readonly bytes: number; readonly messages: number },
  act: () => Promise<T>,
): Promise<T> {
  const { store, quota } = session.dependencies;
  if (!quota) return act();
  const { account, name } = await session.mail.placeOf(mailbox);
  const kept = await store.reserve({ account, mailbox: name, ...growth, limits: quota(account) });
  try {
    return await act();
  } finally {
    kept.settle();
  }
}

/** Why so much more does not fit into a mailbox (RFC 9208 §4.3.1), or undefined where it does. Throws StoreError. */
export async function overQuota(
  session: Session,
  mailbox: string,
  { bytes, messages }: { readonly bytes: number; readonly messages: number },
): Promise<Completion | undefined> {
  if (!session.dependencies.quota) return undefined;
  try {
    await withRoom(session, mailbox, { bytes, messages }, async () => undefined);
    return undefined;
  } catch (error) {
    if (error instanceof StoreError && error.code === "over-quota") return no(error.message, "OVERQUOTA");
    throw error;
  }
}

function limitsOf(session: Session, account: string): QuotaLimits {
  return session.dependencies.quota?.(account) ?? { bytes: 0 };
}
