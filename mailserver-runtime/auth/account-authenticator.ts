/**
 * The authenticator over the declared accounts: finds the account of a login name, checks the password
 * against its stored hash off the event loop, and remembers recent successes so that a client that logs in
 * for every message costs one HMAC instead of thousands of hash rounds.
 *
 * It promises: the time of an answer does not tell an unknown name from a wrong password (an unknown name is
 * checked against a hash nobody has the password of); a password is never kept, logged or compared outside
 * the hash (what is remembered is an HMAC under a key of this process, bound to the stored hash, so that a
 * changed password ends it); more attempts at once than `maxPending` are answered "temporary" at once.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Account, Snapshot } from "../config/snapshot.ts";
import { canonicalAddress } from "../message/address.ts";
import type { Log } from "../net/log.ts";
import type { Authenticator, LoginAttempt, LoginResult } from "./authenticator.ts";

export interface AccountAuthenticatorOptions {
  readonly snapshot: () => Snapshot;
  /** Whether a password is the one of a `{SCHEME}hash`; throws when it cannot tell now, or never (unsupported). */
  readonly verifyPassword: (password: string, hash: string) => Promise<boolean>;
  /** Hash of a master user (dovecot-masters.cf), who logs in to any account as `user@domain*master`. */
  readonly masterHash?: (master: string) => string | undefined;
  readonly log: Log;
  /** How long a success is remembered, in milliseconds; 0 turns it off. Default ten minutes. */
  readonly rememberMs?: number;
  /** Passwords being checked at once. Default 128. */
  readonly maxPending?: number;
  readonly now?: () => number;
}

/** SHA512-CRYPT of random bytes that were thrown away. */
const NOBODY =
  "{SHA512-CRYPT}$6$mailkeepnobody$KAlQW6CezT6BWKLMSyg8UfM507bukw6aaRR7CI1uo.qBJFghwZvyFVrgBtUsCzwntxnQlXm36o.bl4T/Q8eAQ/";
const MAX_REMEMBERED = 10_000;
/** Longer names and passwords are nobody's; hashing megabytes is an attack. */
const MAX_CREDENTIAL = 1024;

const failed = (reason: Extract<LoginResult, { ok: false }>["reason"]): LoginResult => ({
  ok: false,
  reason,
});

export function createAuthenticator(options: AccountAuthenticatorOptions): Authenticator {
  const { snapshot, verifyPassword, log, rememberMs = 600_000, maxPending = 128, now = Date.now } = options;
  const key = randomBytes(32);
  const remembered = new Map<string, { readonly proof: Buffer; readonly until: number }>();
  let pending = 0;
  let closed = false;

  async function matches(name: string, password: string, hash: string): Promise<boolean> {
    const proof = createHmac("sha256", key)
      .update(JSON.stringify([name, password, hash]))
      .digest();
    const known = remembered.get(name);
    if (known !== undefined && known.until > now() && timingSafeEqual(known.proof, proof)) return true;
    pending++;
    try {
      if (!(await verifyPassword(password, hash))) return false;
    } finally {
      pending--;
    }
    if (rememberMs > 0 && !closed) {
      remembered.delete(name);
      remembered.set(name, { proof, until: now() + rememberMs });
      const [oldest] = remembered.keys();
      if (remembered.size > MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    }
    return true;
  }

  async function check(attempt: LoginAttempt): Promise<LoginResult> {
    if (closed || pending >= maxPending) return failed("temporary");
    const login = loginName(attempt.username);
    const fits = Math.max(attempt.username.length, attempt.password.length) <= MAX_CREDENTIAL;
    const account: Account | undefined = login && fits ? snapshot().account(login.account) : undefined;
    const hash = login?.master === undefined ? account?.passwordHash : options.masterHash?.(login.master);
    const password = fits ? attempt.password : "";
    if (account === undefined || hash === undefined) {
      await matches("", password, NOBODY);
      return failed("credentials");
    }
    const name = login?.master === undefined ? account.address : `*${login.master}`;
    if (!(await matches(name, password, hash))) return failed("credentials");
    // Only who knows the password learns that the account is disabled.
    return account.enabled ? { ok: true, account: account.address } : failed("disabled");
  }

  return {
    async verify(attempt) {
      const { username, service, client } = attempt;
      let result: LoginResult;
      try {
        result = await check(attempt);
      } catch (error) {
        log.error({ event: "login-unavailable", service, username: loggable(username), err: error });
        return failed("temporary");
      }
      const fields = {
        service,
        username: loggable(username),
        client: client.address,
        clientPort: client.port,
      };
      if (result.ok) log.info({ event: "login", ...fields, account: result.account }, "logged in");
      else log.warn({ event: "login-failed", ...fields, reason: result.reason }, "login failed");
      return result;
    },
    async close() {
      closed = true;
      remembered.clear();
    },
  };
}

/** Takes a login name apart: the account, and the master user after the last `*`, if that stands behind the address. */
function loginName(username: string): { readonly account: string; readonly master?: string } | undefined {
  const star = username.lastIndexOf("*");
  const behindAddress = star > username.lastIndexOf("@") && username.includes("@");
  const account = canonicalAddress(behindAddress ? username.slice(0, star) : username);
  if (account === undefined) return undefined;
  return behindAddress ? { account, master: username.slice(star + 1) } : { account };
}

/** A name as a log line may hold it: short, and without bytes that move a terminal. */
function loggable(username: string): string {
  return username.slice(0, 256).replace(/\p{Cc}/gu, "?");
}
