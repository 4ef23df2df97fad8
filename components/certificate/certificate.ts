import * as pulumi from "@pulumi/pulumi";
import type {
  DeclaredIssuer,
  DeclaredIssuerInput,
} from "../../mailserver-runtime/settings/certificate-issuer.ts";

export interface CertificateArgs {
  /** The names it is for; the first one is its subject. */
  readonly names: pulumi.Input<pulumi.Input<string>[]>;
  /** Who issues it, by `type`: `local-ca` (when absent), an authority of the host's own, or `acme` (RFC 8555). */
  readonly issuer?: pulumi.Input<DeclaredIssuerInput>;
  /** For DNS-01: Cloudflare's API token, or the secret of the TSIG key. */
  readonly challengeSecret?: pulumi.Input<string>;
}

/**
 * A certificate for the host's names, issued and renewed on the host. Key and certificate stay there; until an authority has
 * made the first, the host's own serves over the same key. Its id for an import is its first name.
 */
export class Certificate extends pulumi.CustomResource {
  declare readonly names: pulumi.Output<string[]>;
  declare readonly issuer: pulumi.Output<DeclaredIssuer>;
  /** SHA-256 of its key, hex: TLSA 3 1 1 (RFC 6698). */
  declare readonly spkiSha256: pulumi.Output<string>;
  /** The same of the key that follows. */
  declare readonly nextSpkiSha256: pulumi.Output<string>;
  /** The same of the RSA key beside it; empty where the issuer has none. */
  declare readonly rsaSpkiSha256: pulumi.Output<string>;
  declare readonly nextRsaSpkiSha256: pulumi.Output<string>;
  /** The certificate of the host's own authority; empty where it has none. */
  declare readonly caCertificatePem: pulumi.Output<string>;
  /** The URN that owns the certificate on the host. */
  declare readonly owner: pulumi.Output<string>;

  constructor(name: string, args: CertificateArgs, options?: pulumi.CustomResourceOptions) {
    super(
      "mailkeep:index:Certificate",
      name,
      {
        issuer: undefined,
        ...args,
        ...(args.challengeSecret !== undefined && { challengeSecret: pulumi.secret(args.challengeSecret) }),
        spkiSha256: undefined,
        nextSpkiSha256: undefined,
        rsaSpkiSha256: undefined,
        nextRsaSpkiSha256: undefined,
        caCertificatePem: undefined,
        owner: undefined,
      },
      pulumi.mergeOptions({ additionalSecretOutputs: ["challengeSecret"] }, options),
    );
  }
}
