import * as pulumi from "@pulumi/pulumi";

export interface DynamicZoneArgs {
  /** The zone's name. */
  readonly zone: pulumi.Input<string>;
  /** Address of its primary, and the port. */
  readonly server: pulumi.Input<string>;
  readonly port?: pulumi.Input<number>;
  /** The TSIG key (RFC 8945); without it the server has to know the host by its address. */
  readonly keyName?: pulumi.Input<string>;
  readonly keyAlgorithm?: pulumi.Input<"hmac-sha256" | "hmac-sha384" | "hmac-sha512">;
  /** Base64. Secret. */
  readonly keySecret?: pulumi.Input<string>;
  /** Records by owner and type, TTL first: `{"example.org MX": ["3600 10 mail.example.org."]}`. */
  readonly recordSets: pulumi.Input<Record<string, pulumi.Input<string[]>>>;
  /** Record sets of others that are taken over with all that is in them. */
  readonly adopt?: pulumi.Input<pulumi.Input<string>[]>;
}

/**
 * The stack's records in a zone of a name server that takes dynamic updates (RFC 2136). The rest of the zone is left alone;
 * a record of others that ours would contradict is an error and no change.
 */
export class DynamicZone extends pulumi.CustomResource {
  declare readonly zone: pulumi.Output<string>;
  declare readonly recordSets: pulumi.Output<Record<string, string[]>>;

  constructor(name: string, args: DynamicZoneArgs, options?: pulumi.CustomResourceOptions) {
    super("mailkeep:index:DynamicZone", name, { ...args, owner: undefined }, options);
  }
}
