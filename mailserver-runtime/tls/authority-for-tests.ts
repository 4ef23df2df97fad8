/** A certificate authority that lives as long as a test. */
import type { KeyType } from "../settings/certificate-issuer.ts";
import { makeKeyOf } from "./key-types.ts";
import { issueServerCertificate, makeAuthority, makePrivateKey } from "./x509.ts";

export interface TestAuthority {
  /** Its own certificate, PEM. */
  readonly pem: string;
  /** A key and a certificate for these names; `madeAt` in the past makes one that has run out after a day. */
  issue(
    names: readonly string[],
    madeAt?: Date,
    type?: KeyType,
  ): Promise<{ readonly key: string; readonly cert: string }>;
}

export async function testAuthority(name = "Test authority"): Promise<TestAuthority> {
  const now = new Date();
  const privateKeyPem = await makePrivateKey();
  const { certificatePem } = await makeAuthority(
    name,
    privateKeyPem,
    new Date(now.getTime() - 30 * 86_400_000),
  );
  return {
    pem: certificatePem,
    async issue(names, madeAt = now, type = "ecdsa") {
      const key = await makeKeyOf(type);
      const authority = { certificatePem, privateKeyPem };
      const wanted = { names, privateKeyPem: key, days: 1, now: madeAt, authority };
      return { key, cert: (await issueServerCertificate(wanted)).certificatePem };
    },
  };
}
