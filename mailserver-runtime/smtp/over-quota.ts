/**
 * Whether an account has room for a message, asked at RCPT, when only the size that MAIL announced is known. The store
 * decides again when the message is there.
 */
import { deliveryLimits, domainCeiling } from "../config/account-quota.ts";
import { domainOf } from "../message/address.ts";
import type { Route } from "../routing/route.ts";
import type { Settings } from "../settings/schema.ts";
import { type Reply, replies } from "./reply.ts";
import type { Session, Transaction } from "./session.ts";

type OpenRoute = Exclude<Route, { readonly kind: "refused" }>;

/** What a client hears about a full mailbox. */
export function fullReply({ mailbox }: Settings): Reply {
  return mailbox.whenFull === "refuse" ? replies.mailboxFull : replies.mailboxFullNow;
}

/** Refuses when no target of the recipient has room; where one has, the others are the store's to decide. */
export function overQuota(
  session: Session,
  transaction: Transaction,
  routes: readonly OpenRoute[],
): Promise<Reply | undefined> | undefined {
  const limited = routes.every((route) => route.kind === "local" && isLimited(transaction, route.account));
  return limited && routes.length > 0 ? fullest(session, transaction, routes) : undefined;
}

function isLimited({ snapshot }: Transaction, account: string): boolean {
  return deliveryLimits(snapshot, account).quotaBytes > 0 || domainCeiling(snapshot, domainOf(account)) > 0;
}

async function fullest(
  session: Session,
  { snapshot, parameters }: Transaction,
  routes: readonly OpenRoute[],
): Promise<Reply | undefined> {
  const size = parameters.size ?? 0;
  let answer: Reply | undefined;
  for (const route of routes) {
    if (route.kind !== "local") return undefined;
    const { quotaBytes, graceBytes } = deliveryLimits(snapshot, route.account);
    const ceiling = domainCeiling(snapshot, domainOf(route.account));
    const { bytes, domainBytes = 0 } = await session.services.store.usage(route.account);
    if (fits(bytes, size, quotaBytes, graceBytes) && fits(domainBytes, size, ceiling, 0)) return undefined;
    const most = Math.min(
      quotaBytes + graceBytes || Number.POSITIVE_INFINITY,
      ceiling || Number.POSITIVE_INFINITY,
    );
    answer = size > most ? replies.largerThanQuota : fullReply(snapshot.settings);
  }
  return answer;
}
/** A limit of 0 is none. Below it one message more may go beyond it by the grace. */
function fits(used: number, size: number, limit: number, grace: number): boolean {
  return limit === 0 || (used < limit && used + size <= limit + grace);
}
