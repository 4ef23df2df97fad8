/** The stored hash that a login name is checked against: its account's, or for `user@domain*master` the master user's. */
import type { Account, Snapshot } from "../config/snapshot.ts";
import { canonicalAddress } from "../message/address.ts";

export interface LoginName {
  readonly account: string;
  /** Who logs in to it in its owner's place. */
  readonly master?: string;
}

/** Takes a login name apart: the account, and the master user after the last `*`, if that stands behind the address. */
export function parseLoginName(username: string): LoginName | undefined {
  const star = username.lastIndexOf("*");
  const behindAddress = star > username.lastIndexOf("@") && username.includes("@");
  const account = canonicalAddress(behindAddress ? username.slice(0, star) : username);
  if (account === undefined) return undefined;
  return behindAddress ? { account, master: username.slice(star + 1) } : { account };
}

/** `{SCHEME}hash` of who logs in; undefined for nobody and for who has no password. */
export function accountHash(snapshot: Snapshot, username: string): string | undefined {
  const login = parseLoginName(username);
  const account: Account | undefined = login && snapshot.account(login.account);
  if (!login || !account) return undefined;
  return login.master === undefined
    ? account.passwordHash
    : snapshot.masters?.get(login.master)?.passwordHash;
}
