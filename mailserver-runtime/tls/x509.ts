/**
 * X.509 certificates of our own making (RFC 5280): a certificate authority and server certificates below
 * it. ECDSA P-256, which every client of the last ten years takes.
 *
 * node:crypto reads certificates but makes none, and node-forge signs with RSA only; @peculiar/x509 is what
 * acme-client uses itself. It is loaded at first use: a server that only serves certificates never needs it.
 */
import { createPublicKey, randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
/** Clocks differ: a certificate made now must already be valid for a client a little behind. */
const BACKDATE_MS = 3_600_000;

/** Both halves as PEM; the private one PKCS#8. */
export interface Issued {
  readonly certificatePem: string;
  readonly notAfter: Date;
}

/** A new P-256 private key, PKCS#8 PEM. */
export async function makePrivateKey(): Promise<string> {
  const pair = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  return pem("PRIVATE KEY", Buffer.from(await webcrypto.subtle.exportKey("pkcs8", pair.privateKey)));
}

/** A self-signed authority that may sign server certificates and no further authority (pathlen 0). */
export async function makeAuthority(commonName: string, privateKeyPem: string, now: Date): Promise<Issued> {
  const x509 = await library();
  const keys = await keyPair(privateKeyPem);
  const notAfter = new Date(now.getTime() + CA_DAYS * DAY_MS);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    notBefore: new Date(now.getTime() - BACKDATE_MS),
    notAfter,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificatePem: `${certificate.toString("pem")}\n`, notAfter };
}

/** What a server certificate is to say, and who signs it. */
export interface ServerCertificate {
  /** Host names (a wildcard as first label is fine) and IP addresses; the first is the subject. */
  readonly names: readonly string[];
  readonly privateKeyPem: string;
  readonly days: number;
  readonly now: Date;
  readonly authority: { readonly certificatePem: string; readonly privateKeyPem: string };
}

/** A server certificate for these names, signed by the authority. It never outlives its authority. */
export async function issueServerCertificate(wanted: ServerCertificate): Promise<Issued> {
  const x509 = await library();
  const authority = new x509.X509Certificate(wanted.authority.certificatePem);
  const publicKey = await publicKeyOf(wanted.privateKeyPem);
  const signer = await keyPair(wanted.authority.privateKeyPem);
  const last = Math.min(wanted.now.getTime() + wanted.days * DAY_MS, authority.notAfter.getTime());
  const first = wanted.names[0]!;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    // RFC 5280 allows 64 characters for a common name; longer names stand in the SAN alone.
    subject: first.length <= 64 ? [{ CN: [first] }] : [],
    issuer: authority.subject,
    notBefore: new Date(wanted.now.getTime() - BACKDATE_MS),
    notAfter: new Date(last),
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: signer.privateKey,
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        wanted.names.map((name) => ({ type: isIP(name) === 0 ? "dns" : "ip", value: name })),
        first.length > 64,
      ),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(signer.publicKey),
    ],
  });
  return { certificatePem: `${certificate.toString("pem")}\n`, notAfter: new Date(last) };
}

let loaded: Promise<typeof import("@peculiar/x509")> | undefined;

function library(): Promise<typeof import("@peculiar/x509")> {
  loaded ??= (async () => {
    // Its dependency injection needs this to be there first.
    await import("reflect-metadata");
    return import("@peculiar/x509");
  })();
  return loaded;
}

/** The public half of any key: P-256 or RSA. */
async function publicKeyOf(privateKeyPem: string): Promise<webcrypto.CryptoKey> {
  const key = createPublicKey(privateKeyPem);
  const algorithm =
    key.asymmetricKeyType === "rsa" ? { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" } : ALGORITHM;
  const der = key.export({ type: "spki", format: "der" });
  return webcrypto.subtle.importKey("spki", der, algorithm, true, ["verify"]);
}

async function keyPair(privateKeyPem: string): Promise<webcrypto.CryptoKeyPair> {
  const der = Buffer.from(privateKeyPem.replace(/-----[^-]+-----/g, ""), "base64");
  const privateKey = await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, true, ["sign"]);
  const { d: _secret, key_ops: _use, ...shared } = await webcrypto.subtle.exportKey("jwk", privateKey);
  const publicKey = await webcrypto.subtle.importKey("jwk", shared, ALGORITHM, true, ["verify"]);
  return { privateKey, publicKey };
}

/** 127 random bits, positive (RFC 5280 §4.1.2.2), hex. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString("hex");
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
