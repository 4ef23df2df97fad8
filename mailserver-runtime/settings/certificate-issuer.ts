/** Who issues a certificate: what a stack declares and a host does. Pure. */
import { z } from "zod";

/** DNS-01 (RFC 8555 §8.4): who puts the TXT record of `_acme-challenge` into the zone. */
const publisher = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("rfc2136"),
    /** Address of the zone's primary. */
    server: z.union([z.ipv4(), z.ipv6()]),
    port: z.int().min(1).max(65_535).default(53),
    zone: z.string().min(1).max(253),
    key: z
      .strictObject({
        name: z.string().min(1).max(253),
        algorithm: z.enum(["hmac-sha256", "hmac-sha384", "hmac-sha512"]),
        secret: z.base64(),
      })
      .optional(),
  }),
  z.strictObject({
    type: z.literal("cloudflare"),
    /** With Zone.DNS edit for this zone alone. */
    token: z.string().min(1).max(512),
    zoneId: z.string().regex(/^[0-9a-f]{32}$/),
    /** Another address of the API, for tests. */
    endpoint: z.url({ protocol: /^https?$/ }).default("https://api.cloudflare.com/client/v4"),
  }),
]);

export const acmeChallengeSchema = z.discriminatedUnion("type", [
  /** Needs an `http` listener that the CA reaches at port 80. */
  z.strictObject({ type: z.literal("http-01") }),
  /** Needs an `https` listener that the CA reaches at port 443 (RFC 8737). */
  z.strictObject({ type: z.literal("tls-alpn-01") }),
  /** Needs no listener, and is the only one for wildcards. */
  z.strictObject({
    type: z.literal("dns-01"),
    publisher,
    /** How long secondaries get to fetch the record before the CA is told to look. */
    settleSeconds: z.int().min(0).max(900).default(20),
  }),
]);
export type AcmeChallenge = z.output<typeof acmeChallengeSchema>;
export type ChallengePublisher = z.output<typeof publisher>;

export const acmeIssuerSchema = z.strictObject({
  type: z.literal("acme"),
  /** The CA's directory (RFC 8555 §7.1.1). */
  directory: z.url({ protocol: /^https$/ }).default("https://acme-v02.api.letsencrypt.org/directory"),
  /** Where the CA may write to. */
  email: z.email().optional(),
  challenge: acmeChallengeSchema.default({ type: "http-01" }),
});
export type AcmeIssuer = z.output<typeof acmeIssuerSchema>;

export const certificateIssuerSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("local-ca") }),
  acmeIssuerSchema,
]);
export type CertificateIssuer = z.output<typeof certificateIssuerSchema>;
