/**
 * Whose address is it? A user may send as every address whose mail reaches them here: their account, its
 * plus-addresses, aliases that lead to it, a catch-all of theirs (DMS: `smtpd_sender_login_maps` over
 * accounts, aliases and regular expressions).
 */
import type { Snapshot } from "../config/snapshot.ts";
import { canonicalAddress } from "../message/address.ts";
import type { SmtpServices } from "./services.ts";

export function ownsAddress(
  services: Pick<SmtpServices, "routeRecipient">,
  snapshot: Snapshot,
  account: string,
  address: string,
): boolean {
  const canonical = canonicalAddress(address);
  if (canonical === undefined) return false;
  if (canonical === account) return true;
  return services.routeRecipient(snapshot, canonical).some(
    (route) =>
      route.kind === "local" &&
      route.account === account &&
      // Being who answers for postmaster where nobody is declared makes nobody its owner.
      !route.via.some(({ rule }) => rule === "postmaster"),
  );
}
