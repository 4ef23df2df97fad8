/**
 * Who issues a certificate: what a stack declares and a host does. Pure.
 *
 * It exists twice, made from the same parts: as the host keeps it, with the secret by which the zone is changed, and as it is
 * declared and shown, without.
 */
import { z } from "zod";

const rfc2136 = {
  type: z.literal("rfc2136"),
  /** Address of the zone's primary. */
  server: z.union([z.ipv4(), z.ipv6()]),
  port: z.int().min(1).max(65_535).default(53),
  /** The zone that has the record; by a CNAME at `_acme-challenge` it may be another than the name's own. */
  zone: z.string().min(1).max(253),
};
/** The key that signs updates (RFC 8945). */
const tsigKey = {
  name: z.string().min(1).max(253),
  algorithm: z.enum(["hmac-sha256", "hmac-sha384", "hmac-sha512"]),
};
const cloudflare = {
  type: z.literal("cloudflare"),
  /** The zone that has the record, as for `rfc2136`. */
  zoneId: z.string().regex(/^[0-9a-f]{32}$/, { error: "is no zone id: 32 hexadecimal digits" }),
  /** Another address of the API, for tests. */
  endpoint: z.url({ protocol: /^https?$/ }).default("https://api.cloudflare.com/client/v4"),
};

/** DNS-01 (RFC 8555 §8.4): who puts the TXT record of `_acme-challenge` into the zone. */
const publisher = z.discriminatedUnion("type", [
  z.strictObject({
    ...rfc2136,
    key: z.strictObject({ ...tsigKey, secret: z.base64() }).optional(),
  }),
  /** Its token needs Zone.DNS edit for this zone alone. */
  z.strictObject({ ...cloudflare, token: z.string().min(1).max(512) }),
]);
const declaredPublisher = z.discriminatedUnion("type", [
  z.strictObject({ ...rfc2136, key: z.strictObject(tsigKey).optional() }),
  z.strictObject(cloudflare),
]);

/** What a certificate's key is: P-256, or RSA of 2048 bits for clients that know nothing younger. */
export const keyTypes = ["ecdsa", "rsa"] as const;
export type KeyType = (typeof keyTypes)[number];

function challengeBy<P extends z.ZodType>(by: P) {
  return z.discriminatedUnion("type", [
    /** Needs an `http` listener that the CA reaches at port 80. */
    z.strictObject({ type: z.literal("http-01") }),
    /** Needs an `https` listener that the CA reaches at port 443 (RFC 8737). */
    z.strictObject({ type: z.literal("tls-alpn-01") }),
    /** Needs no listener, and is the only one for wildcards. */
    z.strictObject({
      type: z.literal("dns-01"),
      publisher: by,
      /** How long secondaries get to fetch the record before the CA is told to look. */
      settleSeconds: z.int().min(0).max(900).default(20),
    }),
  ]);
}

function acmeBy<C extends z.ZodType>(challenge: C) {
  return z.strictObject({
    type: z.literal("acme"),
    /** The CA's directory (RFC 8555 §7.1.1). */
    directory: z.url({ protocol: /^https$/ }).default("https://acme-v02.api.letsencrypt.org/directory"),
    /** Where the CA may write to. */
    email: z.email().optional(),
    challenge,
    /** Certificates (PEM) that the directory's own HTTPS is trusted by, beside the usual ones: for an authority of one's own. */
    directoryAuthorities: z
      .string()
      .max(65_536)
      .regex(/^\s*-----BEGIN CERTIFICATE-----/, { error: "is no certificate in PEM" })
      .optional(),
    /** One certificate for each; a client is shown the first that it can verify. */
    keyTypes: z
      .array(z.enum(keyTypes))
      .max(keyTypes.length)
      .refine((types) => types.includes("ecdsa") && new Set(types).size === types.length, {
        error: 'is ["ecdsa"] or ["ecdsa", "rsa"]: RSA stands beside it for clients that know nothing else',
      })
      .default(["ecdsa"]),
  });
}

export const acmeChallengeSchema = challengeBy(publisher);
export type AcmeChallenge = z.output<typeof acmeChallengeSchema>;
export type ChallengePublisher = z.output<typeof publisher>;

export const acmeIssuerSchema = acmeBy(acmeChallengeSchema.default({ type: "http-01" }));
export type AcmeIssuer = z.output<typeof acmeIssuerSchema>;

const localAuthority = z.strictObject({ type: z.literal("local-ca") });

export const certificateIssuerSchema = z.discriminatedUnion("type", [localAuthority, acmeIssuerSchema]);
export type CertificateIssuer = z.output<typeof certificateIssuerSchema>;

/** Without the secret. */
export const declaredIssuerSchema = z.discriminatedUnion("type", [
  localAuthority,
  acmeBy(challengeBy(declaredPublisher).default({ type: "http-01" })),
]);
export type DeclaredIssuer = z.output<typeof declaredIssuerSchema>;
export type DeclaredIssuerInput = z.input<typeof declaredIssuerSchema>;

/** What a declared issuer needs as its secret: undefined where it needs none. */
export function neededSecret(issuer: DeclaredIssuer): "Cloudflare token" | "TSIG secret" | undefined {
  if (issuer.type !== "acme" || issuer.challenge.type !== "dns-01") return undefined;
  const by = issuer.challenge.publisher;
  if (by.type === "cloudflare") return "Cloudflare token";
  return by.key === undefined ? undefined : "TSIG secret";
}

/** A declared issuer with its secret where it belongs; checked by the caller to be there (`neededSecret`). */
export function withSecret(declared: DeclaredIssuer, secret: string): CertificateIssuer {
  if (declared.type !== "acme") return declared;
  const { challenge, ...issuer } = declared;
  if (challenge.type !== "dns-01") return { ...issuer, challenge };
  const by = challenge.publisher;
  if (by.type === "cloudflare")
    return { ...issuer, challenge: { ...challenge, publisher: { ...by, token: secret } } };
  const { key, ...server } = by;
  return {
    ...issuer,
    challenge: { ...challenge, publisher: { ...server, ...(key && { key: { ...key, secret } }) } },
  };
}

/** The secret by which the zone is changed. */
export function secretOf(issuer: CertificateIssuer): string | undefined {
  if (issuer.type !== "acme" || issuer.challenge.type !== "dns-01") return undefined;
  const by = issuer.challenge.publisher;
  return by.type === "cloudflare" ? by.token : by.key?.secret;
}

/** What may be shown of an issuer. */
export function withoutSecret(issuer: CertificateIssuer): DeclaredIssuer {
  if (issuer.type !== "acme") return issuer;
  const { challenge, ...rest } = issuer;
  if (challenge.type !== "dns-01") return { ...rest, challenge };
  const by = challenge.publisher;
  if (by.type === "cloudflare") {
    const { token: _, ...shown } = by;
    return { ...rest, challenge: { ...challenge, publisher: shown } };
  }
  const { key, ...server } = by;
  if (key === undefined) return { ...rest, challenge: { ...challenge, publisher: server } };
  const { secret: _, ...named } = key;
  return { ...rest, challenge: { ...challenge, publisher: { ...server, key: named } } };
}
