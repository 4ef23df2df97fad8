/**
 * Where an address leads: a pure function of the snapshot.
 *
 * The order is fixed, and the first match wins: account, alias, account and alias without the "+detail", regexp alias,
 * catch-all, and last the postmaster rule; for other domains the backup MX, if this host is that. An alias's targets are routed in turn; whatever comes back more than once is
 * taken once. So an address that has an account is never taken away from it, whatever the aliases say.
 *
 * - *Hosted or not.* `snapshot.domain()` decides. Mail for other domains is a `remote` route, and whether a client may
 *   have it is the caller's decision (DESIGN D9), as are quota and content.
 * - *postmaster and abuse* are answered at every hosted domain, and `postmaster` without a domain (RFC 5321 §4.5.1, RFC
 *   2142): see `postmaster.ts`.
 * - *Removed accounts* keep their mail and are refused with 5.2.1; a catch-all does not inherit their mail.
 * - *Some of an alias's targets may fail.* The routes that work are answered and the others dropped, since one broken
 *   target must not stop the others' mail; `explain` shows the dropped ones. Only if nothing is left is the answer one
 *   `refused` route.
 */
import type { Snapshot } from "../config/snapshot.ts";
import { canonicalAddress, canonicalText, foldLocalPart, parseAddress } from "../message/address.ts";
import { recipientRefusal } from "./access.ts";
import { refusals, refused } from "./refusals.ts";
import type { Route, Step } from "./route.ts";
import type { Srs } from "./srs.ts";
import { Walk } from "./walk.ts";

/** What the caller knows beyond the address. */
export interface RoutingContext {
  /** How often a redirect or a bounce has sent this message through here already. */
  readonly hops?: number;
  /** Takes bounces of forwarded mail back to the sender they were rewritten for. */
  readonly srs?: Pick<Srs, "recognises" | "reverse">;
}

/** Most redirects of one message (RFC 5321 §6.3 asks for a large number of Received fields; these are our own only). */
export const MAX_HOPS = 20;
/**
 * The ways of one recipient, as given in RCPT TO without angle brackets. At least one route; either none of them is
 * `refused`, or it is the only one. Never throws.
 */
export function routeRecipient(
  snapshot: Snapshot,
  recipient: string,
  context: RoutingContext = {},
): readonly Route[] {
  if ((context.hops ?? 0) > MAX_HOPS) return [refused(refusals.tooManyHops, [])];
  const all = everyRoute(snapshot, recipient, context);
  const good = all.filter((route) => route.kind !== "refused");
  if (good.length > 0) return good;
  // A reason that may pass is told before one that does not: the sender then keeps the message.
  const temporary = all.find((route) => route.kind === "refused" && route.refusal.code < 500);
  return [temporary ?? all[0] ?? refused(refusals.unknown, [])];
}

/** All ways with the refused ones among them, in the order in which they were found; for `explain`. */
export function everyRoute(
  snapshot: Snapshot,
  recipient: string,
  context: RoutingContext = {},
): readonly Route[] {
  const walk = new Walk(snapshot);
  if (foldLocalPart(recipient) === "postmaster") {
    walk.postmaster(undefined, recipient, [], new Set());
    return walk.routes();
  }
  const address = parseAddress(recipient);
  if (address === undefined) return [refused(refusals.notAnAddress, [])];
  const denied = recipientRefusal(snapshot, address);
  if (denied !== undefined) return [refused(denied, [])];
  if (context.srs?.recognises(address) && snapshot.account(canonicalText(address)) === undefined)
    return [bounceRoute(context.srs.reverse(address), canonicalText(address))];
  walk.address(address, [], new Set());
  return walk.routes();
}

function bounceRoute(reversed: ReturnType<Srs["reverse"]>, from: string): Route {
  if ("problem" in reversed) {
    const text = `This forwarded sender address is not ours: ${reversed.problem}`;
    return refused({ code: 550, status: "5.7.1", text }, []);
  }
  const step: Step = { rule: "SRS", from, to: reversed.address };
  return { kind: "remote", address: reversed.address, forwarded: true, via: [step] };
}

/** Only the way into the address's own account, where it has one. */
export function routesToAccount(routes: readonly Route[], address: string): readonly Route[] {
  const own = routes.filter((route) => route.kind === "local" && route.account === canonicalAddress(address));
  return own.length > 0 ? own : routes;
}
