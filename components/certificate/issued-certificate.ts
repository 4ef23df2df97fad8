import * as pulumi from "@pulumi/pulumi";

export interface IssuedCertificateArgs {
  /** The certificate's first name. */
  readonly name: pulumi.Input<string>;
  /** What it is to be, as text: names, authority, keys. Another text waits again. */
  readonly declaration: pulumi.Input<string>;
}

/** An authority may take its time; a program that wants to wait longer says so in `customTimeouts`. */
const WAIT = "5m";

/**
 * A certificate by ACME, issued: waits for the first one, at most as long as its `customTimeouts` say, and tells then what the
 * authority said and when the host tries again. Renewals are the host's own business.
 */
export class IssuedCertificate extends pulumi.CustomResource {
  declare readonly name: pulumi.Output<string>;
  declare readonly declaration: pulumi.Output<string>;
  /** The URN that waited. */
  declare readonly owner: pulumi.Output<string>;

  constructor(name: string, args: IssuedCertificateArgs, options?: pulumi.CustomResourceOptions) {
    super(
      "mailkeep:index:IssuedCertificate",
      name,
      { ...args, owner: undefined },
      pulumi.mergeOptions({ customTimeouts: { create: WAIT, update: WAIT } }, options),
    );
  }
}
