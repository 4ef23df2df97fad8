/**
 * The authenticator as the servers see it, with self-defence around it: a failed login is an offence of its client,
 * guessing at one account from everywhere is slowed down, and who is banned gets no password checked on a
 * connection that was open before.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Authenticator, LoginAttempt, LoginResult } from "../auth/authenticator.ts";
import { canonicalAddress } from "../message/address.ts";
import type { Log } from "../net/log.ts";
import type { Settings } from "../settings/schema.ts";
import { AccountPace } from "./account-pace.ts";
import type { Bans } from "./bans.ts";

export interface GuardOptions {
  readonly authenticator: Authenticator;
  readonly bans: Pick<Bans, "offend" | "isBanned">;
  readonly settings: () => Settings["ban"];
  readonly log: Log;
  readonly now?: () => number;
  readonly wait?: (milliseconds: number) => Promise<unknown>;
}

export function guardAuthenticator(options: GuardOptions): Authenticator {
  const { authenticator, bans, settings, log, now = Date.now } = options;
  const wait = options.wait ?? ((milliseconds) => sleep(milliseconds, undefined, { ref: false }));
  const pace = new AccountPace({
    after: () => (settings().enabled ? settings().slowDownAfter : 0),
    now,
    onGuessing: (account, failures) =>
      log.warn(
        { event: "account-under-attack", account, failures },
        "many failed logins to one account from strange addresses: they are slowed down",
      ),
  });

  async function verify(attempt: LoginAttempt): Promise<LoginResult> {
    const { address } = attempt.client;
    if (bans.isBanned(address)) return { ok: false, reason: "credentials" };
    const account = loginName(attempt.username);
    const turn = pace.turn(account, address);
    if (turn === undefined) return { ok: false, reason: "temporary" };
    if (turn > 0) await wait(turn);
    const result = await authenticator.verify(attempt);
    if (result.ok) pace.succeeded(account, address);
    // A mistyped password where its owner has logged in is no offence; guesses at others count (DESIGN D9).
    else if (result.reason === "credentials" && !pace.knows(account, address)) {
      pace.failed(account);
      bans.offend({ kind: `login-failed-${attempt.service}`, client: address, about: attempt.username });
    }
    return result;
  }

  return { verify, close: () => authenticator.close() };
}

/** What attempts at one login are counted under; bounded, whatever a client sends. */
function loginName(username: string): string {
  const name = username.slice(0, 320);
  return canonicalAddress(name) ?? name.toLowerCase();
}
