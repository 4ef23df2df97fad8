/**
 * Cipher suites by TLS_LEVEL, in DMS's order (its test tls_cipherlists.bats). TLS 1.2 is the least; the
 * suites of 1.3 (RFC 8446 §B.4) come first. "intermediate" adds CBC suites for old machines and printers.
 */
import type { Settings } from "../settings/schema.ts";

const tls13 = ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"];
const modern = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "DHE-RSA-AES128-GCM-SHA256",
  "DHE-RSA-AES256-GCM-SHA384",
];
const intermediate = [
  ...modern,
  "ECDHE-ECDSA-AES128-SHA256",
  "ECDHE-RSA-AES128-SHA256",
  "ECDHE-ECDSA-AES128-SHA",
  "ECDHE-RSA-AES256-SHA384",
  "ECDHE-RSA-AES128-SHA",
  "ECDHE-ECDSA-AES256-SHA384",
  "ECDHE-ECDSA-AES256-SHA",
  "ECDHE-RSA-AES256-SHA",
  "DHE-RSA-AES128-SHA256",
  "DHE-RSA-AES128-SHA",
  "DHE-RSA-AES256-SHA256",
  "DHE-RSA-AES256-SHA",
  "AES128-GCM-SHA256",
  "AES256-GCM-SHA384",
  "AES128-SHA256",
  "AES256-SHA256",
  "AES128-SHA",
  "AES256-SHA",
];

/** OpenSSL's text for each level. */
export const cipherSuites: Readonly<Record<Settings["tls"]["level"], string>> = {
  modern: [...tls13, ...modern].join(":"),
  intermediate: [...tls13, ...intermediate].join(":"),
};
