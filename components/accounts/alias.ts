import * as pulumi from "@pulumi/pulumi";

export interface AliasArgs {
  /** The address; `@domain` takes whatever nothing else of that domain takes. */
  readonly address: pulumi.Input<string>;
  /** Where its mail goes. */
  readonly targets: pulumi.Input<pulumi.Input<string>[]>;
}

/** An address that stands for others. Its id for an import is its address. */
export class Alias extends pulumi.CustomResource {
  declare readonly address: pulumi.Output<string>;
  declare readonly targets: pulumi.Output<string[]>;
  /** The URN that owns the alias on the host. */
  declare readonly owner: pulumi.Output<string>;

  constructor(name: string, args: AliasArgs, options?: pulumi.CustomResourceOptions) {
    super("mailkeep:index:Alias", name, { ...args, owner: undefined }, options);
  }
}
