import * as pulumi from "@pulumi/pulumi";

export interface AdoptedRecordArgs {
  readonly zoneId: pulumi.Input<string>;
  readonly recordId: pulumi.Input<string>;
  /** What the record becomes, as the API takes it. */
  readonly record: pulumi.Input<Record<string, unknown>>;
  /** The API token; CLOUDFLARE_API_TOKEN of the environment when absent. Secret. */
  readonly token?: pulumi.Input<string>;
  /** Another address of the API. */
  readonly baseUrl?: pulumi.Input<string>;
}

/** A record at Cloudflare that others made and this stack takes over: changed once into what is declared, then left to its import. */
export class AdoptedRecord extends pulumi.CustomResource {
  constructor(name: string, args: AdoptedRecordArgs, options?: pulumi.CustomResourceOptions) {
    super("mailkeep:index:AdoptedRecord", name, { ...args, owner: undefined }, options);
  }
}
