import * as pulumi from "@pulumi/pulumi";

export interface DomainArgs {
  /** The domain's name; IDN in either form. */
  readonly domain: pulumi.Input<string>;
}

/** A domain whose mail the server takes. Its id for an import is its name. */
export class Domain extends pulumi.CustomResource {
  declare readonly domain: pulumi.Output<string>;
  /** The URN that owns the domain on the host. */
  declare readonly owner: pulumi.Output<string>;

  constructor(name: string, args: DomainArgs, options?: pulumi.CustomResourceOptions) {
    super("mailkeep:index:Domain", name, { ...args, owner: undefined }, options);
  }
}
