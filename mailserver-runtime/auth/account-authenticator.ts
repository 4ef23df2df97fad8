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
import type { AppPassword } from "../config/dms/app-passwords.ts";
import type { Account, Snapshot } from "../config/snapshot.ts";
import type { Log } from "../net/log.ts";
import { parseLoginName } from "./account-hash.ts";
import type { AppPasswords } from "./app-passwords.ts";
import type { Authenticator, LoginAttempt, LoginResult } from "./authenticator.ts";
import { scramKeysOf } from "./sasl-offer.ts";
import { checkScramProof, type ScramProof } from "./scram.ts";
import type { TokenVerifier } from "./token-verifier.ts";

export interface AccountAuthenticatorOptions {
  readonly snapshot: () => Snapshot;
  /** Whether a password is the one of a `{SCHEME}hash`; throws when it cannot tell now, or never (unsupported). */
  readonly verifyPassword: (password: string, hash: string) => Promise<boolean>;
  /** Hash of a master user (dovecot-masters.cf), who logs in to any account as `user@domain*master`. */
  readonly masterHash?: (master: string) => string | undefined;
  /** Checks access tokens (OAUTHBEARER, XOAUTH2); without it none is good. */
  readonly tokens?: TokenVerifier;
  /** Further passwords of an account, each for a device; without it there are none. */
  readonly appPasswords?: AppPasswords;
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
    if (attempt.token !== undefined) return checkToken(attempt.username, attempt.token);
    const login = parseLoginName(attempt.username);
    const fits = Math.max(attempt.username.length, attempt.password?.length ?? 0) <= MAX_CREDENTIAL;
    const account: Account | undefined = login && fits ? snapshot().account(login.account) : undefined;
    const hash = login?.master === undefined ? account?.passwordHash : options.masterHash?.(login.master);
    if (attempt.scram !== undefined) return checkProof(account, hash, attempt.scram);
    const password = fits ? attempt.password : "";
    if (login === undefined || account === undefined || hash === undefined) {
      await matches("", password, NOBODY);
      return failed("credentials");
    }
    const name = login.master === undefined ? account.address : `*${login.master}`;
    const apps =
      login.master === undefined
        ? (options.appPasswords?.candidates(account.address, attempt.service, password) ?? [])
        : [];
    const isRight =
      (apps.length > 0 && (await matchesOne(apps, account.address, password))) ||
      (await matches(name, password, hash));
    if (!isRight) return failed("credentials");
    // Only who knows the password learns that the account is disabled.
    return account.enabled ? { ok: true, account: account.address } : failed("disabled");
  }

  async function matchesOne(
    candidates: readonly AppPassword[],
    account: string,
    password: string,
  ): Promise<boolean> {
    for (const { id, hash } of candidates) {
      if (await matches(`${account} ${id}`, password, hash)) return true;
    }
    return false;
  }

  function checkProof(
    account: Account | undefined,
    hash: string | undefined,
    proof: ScramProof,
  ): LoginResult {
    const keys = hash === undefined ? undefined : scramKeysOf(hash);
    const serverSignature = keys && checkScramProof(keys, proof);
    if (!account || !serverSignature) return failed("credentials");
    return account.enabled ? { ok: true, account: account.address, serverSignature } : failed("disabled");
  }

  async function checkToken(username: string, token: string): Promise<LoginResult> {
    const found = await options.tokens?.verify(token);
    if (found === undefined || !found.ok) return failed(found?.reason ?? "credentials");
    const account = snapshot().account(found.address);
    // A token opens its own account, whoever the client says it is.
    const named = username === "" ? undefined : parseLoginName(username);
    if (!account || (username !== "" && (named?.account !== account.address || named.master !== undefined)))
      return failed("credentials");
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

/** A name as a log line may hold it: short, and without bytes that move a terminal. */
function loggable(username: string): string {
  return username.slice(0, 256).replace(/\p{Cc}/gu, "?");
}
