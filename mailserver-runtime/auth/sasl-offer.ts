/**
 * Which SASL mechanisms are offered now, and how each begins.
 *
 * PLAIN and LOGIN always are. SCRAM is where every account has keys for it: a client that prefers it must not
 * fail at the one account that has none. Bearer tokens are where the settings name who issues them.
 */
import { createHmac } from "node:crypto";
import type { Snapshot } from "../config/snapshot.ts";
import { accountHash } from "./account-hash.ts";
import { bearer } from "./bearer-exchange.ts";
import { splitScheme } from "./password/schemes.ts";
import { login, plain, type SaslContext, type SaslExchange } from "./sasl.ts";
import { ITERATIONS, parseScramKeys, SCRAM_SCHEME, type ScramKeys } from "./scram.ts";
import { offersBinding, type ScramParameters, scram } from "./scram-exchange.ts";

export interface SaslOffer {
  /** Names in the order in which they are advertised; a client inside TLS is meant. */
  names(context: SaslContext): readonly string[];
  /** Begins one that is offered; undefined for any other name. */
  begin(name: string, context: SaslContext): SaslExchange | undefined;
}

/** PLAIN and LOGIN alone. */
export const passwordOffer: SaslOffer = {
  names: () => ["PLAIN", "LOGIN"],
  begin: (name) => (name === "PLAIN" ? plain() : name === "LOGIN" ? login() : undefined),
};

export interface SaslOfferOptions {
  readonly snapshot: () => Snapshot;
  /** Makes the salts of names that have no keys; the same in all processes and after a restart. */
  readonly secret: Buffer;
  /** Whether tokens can be checked. */
  readonly takesTokens: () => boolean;
}

export function createSaslOffer({ snapshot, secret, takesTokens }: SaslOfferOptions): SaslOffer {
  const parameters: ScramParameters = (username) => {
    const hash = accountHash(snapshot(), username);
    const keys = hash === undefined ? undefined : scramKeysOf(hash);
    if (keys) return keys;
    const salt = createHmac("sha256", secret).update(username.toLowerCase()).digest().subarray(0, 16);
    return { salt, iterations: ITERATIONS };
  };
  const begins: Readonly<Record<string, (context: SaslContext) => SaslExchange>> = {
    "SCRAM-SHA-256-PLUS": (context) => scram(parameters, true, context),
    "SCRAM-SHA-256": (context) => scram(parameters, false, context),
    OAUTHBEARER: () => bearer("OAUTHBEARER"),
    XOAUTH2: () => bearer("XOAUTH2"),
    PLAIN: plain,
    LOGIN: login,
  };
  const names = (context: SaslContext) => [
    ...(everyoneHasKeys(snapshot())
      ? [...(offersBinding(context) ? ["SCRAM-SHA-256-PLUS"] : []), "SCRAM-SHA-256"]
      : []),
    ...(takesTokens() ? ["OAUTHBEARER", "XOAUTH2"] : []),
    "PLAIN",
    "LOGIN",
  ];
  return {
    names,
    begin: (name, context) => (names(context).includes(name) ? begins[name]?.(context) : undefined),
  };
}

/** SCRAM keys of a stored `{SCHEME}hash`, where that is what it holds. */
export function scramKeysOf(stored: string): ScramKeys | undefined {
  const { scheme, hash } = splitScheme(stored);
  return scheme === SCRAM_SCHEME ? parseScramKeys(hash) : undefined;
}

const known = new WeakMap<Snapshot, boolean>();

/** Looked at once for each snapshot, up to the first account without keys. */
function everyoneHasKeys(snapshot: Snapshot): boolean {
  let all = known.get(snapshot);
  if (all === undefined) {
    let count = 0;
    all = true;
    for (const { passwordHash, enabled } of snapshot.accounts()) {
      if (!enabled || passwordHash === undefined) continue;
      count += 1;
      if (scramKeysOf(passwordHash)) continue;
      all = false;
      break;
    }
    all &&= count > 0;
    known.set(snapshot, all);
  }
  return all;
}
