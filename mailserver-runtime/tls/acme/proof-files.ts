/**
 * Proofs of control that this host's own ports show, as files below `state/acme/proofs/`: whichever process has the
 * authority's connection reads them. `http/<token>` is the text of HTTP-01 (RFC 8555 §8.3); `alpn/<name>.pem` the key
 * and certificate of TLS-ALPN-01 (RFC 8737 §3).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import { makeDirectory, readIfPresent, removeDurably, writeDurably } from "../../config/durable-file.ts";

/** base64url, at least 128 bits (RFC 8555 §8.3); nothing else ever becomes part of a path. */
const TOKEN = /^[A-Za-z0-9_-]{22,200}$/;
const NAME = /^(?=.{1,253}$)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

/** The ALPN protocol by which an authority asks for the proof. */
export const ACME_ALPN = "acme-tls/1";

const folderOf = (state: string, kind: "http" | "alpn") => join(state, "acme", "proofs", kind);

export async function writeHttpProof(state: string, token: string, text: string): Promise<void> {
  if (!TOKEN.test(token)) throw new Error(`${JSON.stringify(token.slice(0, 40))} is no token of HTTP-01`);
  await makeDirectory(folderOf(state, "http"), 0o700);
  await writeDurably(join(folderOf(state, "http"), token), text, 0o600);
}
export async function readHttpProof(state: string, token: string): Promise<string | undefined> {
  return TOKEN.test(token) ? readIfPresent(join(folderOf(state, "http"), token)) : undefined;
}
export async function removeHttpProof(state: string, token: string): Promise<void> {
  if (TOKEN.test(token)) await removeDurably(join(folderOf(state, "http"), token));
}

export async function writeAlpnProof(state: string, name: string, pem: string): Promise<void> {
  if (!NAME.test(name)) throw new Error(`TLS-ALPN-01 proves host names, not ${JSON.stringify(name)}`);
  await makeDirectory(folderOf(state, "alpn"), 0o700);
  await writeDurably(join(folderOf(state, "alpn"), `${name}.pem`), pem, 0o600);
}
export async function removeAlpnProof(state: string, name: string): Promise<void> {
  if (NAME.test(name)) await removeDurably(join(folderOf(state, "alpn"), `${name}.pem`));
}
/** For a handshake that asked for `acme-tls/1`; undefined where nothing is being proven. */
export function alpnProof(state: string, servername: string): SecureContext | undefined {
  const name = servername.toLowerCase();
  if (!NAME.test(name)) return undefined;
  try {
    const pem = readFileSync(join(folderOf(state, "alpn"), `${name}.pem`), "utf8");
    return createSecureContext({ key: pem, cert: pem });
  } catch {
    return undefined;
  }
}
