import * as pulumi from "@pulumi/pulumi";

/** Who issues a certificate, by `type`. */
export type CertificateIssuer = {
  /** An authority of the host's own, for a test network: its clients are told to trust it. */
  readonly type: "local-ca";
};

export interface CertificateArgs {
  /** The names it is for; the first one is its subject. */
  readonly names: pulumi.Input<pulumi.Input<string>[]>;
  /** Who issues it; the host's own authority when absent. */
  readonly issuer?: pulumi.Input<CertificateIssuer>;
}

/**
 * A certificate for the host's names, issued and renewed on the host; the first issue is waited for. Key and certificate stay
 * there. Its id for an import is its first name.
 */
export class Certificate extends pulumi.CustomResource {
  declare readonly names: pulumi.Output<string[]>;
  declare readonly issuer: pulumi.Output<CertificateIssuer>;
  /** When it ends, ISO 8601. */
  declare readonly notAfter: pulumi.Output<string>;
  /** SHA-256 of its key, hex: TLSA 3 1 1 (RFC 6698). */
  declare readonly spkiSha256: pulumi.Output<string>;
  /** The same of the key that follows. */
  declare readonly nextSpkiSha256: pulumi.Output<string>;
  /** SHA-256 of the certificate, hex. */
  declare readonly fingerprint: pulumi.Output<string>;
  /** The issuing authority's certificate. */
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
        notAfter: undefined,
        spkiSha256: undefined,
        nextSpkiSha256: undefined,
        fingerprint: undefined,
        caCertificatePem: undefined,
        owner: undefined,
      },
      options,
    );
  }
}
