import * as pulumi from "@pulumi/pulumi";

export interface ZoneFileArgs {
  /** The zone's name. */
  readonly zone: pulumi.Input<string>;
  /** Where `<zone>.zone` is written, on the machine that runs the program. */
  readonly directory: pulumi.Input<string>;
  /** `zone`: a whole zone with SOA and NS. `include`: the records alone. */
  readonly form?: pulumi.Input<"zone" | "include">;
  /** The zone's name servers, the primary first. */
  readonly nameServers?: pulumi.Input<pulumi.Input<string>[]>;
  /** Seconds, for SOA and NS. */
  readonly ttl?: pulumi.Input<number>;
  /** Records by owner and type, TTL first: `{"example.org MX": ["3600 10 mail.example.org."]}`. */
  readonly recordSets: pulumi.Input<Record<string, pulumi.Input<string[]>>>;
}

/** A master file (RFC 1035 §5). Its serial grows whenever the text changes, so that secondaries fetch it. */
export class ZoneFile extends pulumi.CustomResource {
  declare readonly zone: pulumi.Output<string>;
  /** Where the file lies. */
  declare readonly path: pulumi.Output<string>;

  constructor(name: string, args: ZoneFileArgs, options?: pulumi.CustomResourceOptions) {
    super("mailkeep:index:ZoneFile", name, { ...args, path: undefined, owner: undefined }, options);
  }
}
