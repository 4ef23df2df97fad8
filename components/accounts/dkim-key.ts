import * as pulumi from "@pulumi/pulumi";

/** Kind and size of a DKIM key (RFC 6376, RFC 8463). */
export type DkimAlgorithm = "rsa-2048" | "rsa-4096" | "ed25519";

export interface DkimKeyArgs {
  /** The domain it signs for. */
  readonly domain: pulumi.Input<string>;
  /** Its name in the DNS: `<selector>._domainkey.<domain>`. */
  readonly selector: pulumi.Input<string>;
  /** Kind and size; `rsa-2048` when absent. */
  readonly algorithm?: pulumi.Input<DkimAlgorithm>;
  /** Whether the server signs with it now (default). A key that waits for its turn is published and silent. */
  readonly active?: pulumi.Input<boolean>;
}

/**
 * A DKIM key pair, made on the host; only its public part leaves it. Its id for an import is
 * `<selector>._domainkey.<domain>`. Removing it ends signing with it; its file stays.
 */
export class DkimKey extends pulumi.CustomResource {
  declare readonly domain: pulumi.Output<string>;
  declare readonly selector: pulumi.Output<string>;
  declare readonly algorithm: pulumi.Output<DkimAlgorithm>;
  declare readonly active: pulumi.Output<boolean>;
  /** Base64: SubjectPublicKeyInfo for RSA, the key's 32 octets for Ed25519 (RFC 8463). */
  declare readonly publicKey: pulumi.Output<string>;
  /** The URN that owns the key on the host. */
  declare readonly owner: pulumi.Output<string>;

  constructor(name: string, args: DkimKeyArgs, options?: pulumi.CustomResourceOptions) {
    super(
      "mailkeep:index:DkimKey",
      name,
      { algorithm: undefined, active: undefined, ...args, publicKey: undefined, owner: undefined },
      options,
    );
  }
}
