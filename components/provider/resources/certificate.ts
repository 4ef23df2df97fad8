/** A certificate for the host's names. Key and issue stay on the host; the stack waits for the first one and sees digests. */
import { z } from "zod";
import { hostName } from "../fields.ts";
import { resourceType } from "../resource-type.ts";

const issuer = z.strictObject({ type: z.literal("local-ca") });

export const certificate = resourceType({
  token: "mailkeep:index:Certificate",
  description: "A certificate for the host's names, issued and renewed on the host.",
  inputs: z.object({
    names: z
      .array(hostName)
      .min(1)
      .meta({ description: "The names it is for; the first one is its subject." }),
    issuer: issuer
      .default({ type: "local-ca" })
      .meta({ description: '{type: "local-ca"}: by an authority of the host\'s own.' }),
  }),
  facts: z.object({
    notAfter: z.string().meta({ description: "When it ends, ISO 8601." }),
    spkiSha256: z.string().meta({ description: "SHA-256 of its key, hex: TLSA 3 1 1 (RFC 6698)." }),
    nextSpkiSha256: z.string().meta({ description: "The same of the key that follows." }),
    fingerprint: z.string().meta({ description: "SHA-256 of the certificate, hex." }),
    caCertificatePem: z.string().meta({ description: "The issuing authority's certificate." }),
  }),
  identity: ["names"],
  secrets: [],
  id: (inputs) => inputs.names[0] ?? "",
  async put({ host, owner, limit }, { names, issuer }) {
    const { created, ...facts } = await host.perform("certificate.put", { names, issuer, owner }, limit);
    return facts;
  },
  async read({ host, limit }, id, inputs) {
    const names = inputs?.names ?? [id];
    const { exists, owner, ...facts } = await host.perform("certificate.read", { names }, limit);
    const { notAfter, spkiSha256, nextSpkiSha256, fingerprint, caCertificatePem } = facts;
    if (!exists || !notAfter || !spkiSha256 || !nextSpkiSha256 || !fingerprint || !caCertificatePem)
      return undefined;
    return {
      inputs: { names, issuer: inputs?.issuer ?? { type: "local-ca" as const } },
      facts: { notAfter, spkiSha256, nextSpkiSha256, fingerprint, caCertificatePem },
      owner,
    };
  },
  async remove({ host, owner, limit }, { names }) {
    await host.perform("certificate.remove", { names, owner }, limit);
  },
});
