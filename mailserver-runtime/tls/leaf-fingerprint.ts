import { createHash, type X509Certificate } from "node:crypto";

/** SHA-256 of a certificate, hex. */
export function leafFingerprint(leaf: X509Certificate): string {
  return createHash("sha256").update(leaf.raw).digest("hex");
}
