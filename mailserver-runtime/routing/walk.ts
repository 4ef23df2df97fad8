/** One look-up of an address: through aliases to its ends, each way once, without going in circles. */
import { type AliasPattern, PatternTooSlow, substituted } from "../config/dms/alias-pattern.ts";
import type { Account, Alias, Snapshot } from "../config/snapshot.ts";
import {
  canonicalAddress,
  canonicalText,
  foldLocalPart,
  formatAddress,
  type MailAddress,
  parseAddress,
} from "../message/address.ts";
import { backupOf } from "./backup.ts";
import { type Detail, splitDetail } from "./detail.ts";
import { hostDomain, isHostItself } from "./host-domain.ts";
import { postmasterTargets, servesPostmaster } from "./postmaster.ts";
import { refusals, refused } from "./refusals.ts";
import type { Refusal, Route, Step } from "./route.ts";

/** Most aliases on one way. */
export const MAX_ALIAS_DEPTH = 20;
/** Most ways that one address may open; a larger alias is a mailing list and wants a list manager. */
export const MAX_ROUTES = 5000;

/** One look-up: what has been found so far, each way once. */
export class Walk {
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
    if (open.has(key) || via.length > MAX_ALIAS_DEPTH) this.#refuse(refusals.loop, via, key);
    else if (this.#seen.has(key)) return;
    else if (this.#snapshot.domain(address.domain) !== undefined)
      this.#hosted(address, key, via, new Set(open).add(key));
    else if (isHostItself(this.#snapshot, address.domain))
      this.#ofHost(address, key, via, new Set(open).add(key));
    else this.#remote(address, via);
    this.#seen.add(key);
  }

  #hosted(address: MailAddress, key: string, via: readonly Step[], within: ReadonlySet<string>): void {
    const plain = this.#split(address.localPart);
    const user: MailAddress | undefined = plain && { ...address, localPart: plain.user };
    if (this.#own(key, key, undefined, via, within)) return;
    if (plain !== undefined && user !== undefined) {
      const userKey = canonicalText(user);
      const step: Step = { rule: "plus-addressing", from: key, to: userKey };
      if (within.has(userKey)) {
        this.#refuse(refusals.loop, via, key);
        return;
      }
      if (this.#own(userKey, userKey, plain, [...via, step], new Set(within).add(userKey))) return;
    }
    if (this.#regexp(key, via, within)) return;
    if (isHostItself(this.#snapshot, address.domain) && this.#localAlias(address, key, via, within)) return;
    if (this.#alias(`@${address.domain}`, key, undefined, via, within)) return;
    if (servesPostmaster(this.#snapshot, address)) this.postmaster(address, key, via, within);
    else this.#refuse(refusals.unknown, via, key);
  }

  /** The host's own name where it is no mail domain: postfix-aliases.cf, and root, postmaster and abuse. */
  #ofHost(address: MailAddress, key: string, via: readonly Step[], within: ReadonlySet<string>): void {
    if (this.#alias(key, key, undefined, via, within) || this.#localAlias(address, key, via, within)) return;
    const domain = hostDomain(this.#snapshot);
    if (servesPostmaster(this.#snapshot, address)) this.postmaster(undefined, key, via, within);
    // A bare target of an alias is a user of the machine, who is the one of that name in its domain.
    else if (via.length > 0 && !isHostItself(this.#snapshot, domain))
      this.address({ ...address, domain }, via, within);
    else this.#refuse(refusals.unknown, via, key);
  }

  /** A name of postfix-aliases.cf (aliases(5)); root is the postmaster where no line says otherwise, as in DMS. */
  #localAlias(address: MailAddress, key: string, via: readonly Step[], within: ReadonlySet<string>): boolean {
    const name = foldLocalPart(this.#split(address.localPart)?.user ?? address.localPart);
    const alias = this.#snapshot.localAliases?.get(name);
    if (alias !== undefined) {
      for (const name of alias.targets) {
        const target = name.includes("@")
          ? name
          : `${name}@${this.#snapshot.settings.hostname.toLowerCase()}`;
        const step: Step = { rule: "local alias", from: key, to: target, origin: alias.origin };
        this.#target(target, key, undefined, [...via, step], within);
      }
      return true;
    }
    if (name !== "root") return false;
    this.postmaster(undefined, key, via, within);
    return true;
  }

  /**
   * The account and the alias of one name. The account comes first, and an alias of the same name adds to it only where
   * it names the account among its targets: that is how DMS's users keep a copy of what they forward. An alias takes the
   * place of an account that was removed.
   */
  #own(
    entry: string,
    key: string,
    detail: Detail | undefined,
    via: readonly Step[],
    within: ReadonlySet<string>,
  ): boolean {
    const account = this.#snapshot.account(entry);
    const alias = this.#snapshot.alias(entry);
    if (account === undefined || (!account.enabled && alias !== undefined))
      return this.#alias(entry, key, detail, via, within);
    this.#account(key, account, detail, via);
    if (alias !== undefined && keepsAccount(alias, account))
      this.#targets(
        alias,
        key,
        detail,
        via,
        within,
        (target) => canonicalAddress(target) !== account.address,
      );
    return true;
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

  #account(key: string, account: Account, detail: Detail | undefined, via: readonly Step[]): void {
    const onward = [...via, accountStep(key, account)];
    if (account.enabled) this.#add(localRoute(account, detail?.detail, onward));
    else this.#refuse(refusals.disabled, onward, key);
  }

  /** `entry` is the alias's key in the table (an address or `@domain`), `key` the address that is on its way. */
  #alias(
    entry: string,
    key: string,
    detail: Detail | undefined,
    via: readonly Step[],
    open: ReadonlySet<string>,
  ): boolean {
    const alias = this.#snapshot.alias(entry);
    if (alias !== undefined) this.#targets(alias, key, detail, via, open, () => true);
    return alias !== undefined;
  }

  #targets(
    alias: Alias,
    key: string,
    detail: Detail | undefined,
    via: readonly Step[],
    open: ReadonlySet<string>,
    meant: (target: string) => boolean,
  ): void {
    const rule = alias.address.startsWith("@") ? "catch-all" : "alias";
    for (const target of alias.targets)
      if (meant(target)) {
        const step: Step = { rule, from: key, to: target, origin: alias.origin };
        this.#target(target, key, detail, [...via, step], open);
      }
  }

  #regexp(key: string, via: readonly Step[], open: ReadonlySet<string>): boolean {
    for (const alias of this.#snapshot.regexpAliases) {
      const match = matchOf(alias.pattern, key);
      if (match === "too slow") {
        this.#refuse(refusals.slowPattern, via, key);
        return true;
      }
      if (match === undefined) continue;
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
    detail: Detail | undefined,
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
      this.#split(address.localPart) === undefined &&
      this.#snapshot.domain(address.domain) !== undefined;
    const localPart = carries ? `${address.localPart}${detail.delimiter}${detail.detail}` : address.localPart;
    this.address({ ...address, localPart }, via, open);
  }

  #split(localPart: string): Detail | undefined {
    return splitDetail(localPart, this.#snapshot.settings.routing.recipientDelimiter);
  }

  #qualified(target: string, key: string): string {
    if (target.startsWith("@")) return `${key.slice(0, key.lastIndexOf("@"))}${target}`;
    return target.includes("@") ? target : `${target}@${hostDomain(this.#snapshot)}`;
  }

  #remote(address: MailAddress, via: readonly Step[]): void {
    const text = formatAddress(address);
    const last = via[via.length - 1];
    if (last !== undefined) {
      const step: Step = { rule: "forward", from: last.from, to: text, origin: last.origin };
      this.#add({ kind: "remote", address: text, forwarded: true, via: [...via, step] });
      return;
    }
    const backup = backupOf(this.#snapshot, address);
    if (backup === undefined) {
      const step: Step = { rule: "relay", from: text, to: address.domain };
      this.#add({ kind: "remote", address: text, forwarded: false, via: [step] });
      return;
    }
    const { origin, lifetimeSeconds } = backup.domain;
    const step: Step = { rule: "backup MX", from: text, to: address.domain, origin };
    if (backup.known)
      this.#add({
        kind: "remote",
        address: text,
        forwarded: false,
        backup: { lifetimeSeconds },
        via: [step],
      });
    else this.#refuse(refusals.unknown, [step], text);
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

/** Whether an alias of an account's own name has the account among its targets. */
export function keepsAccount(alias: Alias, account: Account): boolean {
  return alias.targets.some((target) => canonicalAddress(target) === account.address);
}

function localRoute(account: Account, detail: string | undefined, via: readonly Step[]): Route {
  return detail === undefined
    ? { kind: "local", account: account.address, via }
    : { kind: "local", account: account.address, detail, via };
}

function matchOf(
  pattern: AliasPattern,
  key: string,
): readonly (string | undefined)[] | "too slow" | undefined {
  try {
    return pattern.match(key);
  } catch (error) {
    if (error instanceof PatternTooSlow) return "too slow";
    throw error;
  }
}
