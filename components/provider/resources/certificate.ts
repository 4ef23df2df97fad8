/**
 * A certificate for the host's names. Key and issue stay on the host. Declaring one never waits for an authority: what is
 * there at once is the key, whose digests the DNS wants (TLSA), and a certificate of the host's own authority over it;
 * `IssuedCertificate` waits.
 */
import { z } from "zod";
import {
  declaredIssuerSchema,
  neededSecret,
  withSecret,
} from "../../../mailserver-runtime/settings/certificate-issuer.ts";
import { certificateName } from "../fields.ts";
import { resourceType } from "../resource-type.ts";

export const certificate = resourceType({
  token: "mailkeep:index:Certificate",
  description: "A certificate for the host's names, issued and renewed on the host.",
  inputs: z.object({
    names: z
      .array(certificateName)
      .min(1)
      .meta({ description: "The names it is for; the first one is its subject." }),
    issuer: declaredIssuerSchema.default({ type: "local-ca" }).meta({
      description:
        '{type: "local-ca"}: by an authority of the host\'s own. {type: "acme", directory, email, challenge, keyTypes}: by ACME (RFC 8555).',
    }),
    challengeSecret: z.string().min(1).optional().meta({
      description: "For DNS-01: Cloudflare's API token, or the secret of the TSIG key.",
    }),
  }),
  facts: z.object({
    spkiSha256: z.string().meta({ description: "SHA-256 of its key, hex: TLSA 3 1 1 (RFC 6698)." }),
    nextSpkiSha256: z.string().meta({ description: "The same of the key that follows." }),
    rsaSpkiSha256: z
      .string()
      .meta({ description: "The same of the RSA key beside it; empty where the issuer has none." }),
    nextRsaSpkiSha256: z.string().meta({ description: "The same of the RSA key that follows." }),
    caCertificatePem: z
      .string()
      .meta({ description: "The certificate of the host's own authority; empty where it has none." }),
  }),
  identity: ["names"],
  secrets: ["challengeSecret"],
  moving: true,
  check({ issuer, challengeSecret }) {
    const needed = neededSecret(issuer);
    const property = "challengeSecret";
    if (needed !== undefined && challengeSecret === undefined)
      return [{ property, reason: `is missing: the ${needed} by which the zone is changed` }];
    if (needed === undefined && challengeSecret !== undefined)
      return [{ property, reason: "belongs to a challenge by DNS-01 that needs one" }];
    return [];
  },
  id: (inputs) => inputs.names[0] ?? "",
  async put({ host, owner, limit }, { names, issuer, challengeSecret }) {
    const whole = withSecret(issuer, challengeSecret ?? "");
    const request = { names, issuer: whole, owner };
    return factsOf(await host.perform("certificate.put", request, limit));
  },
  async read({ host, limit }, id, declared) {
    const names = declared?.names ?? [id];
    const secret = declared?.challengeSecret;
    const answer = await host.perform("certificate.read", { names, ...(secret && { secret }) }, limit);
    const { exists, owner, issuer, secretMatches, spkiSha256, nextSpkiSha256 } = answer;
    if (!exists || !spkiSha256 || !nextSpkiSha256) return undefined;
    const caCertificatePem = answer.caCertificatePem ?? "";
    return {
      inputs: {
        names,
        issuer: issuer ?? { type: "local-ca" as const },
        // A secret that is not the host's any more goes out of the state: the next diff sets it again.
        ...(secretMatches === true && { challengeSecret: secret }),
      },
      facts: factsOf({ ...answer, spkiSha256, nextSpkiSha256, caCertificatePem }),
      owner,
    };
  },
  async drift({ host, limit }, { names }, facts) {
    const answer = await host.perform("certificate.read", { names }, limit);
    if (!answer.exists || answer.nextSpkiSha256 === facts.nextSpkiSha256) return { drift: [] };
    const reason = `the host has renewed the certificate of ${names[0]}; its following key is to be published ahead of the next renewal`;
    return { drift: [{ property: "nextSpkiSha256", reason }] };
  },
  async remove({ host, owner, limit }, { names }) {
    await host.perform("certificate.remove", { names, owner }, limit);
  },
});

interface Digests {
  readonly spkiSha256: string;
  readonly nextSpkiSha256: string;
  readonly rsaSpkiSha256?: string | undefined;
  readonly nextRsaSpkiSha256?: string | undefined;
  readonly caCertificatePem: string;
}

/** What the stack keeps: neither dates nor fingerprints, which are others after every renewal. */
function factsOf({
  spkiSha256,
  nextSpkiSha256,
  rsaSpkiSha256 = "",
  nextRsaSpkiSha256 = "",
  caCertificatePem,
}: Digests) {
  return { spkiSha256, nextSpkiSha256, rsaSpkiSha256, nextRsaSpkiSha256, caCertificatePem };
}
