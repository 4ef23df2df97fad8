import * as pulumi from "@pulumi/pulumi";

export interface ZoneArgs {
  /** The zone's name. */
  readonly origin: pulumi.Input<string>;
  /** Records by owner and type, TTL first: `{"example.org MX": ["3600 10 mail.example.org."]}`. */
  readonly recordSets: pulumi.Input<Record<string, pulumi.Input<string[]>>>;
}

/** A zone that the host's own name server answers for. Its serial is the host's: it grows whenever the text changes. */
export class Zone extends pulumi.CustomResource {
  declare readonly origin: pulumi.Output<string>;
  declare readonly recordSets: pulumi.Output<Record<string, string[]>>;
  /** The URN that owns the zone on the host. */
  declare readonly owner: pulumi.Output<string>;

  constructor(name: string, args: ZoneArgs, options?: pulumi.CustomResourceOptions) {
    super("mailkeep:index:Zone", name, { ...args, owner: undefined }, options);
  }
}
