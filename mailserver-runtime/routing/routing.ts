/**
 * Where an address leads: a pure function of the snapshot.
 *
 * The order is fixed, and the first match wins: account, alias, account and alias without the "+detail", regexp alias,
 * catch-all, and last the postmaster rule. An alias's targets are routed in turn; whatever comes back more than once is
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
import type { Account, Snapshot } from "../config/snapshot.ts";
import {
  canonicalText,
  foldLocalPart,
  formatAddress,
  type MailAddress,
  parseAddress,
} from "../message/address.ts";
import { splitDetail } from "./detail.ts";
import { hostDomain } from "./host-domain.ts";
import { postmasterTargets, servesPostmaster } from "./postmaster.ts";
import type { Refusal, Route, Step } from "./route.ts";
import type { Srs } from "./srs.ts";

/** What the caller knows beyond the address. */
export interface RoutingContext {
  /** How often a redirect or a bounce has sent this message through here already. */
  readonly hops?: number;
  /** Takes bounces of forwarded mail back to the sender they were rewritten for. */
  readonly srs?: Pick<Srs, "recognises" | "reverse">;
}

/** Most redirects of one message (RFC 5321 §6.3 asks for a large number of Received fields; these are our own only). */
export const MAX_HOPS = 20;
/** Most aliases on one way. */
export const MAX_ALIAS_DEPTH = 20;
/** Most ways that one address may open; a larger alias is a mailing list and wants a list manager. */
export const MAX_ROUTES = 5000;

/** Every refusal that routing gives. The codes are those of RFC 3463. */
export const refusals = {
  notAnAddress: { code: 553, status: "5.1.3", text: "Bad recipient address syntax" },
  unknown: { code: 550, status: "5.1.1", text: "No such user here" },
  disabled: { code: 550, status: "5.2.1", text: "Mailbox disabled, not accepting messages" },
  denied: { code: 554, status: "5.7.1", text: "Recipient address rejected: access denied" },
  loop: { code: 554, status: "5.4.6", text: "Alias loop: this address leads only back to itself" },
  tooManyHops: { code: 554, status: "5.4.6", text: "Too many redirects, this message is going in circles" },
  tooLarge: {
    code: 451,
    status: "4.3.5",
    text: "This alias opens too many ways; its administrator has to cut it down",
  },
  badTarget: {
    code: 451,
    status: "4.3.5",
    text: "An alias here names something that is no address; its administrator has to repair it",
  },
} as const satisfies Record<string, Refusal>;

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

/** What the access list says about a recipient: its address, or its whole domain. postmaster and abuse are exempt. */
export function recipientRefusal(snapshot: Snapshot, address: MailAddress): Refusal | undefined {
  if (snapshot.refusedRecipients.size === 0 || servesPostmaster(snapshot, address)) return undefined;
  return isListed(snapshot.refusedRecipients, address) ? refusals.denied : undefined;
}

/** What the access list says about a reverse-path; "" (the null reverse-path) is never refused here. */
export function senderRefusal(snapshot: Snapshot, sender: string): Refusal | undefined {
  if (sender === "" || snapshot.refusedSenders.size === 0) return undefined;
  const address = parseAddress(sender);
  if (address === undefined || !isListed(snapshot.refusedSenders, address)) return undefined;
  return { code: 554, status: "5.7.1", text: "Sender address rejected: access denied" };
}

function bounceRoute(reversed: ReturnType<Srs["reverse"]>, from: string): Route {
  if ("problem" in reversed) {
    const text = `This forwarded sender address is not ours: ${reversed.problem}`;
    return refused({ code: 550, status: "5.7.1", text }, []);
  }
  const step: Step = { rule: "forward", from, to: reversed.address };
  return { kind: "remote", address: reversed.address, forwarded: true, via: [step] };
}

function isListed(list: ReadonlySet<string>, address: MailAddress): boolean {
  return list.has(canonicalText(address)) || list.has(address.domain) || list.has(`@${address.domain}`);
}

const refused = (refusal: Refusal, via: readonly Step[]): Route => ({ kind: "refused", refusal, via });

/** One look-up: what has been found so far, each way once. */
class Walk {
  readonly #snapshot: Snapshot;
  readonly #found = new Map<string, Route>();
  /** Addresses whose ways are in `#found` already, so that aliases that share targets cost their sum, not their product. */
  readonly #seen = new Set<string>();
  #tooLarge = false;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  routes(): readonly Route[] {
    // Half of a too large alias is worse than none: the sender would not know who got it.
    if (this.#tooLarge) return [refused(refusals.tooLarge, [])];
    return [...this.#found.values()];
  }

  /** `open` holds the addresses whose targets are being routed now: meeting one again is a loop. */
  address(address: MailAddress, via: readonly Step[], open: ReadonlySet<string>): void {
    const key = canonicalText(address);
    if (this.#snapshot.domain(address.domain) === undefined) this.#remote(address, via);
    else if (open.has(key) || via.length > MAX_ALIAS_DEPTH) this.#refuse(refusals.loop, via, key);
    else if (!this.#seen.has(key)) {
      this.#seen.add(key);
      this.#hosted(address, key, via, new Set(open).add(key));
    }
  }

  #hosted(address: MailAddress, key: string, via: readonly Step[], within: ReadonlySet<string>): void {
    const plain = splitDetail(address.localPart);
    const user: MailAddress | undefined = plain && { ...address, localPart: plain.user };
    if (this.#account(key, undefined, via) || this.#alias(key, key, undefined, via, within)) return;
    if (plain !== undefined && user !== undefined) {
      const userKey = canonicalText(user);
      const step: Step = { rule: "plus-addressing", from: key, to: userKey };
      if (within.has(userKey)) {
        this.#refuse(refusals.loop, via, key);
        return;
      }
      const onward = [...via, step];
      const inner = new Set(within).add(userKey);
      if (this.#account(userKey, plain.detail, onward)) return;
      if (this.#alias(userKey, userKey, plain.detail, onward, inner)) return;
    }
    if (this.#regexp(key, via, within)) return;
    if (this.#alias(`@${address.domain}`, key, undefined, via, within)) return;
    if (servesPostmaster(this.#snapshot, address)) this.postmaster(address, key, via, within);
    else this.#refuse(refusals.unknown, via, key);
  }

  /** The postmaster rule, for an address that nothing else claims; `address` is undefined for bare "postmaster". */
  postmaster(
    address: MailAddress | undefined,
    from: string,
    via: readonly Step[],
    open: ReadonlySet<string>,
  ): void {
    const before = this.#found.size;
    for (const target of postmasterTargets(this.#snapshot, address?.domain)) {
      const step: Step = { rule: "postmaster", from, to: formatAddress(target) };
      if (open.has(canonicalText(target))) continue;
      const attempt = new Walk(this.#snapshot);
      attempt.address(target, [...via, step], open);
      const good = attempt.routes().filter((route) => route.kind !== "refused");
      for (const route of good) this.#add(route);
      if (good.length > 0) return;
    }
    if (this.#found.size === before) this.#refuse(refusals.unknown, via, from);
  }

  #account(key: string, detail: string | undefined, via: readonly Step[]): boolean {
    const account = this.#snapshot.account(key);
    if (account === undefined) return false;
    const onward = [...via, accountStep(key, account)];
    if (account.enabled) this.#add(localRoute(account, detail, onward));
    else this.#refuse(refusals.disabled, onward, key);
    return true;
  }

  /** `entry` is the alias's key in the table (an address or `@domain`), `key` the address that is on its way. */
  #alias(
    entry: string,
    key: string,
    detail: string | undefined,
    via: readonly Step[],
    open: ReadonlySet<string>,
  ): boolean {
    const alias = this.#snapshot.alias(entry);
    if (alias === undefined) return false;
    const rule = entry.startsWith("@") ? "catch-all" : "alias";
    for (const target of alias.targets)
      this.#target(
        target,
        key,
        detail,
        [...via, { rule, from: key, to: target, origin: alias.origin }],
        open,
      );
    return true;
  }

  #regexp(key: string, via: readonly Step[], open: ReadonlySet<string>): boolean {
    for (const alias of this.#snapshot.regexpAliases) {
      alias.pattern.lastIndex = 0;
      const match = alias.pattern.exec(key);
      if (match === null) continue;
      for (const written of alias.targets) {
        const target = substituted(written, match);
        const step: Step = { rule: "regexp alias", from: key, to: target, origin: alias.origin };
        this.#target(target, key, undefined, [...via, step], open);
      }
      return true;
    }
    return false;
  }

  /**
   * One target of an alias. `@domain` keeps the local part (an alias domain); a name without a domain belongs to the
   * host's own. A detail goes along where the target's domain is hosted and the target has none: what another host
   * makes of a "+" is not ours to know.
   */
  #target(
    target: string,
    key: string,
    detail: string | undefined,
    via: readonly Step[],
    open: ReadonlySet<string>,
  ): void {
    if (this.#found.size >= MAX_ROUTES) {
      this.#tooLarge = true;
      return;
    }
    const address = parseAddress(this.#qualified(target, key));
    if (address === undefined) {
      this.#refuse(refusals.badTarget, via, target);
      return;
    }
    const carries =
      detail !== undefined &&
      splitDetail(address.localPart) === undefined &&
      this.#snapshot.domain(address.domain) !== undefined;
    this.address(carries ? { ...address, localPart: `${address.localPart}+${detail}` } : address, via, open);
  }

  #qualified(target: string, key: string): string {
    if (target.startsWith("@")) return `${key.slice(0, key.lastIndexOf("@"))}${target}`;
    return target.includes("@") ? target : `${target}@${hostDomain(this.#snapshot)}`;
  }

  #remote(address: MailAddress, via: readonly Step[]): void {
    const text = formatAddress(address);
    if (via.length === 0) {
      const step: Step = { rule: "relay", from: text, to: address.domain };
      this.#add({ kind: "remote", address: text, forwarded: false, via: [step] });
      return;
    }
    const last = via[via.length - 1];
    const step: Step = { rule: "forward", from: last?.from ?? text, to: text, origin: last?.origin };
    this.#add({ kind: "remote", address: text, forwarded: true, via: [...via, step] });
  }

  #refuse(refusal: Refusal, via: readonly Step[], key: string): void {
    this.#found.set(`${refusal.status} ${key}`, refused(refusal, via));
  }

  #add(route: Route): void {
    const key =
      route.kind === "local"
        ? `local ${route.account} ${route.detail ?? ""}`
        : route.kind === "remote"
          ? `remote ${route.address}`
          : `${route.refusal.status}`;
    if (!this.#found.has(key)) this.#found.set(key, route);
  }
}

const accountStep = (key: string, account: Account): Step => ({
  rule: "account",
  from: key,
  to: account.address,
  origin: account.origin,
});

function localRoute(account: Account, detail: string | undefined, via: readonly Step[]): Route {
  return detail === undefined
    ? { kind: "local", account: account.address, via }
    : { kind: "local", account: account.address, detail, via };
}

/** `$1`, `${1}` and `$(1)` in a target stand for what the pattern's parentheses matched, `$$` for "$" (pcre_table(5)). */
function substituted(target: string, match: RegExpExecArray): string {
  return target.replace(
    /\$(?:(\$)|(\d{1,2})|\{(\d{1,2})\}|\((\d{1,2})\))/g,
    (_, dollar: string | undefined, bare?: string, braced?: string, parenthesised?: string) =>
      dollar ?? match[Number(bare ?? braced ?? parenthesised)] ?? "",
  );
}
