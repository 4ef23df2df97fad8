/** Certificates, and what the ports serve. */
import { z } from "zod";
import { certificateIssuerSchema, declaredIssuerSchema } from "../../settings/certificate-issuer.ts";
import { domainName, owner } from "./words.ts";

/** How far an order by ACME is; with the host's own authority it is `issued` at once. */
const acmeProgress = {
  issued: z.boolean().optional(),
  /** When it is ordered next, ISO 8601. */
  nextOrder: z.string().optional(),
  /** Why the last order failed. */
  lastError: z.string().optional(),
};

export const certificateOperations = {
  /**
   * Makes sure a certificate for these names is there: by the host's own CA ("local-ca"), or ordered by ACME; then the answer does not wait
   * for the authority, and `issued` says whether its certificate is in place.
   */
  "certificate.put": {
    request: z.strictObject({
      names: z.array(domainName).min(1),
      issuer: certificateIssuerSchema,
      owner,
    }),
    answer: z.strictObject({
      notAfter: z.string(),
      /** SHA-256 of the SubjectPublicKeyInfo, hex: TLSA 3 1 1 (RFC 6698) of the key in use and of the next one. */
      spkiSha256: z.string(),
      nextSpkiSha256: z.string(),
      /** The same of the RSA key beside it, where one is declared. */
      rsaSpkiSha256: z.string().optional(),
      nextRsaSpkiSha256: z.string().optional(),
      fingerprint: z.string(),
      caCertificatePem: z.string(),
      created: z.boolean(),
      ...acmeProgress,
    }),
  },
  "certificate.read": {
    request: z.strictObject({ names: z.array(domainName).min(1), secret: z.string().max(1024).optional() }),
    answer: z.strictObject({
      exists: z.boolean(),
      issuer: declaredIssuerSchema.optional(),
      /** Whether the secret given in the request is that of the issuer's publisher. */
      secretMatches: z.boolean().optional(),
      notAfter: z.string().optional(),
      spkiSha256: z.string().optional(),
      nextSpkiSha256: z.string().optional(),
      /** The same of the RSA key beside it, where one is declared. */
      rsaSpkiSha256: z.string().optional(),
      nextRsaSpkiSha256: z.string().optional(),
      fingerprint: z.string().optional(),
      caCertificatePem: z.string().optional(),
      ...acmeProgress,
      owner: owner.optional(),
    }),
  },
  "certificate.remove": {
    request: z.strictObject({ names: z.array(domainName).min(1), owner }),
    answer: z.strictObject({ removed: z.boolean() }),
  },
  /**
   * Has a declared certificate that the authority has not made yet ordered now, however long the back-off would wait; not
   * before the time that the authority itself asked for. The answer does not wait for the order.
   */
  "certificate.order": {
    request: z.strictObject({ names: z.array(domainName).min(1) }),
    answer: z.strictObject({ ordered: z.boolean() }),
  },
  /** Has a declared certificate ordered anew now, though one is in place and not near its end; that one serves until then. */
  "certificate.renew": {
    request: z.strictObject({ names: z.array(domainName).min(1) }),
    answer: z.strictObject({ lines: z.array(z.string()) }),
  },
  /** What each port serves, by a real handshake for each name (default: the host's and the declared ones), and the state of the orders. */
  "tls.status": {
    request: z.strictObject({ names: z.array(domainName).min(1).max(100).optional() }),
    answer: z.strictObject({
      ports: z.array(
        z.strictObject({
          protocol: z.string(),
          port: z.int(),
          name: z.string(),
          issuer: z.string().optional(),
          names: z.string().optional(),
          notAfter: z.string().optional(),
          /** Kind and size of the key. */
          key: z.string().optional(),
          fingerprint: z.string().optional(),
          /** Of TLS. */
          version: z.string().optional(),
          /** What a client that checks would say; absent where it is content. */
          problem: z.string().optional(),
        }),
      ),
      certificates: z.array(
        z.strictObject({ names: z.array(z.string()), issuer: z.string(), ...acmeProgress }),
      ),
      lines: z.array(z.string()),
    }),
  },
} as const;
