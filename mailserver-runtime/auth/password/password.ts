/**
 * Passwords at rest: Dovecot's `{SCHEME}hash` texts, made and checked without stopping the event loop.
 *
 * New hashes are SHA512-CRYPT, DMS's own, so that the files can go back to docker-mailserver any day.
 * Passwords go in, hashes and yes or no come out; nothing here logs either. `schemes.ts` has the table of
 * schemes, `sha-crypt.ts` the algorithm, `pool.ts` the thread.
 */
export { closePasswordHashing, hashPassword, PasswordHashingBusy, verifyPassword } from "./pool.ts";
export { schemeProblem, splitScheme, supportedSchemes, UnsupportedScheme } from "./schemes.ts";
