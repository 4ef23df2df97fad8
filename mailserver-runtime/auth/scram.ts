/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677): the arithmetic of keys and proofs, and how Dovecot stores keys:
 *
 *     {SCRAM-SHA-256}4096,<salt>,<stored key>,<server key>      (salt and keys in base64)
 *
 * What is stored checks a login and cannot log in. Passwords are used as their UTF-8 bytes, as Dovecot does;
 * for the ASCII that SASLprep leaves alone that is the same.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";

export const SCRAM_SCHEME = "SCRAM-SHA-256";
/** RFC 7677 §4 asks for 4096 at least; it is what clients expect to compute. */
export const ITERATIONS = 4096;
const MAX_ITERATIONS = 1_000_000;
const KEY_BYTES = 32;

export interface ScramKeys {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** What a client proves: that it knows the key behind `storedKey`, over what was said before. */
export interface ScramProof {
  /** client-first-bare "," server-first "," client-final-without-proof (RFC 5802 §3). */
  readonly authMessage: string;
  readonly proof: Buffer;
}

const hmac = (key: Buffer, text: string) => createHmac("sha256", key).update(text).digest();
const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest();

/** Keys from the text behind `{SCRAM-SHA-256}`; undefined where it is none. */
export function parseScramKeys(stored: string): ScramKeys | undefined {
  const parts = /^(\d{1,7}),([A-Za-z0-9+/=]+),([A-Za-z0-9+/=]+),([A-Za-z0-9+/=]+)$/.exec(stored);
  if (!parts) return undefined;
  const [salt, storedKey, serverKey] = parts.slice(2).map((text) => Buffer.from(text, "base64"));
  const iterations = Number(parts[1]);
  if (iterations < 1 || iterations > MAX_ITERATIONS) return undefined;
  if (storedKey!.length !== KEY_BYTES || serverKey!.length !== KEY_BYTES || salt!.length === 0)
    return undefined;
  return { iterations, salt: salt!, storedKey: storedKey!, serverKey: serverKey! };
}

/** Keys of a password; takes the time of `iterations` HMACs. */
export function scramKeys(password: Buffer, salt: Buffer, iterations: number): ScramKeys {
  const salted = pbkdf2Sync(password, salt, iterations, KEY_BYTES, "sha256");
  return {
    iterations,
    salt,
    storedKey: digest(hmac(salted, "Client Key")),
    serverKey: hmac(salted, "Server Key"),
  };
}

/** `4096,salt,stored key,server key` of a password with a fresh salt. */
export function makeScramKeys(password: Buffer): string {
  const { iterations, salt, storedKey, serverKey } = scramKeys(password, randomBytes(16), ITERATIONS);
  return [iterations, ...[salt, storedKey, serverKey].map((bytes) => bytes.toString("base64"))].join(",");
}

/** Whether a password has these keys. */
export function hasScramKeys(password: Buffer, keys: ScramKeys): boolean {
  const own = scramKeys(password, keys.salt, keys.iterations);
  return timingSafeEqual(own.storedKey, keys.storedKey);
}

/** The server's signature if the proof is right (RFC 5802 §3), undefined if it is not. */
export function checkScramProof(keys: ScramKeys, { authMessage, proof }: ScramProof): Buffer | undefined {
  const signature = hmac(keys.storedKey, authMessage);
  const clientKey = Buffer.alloc(KEY_BYTES);
  for (let index = 0; index < KEY_BYTES; index += 1)
    clientKey[index] = signature[index]! ^ (proof[index] ?? 0);
  const isRight = timingSafeEqual(digest(clientKey), keys.storedKey) && proof.length === KEY_BYTES;
  return isRight ? hmac(keys.serverKey, authMessage) : undefined;
}
