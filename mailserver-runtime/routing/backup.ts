/**
 * Backup MX: a domain whose mail this host takes while the primary is away, and hands to the better MX (RFC 5321 §5.1;
 * the queue never gives it to this host itself or to a worse one). With a list of recipients an unknown one is refused at
 * RCPT; without it the primary's refusals become bounces, which is why a list is to be preferred.
 */
import type { BackupMx, Snapshot } from "../config/snapshot.ts";
import { canonicalText, foldLocalPart, type MailAddress } from "../message/address.ts";
import { splitDetail } from "./detail.ts";
import { ROLES } from "./postmaster.ts";

/** The backup duty that speaks of an address, and whether it is to be taken. */
export function backupOf(
  snapshot: Snapshot,
  address: MailAddress,
): { readonly domain: BackupMx; readonly known: boolean } | undefined {
  const domain = snapshot.backupDomains?.get(address.domain);
  if (domain === undefined) return undefined;
  const { recipients } = domain;
  const user = splitDetail(address.localPart, snapshot.settings.routing.recipientDelimiter)?.user;
  const known =
    recipients === undefined ||
    recipients.has(canonicalText(address)) ||
    (user !== undefined && recipients.has(canonicalText({ ...address, localPart: user }))) ||
    ROLES.has(foldLocalPart(address.localPart));
  return { domain, known };
}
