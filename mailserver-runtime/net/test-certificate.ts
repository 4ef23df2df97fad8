/** Self-signed certificates for tests: one for each name asked, and counted, so that a test sees which was used. */
import { generateKeyPairSync } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import forge from "node-forge";
import type { TlsContexts } from "./connection.ts";

const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
});

/** Key and certificate in PEM for one name. */
export function testCertificate(name: string): { readonly key: string; readonly cert: string } {
  const certificate = forge.pki.createCertificate();
  const key = forge.pki.privateKeyFromPem(privateKey);
  certificate.publicKey = forge.pki.setRsaPublicKey(key.n, key.e);
  certificate.serialNumber = "01";
  certificate.validity.notBefore = new Date(Date.now() - 86_400_000);
  certificate.validity.notAfter = new Date(Date.now() + 86_400_000);
  const attributes = [{ name: "commonName", value: name }];
  certificate.setSubject(attributes);
  certificate.setIssuer(attributes);
  certificate.setExtensions([{ name: "subjectAltName", altNames: [{ type: 2, value: name }] }]);
  certificate.sign(key, forge.md.sha256.create());
  return { key: privateKey, cert: forge.pki.certificateToPem(certificate) };
}

/** Contexts that answer every name with a certificate of that name. */
export function testTlsContexts(defaultName = "mail.example"): TlsContexts {
  const contexts = new Map<string, SecureContext>();
  return {
    context(servername = defaultName) {
      let context = contexts.get(servername);
      if (context === undefined) {
        context = createSecureContext(testCertificate(servername));
        contexts.set(servername, context);
      }
      return context;
    },
  };
}
