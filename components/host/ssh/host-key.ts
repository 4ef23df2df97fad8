/**
 * Host keys (RFC 4253 §8): what a machine proves itself with, and what was pinned for it. A key that is not the pinned one
 * ends the connection before anything secret is sent.
 */
import { createHash } from "node:crypto";
import type { ServerHostKeyAlgorithm } from "ssh2";

/** What the key must be. `first-use` takes any, once: only the HostKey resource asks so, and remembers the answer. */
export type HostKeyPin =
  | { readonly kind: "first-use" }
  | { readonly kind: "fingerprint"; readonly fingerprint: string }
  | { readonly kind: "key"; readonly type: string; readonly fingerprint: string };

/** Whoever writes this has decided to trust the first answer. */
export const FIRST_USE = "accept-first-use";

/** Undefined for what is no pin. */
export function parseHostKeyPin(text: string): HostKeyPin | undefined {
  if (text === FIRST_USE) return { kind: "first-use" };
  if (/^SHA256:[A-Za-z0-9+/]{43}$/.test(text)) return { kind: "fingerprint", fingerprint: text };
  const [type = "", base64 = ""] = text.trim().split(/\s+/);
  const blob = Buffer.from(base64, "base64");
  if (!(type in signaturesOf) || keyType(blob) !== type) return undefined;
  return { kind: "key", type, fingerprint: fingerprint(blob) };
}

/** As `ssh-keygen -l` prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** `ssh-ed25519`: the first string of a public key blob (RFC 4253 §6.6); undefined for what is none. */
export function keyType(key: Buffer): string | undefined {
  if (key.length < 4) return undefined;
  const end = 4 + key.readUInt32BE(0);
  return end <= key.length ? key.toString("latin1", 4, end) : undefined;
}

/** The key as a line of known_hosts has it: type and base64. */
export const keyLine = (key: Buffer): string => `${keyType(key)} ${key.toString("base64")}`;

export function matches(pin: HostKeyPin, key: Buffer): boolean {
  return pin.kind === "first-use" || pin.fingerprint === fingerprint(key);
}

/** Signature algorithms by the type of key they are made with, the best first. */
const signaturesOf: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  "ssh-ed25519": ["ssh-ed25519"],
  "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
  "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
  "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
  "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
};

/**
 * The algorithms to ask for: a pinned key's own; all of them where only a fingerprint is known, but for the types that have
 * been seen and were not it.
 */
export function algorithmsFor(pin: HostKeyPin, seenTypes: readonly string[] = []): ServerHostKeyAlgorithm[] {
  const types = pin.kind === "key" ? [pin.type] : Object.keys(signaturesOf);
  return types.filter((type) => !seenTypes.includes(type)).flatMap((type) => signaturesOf[type] ?? []);
}
