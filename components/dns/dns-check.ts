import * as pulumi from "@pulumi/pulumi";

export interface DnsCheckArgs {
  /** Tells this check from others of the stack. */
  readonly name: pulumi.Input<string>;
  /** Records by owner and type that every authoritative name server has to have: `{"example.org MX": ["3600 10 mail.example.org."]}`. */
  readonly recordSets?: pulumi.Input<Record<string, pulumi.Input<string[]>>>;
  /** Addresses that must be named after the host, and its name. Private ones are passed over. */
  readonly addresses?: pulumi.Input<pulumi.Input<string>[]>;
  readonly hostname?: pulumi.Input<string>;
  /** Name servers to ask, as address or address:port, in the place of those the zones name. */
  readonly nameServers?: pulumi.Input<pulumi.Input<string>[]>;
  /** Seconds to wait for all of it. */
  readonly waitSeconds?: pulumi.Input<number>;
}

/** A gate: it is there when the DNS says what is declared, and fails with what is missing when the time is over. */
export class DnsCheck extends pulumi.CustomResource {
  constructor(name: string, args: DnsCheckArgs, options?: pulumi.CustomResourceOptions) {
    super("mailkeep:index:DnsCheck", name, { ...args, owner: undefined }, options);
  }
}
