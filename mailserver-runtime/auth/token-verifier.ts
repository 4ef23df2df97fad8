/**
 * Access tokens of OAUTHBEARER and XOAUTH2: whose they are, by what their issuer signed or says when asked.
 *
 * A JWT is checked here, against the issuer's keys (RFC 7519, JWKS RFC 7517); any other token, or a JWT where
 * no keys are declared, is shown to the introspection or userinfo address, as docker-mailserver does. An answer
 * is remembered for a minute at most, and never beyond the token's own end. It never logs a token.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import { canonicalAddress } from "../message/address.ts";
import type { Log } from "../net/log.ts";
import type { Settings } from "../settings/schema.ts";

export type TokenSettings = Settings["oauth2"];
export type TokenResult =
  | { readonly ok: true; readonly address: string }
  | { readonly ok: false; readonly reason: "credentials" | "temporary" };
export interface TokenVerifier {
  verify(token: string): Promise<TokenResult>;
}
export interface TokenVerifierOptions {
  readonly settings: () => TokenSettings;
  readonly log: Log;
  readonly now?: () => number;
}

const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 10_000;
const MAX_ANSWER = 64 * 1024;
/** Clocks differ by so much (seconds). */
const TOLERANCE = 30;
/** Only what an issuer signs: a key that also checks is a password. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

/** The token is not good; the message says why, for the log alone. */
class BadToken extends Error {}

/** Whether the settings name somebody who can tell whose a token is. */
export function takesTokens(settings: TokenSettings): boolean {
  return settings.enabled && (settings.jwks !== undefined || settings.introspectionUrl !== undefined);
}

export function createTokenVerifier({ settings, log, now = Date.now }: TokenVerifierOptions): TokenVerifier {
  const remembered = new Map<string, { readonly address: string; readonly until: number }>();
  let keysOf: { readonly jwks: string; readonly keys: Promise<JWTVerifyGetKey> } | undefined;

  function keys(jwks: string, timeoutMs: number): Promise<JWTVerifyGetKey> {
    if (keysOf?.jwks === jwks) return keysOf.keys;
    const opening = openKeys(jwks, timeoutMs);
    keysOf = { jwks, keys: opening };
    opening.catch(() => {
      keysOf = undefined;
    });
    return opening;
  }

  async function ask(token: string): Promise<JWTPayload> {
    const { jwks, introspectionUrl, issuer, audience, timeoutMs } = settings();
    if (jwks !== undefined && isJwt(token)) {
      const { payload } = await jwtVerify(token, await keys(jwks, timeoutMs), {
        algorithms: ALGORITHMS,
        clockTolerance: TOLERANCE,
        requiredClaims: ["exp"],
        currentDate: new Date(now()),
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience.length === 0 ? {} : { audience: [...audience] }),
      });
      return payload;
    }
    if (introspectionUrl === undefined)
      throw new BadToken("it is no JWT, and no introspection address is set");
    return introspect(introspectionUrl, token, timeoutMs);
  }

  async function check(token: string): Promise<TokenResult> {
    const { usernameClaim } = settings();
    const claims = await ask(token);
    if (claims.active === false) throw new BadToken("its issuer says that it is not active");
    if (claims.email_verified === false && usernameClaim === "email")
      throw new BadToken("its issuer has not verified the address");
    const claim = claims[usernameClaim];
    const address = typeof claim === "string" ? canonicalAddress(claim) : undefined;
    if (address === undefined) throw new BadToken(`its claim ${usernameClaim} is no address`);
    const end = typeof claims.exp === "number" ? claims.exp * 1000 : Number.POSITIVE_INFINITY;
    if (end + TOLERANCE * 1000 <= now()) throw new BadToken("it has ended");
    remembered.set(nameOf(token), { address, until: Math.min(now() + REMEMBER_MS, end) });
    const [oldest] = remembered.keys();
    if (remembered.size > MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    return { ok: true, address };
  }

  return {
    async verify(token) {
      if (!takesTokens(settings())) return { ok: false, reason: "credentials" };
      const known = remembered.get(nameOf(token));
      if (known && known.until > now()) return { ok: true, address: known.address };
      remembered.delete(nameOf(token));
      try {
        return await check(token);
      } catch (error) {
        if (isRefusal(error)) {
          log.warn({ event: "token-refused", err: error }, `an access token is not good: ${error.message}`);
          return { ok: false, reason: "credentials" };
        }
        log.error(
          { event: "token-unchecked", err: error },
          "access tokens cannot be checked: look at oauth2.jwks and oauth2.introspectionUrl, and whether they can be reached",
        );
        return { ok: false, reason: "temporary" };
      }
    },
  };
}

const nameOf = (token: string) => createHash("sha256").update(token).digest("base64");
const isJwt = (token: string) => /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(token);

/** What the token itself is to blame for; everything else is the way to its issuer. */
function isRefusal(error: unknown): error is Error {
  if (error instanceof BadToken) return true;
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return false;
  // jose says so with its plain class when the key set's server does not answer with one.
  return error instanceof errors.JOSEError && error.constructor !== errors.JOSEError;
}

/** Keys from an address, fetched anew when a token names one that is not there, or from a file. */
async function openKeys(jwks: string, timeoutMs: number): Promise<JWTVerifyGetKey> {
  if (/^https?:/.test(jwks)) {
    return createRemoteJWKSet(new URL(jwks), { timeoutDuration: timeoutMs, cooldownDuration: 30_000 });
  }
  return createLocalJWKSet(JSON.parse(await readFile(jwks, "utf8")));
}

/** Shows the token to its issuer (OpenID Connect userinfo, or RFC 7662 as Dovecot's `introspection_mode = auth`). */
async function introspect(address: string, token: string, timeoutMs: number): Promise<JWTPayload> {
  const response = await fetch(address, {
    headers: { authorization: `Bearer ${token}`, accept: "application/json" },
    redirect: "error",
    signal: AbortSignal.timeout(timeoutMs),
  });
  if ([400, 401, 403].includes(response.status)) {
    await response.body?.cancel();
    throw new BadToken(`its issuer answers ${response.status}`);
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`${new URL(address).origin} answers ${response.status}`);
  }
  const answer: unknown = JSON.parse(await bounded(response));
  if (typeof answer !== "object" || answer === null || Array.isArray(answer))
    throw new Error("the issuer's answer is no JSON object");
  return answer as JWTPayload;
}

async function bounded(response: Response): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.length;
    if (size > MAX_ANSWER) throw new Error("the issuer's answer is too long");
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces).toString("utf8");
}
