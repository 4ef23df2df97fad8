/** The tls-server-end-point of a certificate (RFC 5929 §4.1). */
import { createHash, type X509Certificate } from "node:crypto";

/**
 * The certificate's hash by the hash of its signature, SHA-256 in place of MD5 and SHA-1; undefined where the
 * signature has none of its own (Ed25519) or there is no certificate.
 */
export function certificateHash(certificate: X509Certificate | undefined): Buffer | undefined {
  if (certificate === undefined) return undefined;
  const algorithm = certificate.signatureAlgorithm ?? "";
  const size = /sha-?(256|384|512)/i.exec(algorithm)?.[1];
  if (size === undefined && !/md5|sha-?1/i.test(algorithm)) return undefined;
  return createHash(`sha${size ?? "256"}`)
    .update(certificate.raw)
    .digest();
}
