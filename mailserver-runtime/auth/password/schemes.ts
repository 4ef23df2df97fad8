/**
 * The password schemes of Dovecot's `{SCHEME}hash` that this server checks itself, as one table.
 *
 * Checked here: SCRAM-SHA-256, SHA512-CRYPT, SHA256-CRYPT, CRYPT (which names its method by `$5$` or `$6$`), SSHA512,
 * SSHA256, SHA512, SHA256 and PLAIN. Not checked, and refused by name: BLF-CRYPT, ARGON2I(D) (no library
 * for them is among the dependencies), MD5 and DES schemes (broken; set a new password). Everything here is
 * synchronous and may take milliseconds: `pool.ts` calls it from its thread.
 */
import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { hasScramKeys, makeScramKeys, parseScramKeys, SCRAM_SCHEME } from "../scram.ts";
import { MAX_PASSWORD_BYTES, shaCrypt } from "./sha-crypt.ts";

/** A stored hash that cannot be checked; the message names the scheme and the way out, never the hash. */
export class UnsupportedScheme extends Error {
  override name = "UnsupportedScheme";
}

interface Scheme {
  /** Whether the password is the one of `stored`, the text behind the `{SCHEME}`. */
  matches(password: Buffer, stored: string): boolean;
}

const crypt: Scheme = {
  matches(password, stored) {
    if (!/^\$[56]\$/.test(stored))
      throw new UnsupportedScheme(
        "only the crypt methods $5$ and $6$ are supported here; set a new password with `setup email update`",
      );
    return equal(Buffer.from(shaCrypt(password, stored)), Buffer.from(stored));
  },
};

const schemes: Readonly<Record<string, Scheme>> = {
  "SHA512-CRYPT": crypt,
  "SHA256-CRYPT": crypt,
  CRYPT: crypt,
  SSHA512: salted("sha512", 64),
  SSHA256: salted("sha256", 32),
  SHA512: salted("sha512", 64),
  SHA256: salted("sha256", 32),
  [SCRAM_SCHEME]: {
    matches(password, stored) {
      const keys = parseScramKeys(stored);
      if (!keys)
        throw new UnsupportedScheme(
          `there are no iterations, salt and keys behind {${SCRAM_SCHEME}}; set a new password with \`setup email update\``,
        );
      return hasScramKeys(password, keys);
    },
  },
  PLAIN: { matches: (password, stored) => equal(password, Buffer.from(stored)) },
};

/** Names of the schemes that can be checked. */
export const supportedSchemes: readonly string[] = Object.keys(schemes);

/**
 * Splits `{SCHEME}hash`; a scheme may carry Dovecot's `.b64` or `.hex`. Text without a scheme is CRYPT, as
 * in DMS's passdb.
 */
export function splitScheme(stored: string): { readonly scheme: string; readonly hash: string } {
  const parts = /^\{([A-Za-z0-9.-]+)\}(.*)$/s.exec(stored);
  return parts === null
    ? { scheme: "CRYPT", hash: stored }
    : { scheme: parts[1]!.toUpperCase(), hash: parts[2]! };
}

/** Why this stored hash can never be checked, or undefined when it can; for reading configuration. */
export function schemeProblem(stored: string): string | undefined {
  const { scheme, hash: text } = splitScheme(stored);
  const name = scheme.replace(/\.(B64|BASE64|HEX)$/, "");
  if (schemes[name] === undefined)
    return `the password scheme {${scheme}} is not supported (supported: ${supportedSchemes.join(", ")}); set a new password with \`setup email update\``;
  if (text === "") return `there is no password hash behind {${scheme}}`;
  return undefined;
}

/**
 * Whether the password is the stored one; the comparison takes the same time wherever the difference is.
 * A password that is longer than MAX_PASSWORD_BYTES is nobody's.
 *
 * @throws {UnsupportedScheme}
 */
export function checkPassword(text: string, stored: string): boolean {
  const password = Buffer.from(text);
  if (password.length > MAX_PASSWORD_BYTES) return false;
  const problem = schemeProblem(stored);
  if (problem !== undefined) throw new UnsupportedScheme(problem);
  const { scheme, hash: value } = splitScheme(stored);
  return schemes[scheme.replace(/\.(B64|BASE64|HEX)$/, "")]!.matches(password, value);
}

/** Schemes a new password can be kept in. */
export type NewScheme = "SHA512-CRYPT" | typeof SCRAM_SCHEME;

/**
 * `{SHA512-CRYPT}$6$…` of a password with a fresh salt, as `doveadm pw -s SHA512-CRYPT` writes it, or keys for SCRAM.
 *
 * @throws {RangeError} when the password is longer than MAX_PASSWORD_BYTES
 */
export function makeHash(text: string, scheme: NewScheme = "SHA512-CRYPT"): string {
  const password = Buffer.from(text);
  if (scheme === SCRAM_SCHEME) {
    if (password.length > MAX_PASSWORD_BYTES)
      throw new RangeError(`a password has at most ${MAX_PASSWORD_BYTES} bytes`);
    return `{${SCRAM_SCHEME}}${makeScramKeys(password)}`;
  }
  // 12 random bytes are 16 characters of base64, whose alphabet differs from crypt's in one character.
  const salt = randomBytes(12).toString("base64").replaceAll("+", ".");
  return `{SHA512-CRYPT}${shaCrypt(password, `$6$${salt}`)}`;
}

/** Digest and salt in base64 or hex, as Dovecot's SSHA schemes store them; an empty salt is the unsalted scheme. */
function salted(algorithm: "sha256" | "sha512", size: number): Scheme {
  return {
    matches(password, stored) {
      const hex = stored.length % 2 === 0 && /^[0-9a-f]+$/i.test(stored) && stored.length >= 2 * size;
      const bytes = Buffer.from(stored, hex ? "hex" : "base64");
      if (bytes.length < size) return false;
      const sum = hash(algorithm, Buffer.concat([password, bytes.subarray(size)]), "buffer");
      return equal(sum, bytes.subarray(0, size));
    },
  };
}

function equal(left: Buffer, right: Buffer): boolean {
  // Hashing first gives equal lengths, so that the length of a PLAIN password does not show either.
  return timingSafeEqual(hash("sha256", left, "buffer"), hash("sha256", right, "buffer"));
}
