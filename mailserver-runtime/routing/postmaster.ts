/**
 * Who answers for postmaster and abuse where nobody is declared (RFC 5321 §4.5.1, RFC 2142 §2 and §4).
 *
 * In this order, the first that leads anywhere: the `postmasterAddress` setting; postmaster at the host's own domain;
 * the first account of the domain that was asked for; the first account of all. With no account at all nobody can
 * answer, and then the address is refused like any other unknown one.
 */
import type { Account, Snapshot } from "../config/snapshot.ts";
import { foldLocalPart, type MailAddress, parseAddress } from "../message/address.ts";
import { splitDetail } from "./detail.ts";
import { hostDomain, isHostItself } from "./host-domain.ts";

/** Local parts that are always answered. */
export const ROLES: ReadonlySet<string> = new Set(["postmaster", "abuse"]);

/** Whether an address is one that must always be answered here. */
export function servesPostmaster(snapshot: Snapshot, address: MailAddress): boolean {
  const localPart = foldLocalPart(address.localPart);
  const role = splitDetail(localPart, snapshot.settings.routing.recipientDelimiter)?.user ?? localPart;
  if (!ROLES.has(role)) return false;
  return snapshot.domain(address.domain) !== undefined || isHostItself(snapshot, address.domain);
}

/** Who to try, in order; `domain` is undefined for bare "postmaster". */
export function postmasterTargets(snapshot: Snapshot, domain: string | undefined): readonly MailAddress[] {
  const host = hostDomain(snapshot);
  const first = firstAccounts(snapshot);
  const candidates = [
    snapshot.settings.postmasterAddress,
    `postmaster@${host}`,
    first.byDomain.get(domain ?? host)?.address,
    first.overall?.address,
  ];
  return candidates.flatMap((text) => {
    const address = text === undefined ? undefined : parseAddress(text);
    return address === undefined ? [] : [address];
  });
}

interface FirstAccounts {
  readonly overall: Account | undefined;
  readonly byDomain: ReadonlyMap<string, Account>;
}

/** Found once for each snapshot: asking for the postmaster of an empty domain must not cost a walk over all accounts. */
const firstAccountsOf = new WeakMap<Snapshot, FirstAccounts>();

function firstAccounts(snapshot: Snapshot): FirstAccounts {
  const known = firstAccountsOf.get(snapshot);
  if (known !== undefined) return known;
  const byDomain = new Map<string, Account>();
  for (const account of snapshot.accounts())
    if (account.enabled && !byDomain.has(account.domain)) byDomain.set(account.domain, account);
  const found = { overall: byDomain.values().next().value, byDomain };
  firstAccountsOf.set(snapshot, found);
  return found;
}
